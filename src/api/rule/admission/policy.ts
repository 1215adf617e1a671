// The rules of ValidatingAdmissionPolicies and MutatingAdmissionPolicies.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { isCIdentifier, isDns1035Label, isDns1123Subdomain, isQualifiedName } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type {
  MutatingAdmissionPolicy,
  ParamKind,
  ValidatingAdmissionPolicy,
  Validation,
  Variable,
} from '../../type/admissionregistration-v1.ts';
import { validateOneOf } from '../core/pod-common.ts';
import { validateConditions } from './match-rule.ts';
import { checkMutatingExpressions, checkValidatingExpressions } from './policy-expression.ts';
import { matchDefaults, validateMatch } from './policy-match.ts';

const SPEC = path('spec');
const REASONS = ['Forbidden', 'Invalid', 'RequestEntityTooLarge', 'Unauthorized'];
const NOTHING = 'validations or auditAnnotations must be non-empty';
const MAX_VALUE_EXPRESSION = 5 * 1024;
const LINE_BREAK = /[\n\r]/;

type Policy = ValidatingAdmissionPolicy | MutatingAdmissionPolicy;

function defaults({ spec }: Mutable<Policy>): void {
  if (!spec) return;
  spec.failurePolicy ??= 'Fail';
  if (spec.matchConstraints) matchDefaults(spec.matchConstraints);
}

function validateGroupVersion(text: string, at: FieldPath, errors: FieldErrors): void {
  const parts = text.split('/');
  if (parts.length > 2) {
    errors.invalid(at, text, `unexpected GroupVersion string: ${text}`);
    return;
  }
  const version = parts.pop()!;
  const [group] = parts;
  const complaints = group ? isDns1123Subdomain(group) : [];
  if (complaints.length > 0) errors.invalid(at, group, complaints.join(','));
  const wrong = isDns1035Label(version);
  if (!version) errors.invalid(at, text, 'version must be specified');
  else if (wrong.length > 0) errors.invalid(at, version, wrong.join(','));
}

function validateParamKind({ apiVersion, kind }: ParamKind, at: FieldPath, errors: FieldErrors): void {
  if (!apiVersion) errors.required(at.child('apiVersion'));
  else validateGroupVersion(apiVersion, at.child('apiVersion'), errors);
  if (!kind) errors.required(at.child('kind'));
  else {
    const complaints = isDns1035Label(kind.toLowerCase());
    if (complaints.length > 0)
      errors.invalid(
        at.child('kind'),
        kind,
        `may have mixed case, but should otherwise match: ${complaints.join(',')}`,
      );
  }
}

function validateCommon({ spec }: Policy, errors: FieldErrors): void {
  if (spec.paramKind) validateParamKind(spec.paramKind, SPEC.child('paramKind'), errors);
  const constraints = SPEC.child('matchConstraints');
  if (!spec.matchConstraints) errors.required(constraints);
  else {
    validateMatch(spec.matchConstraints, constraints, errors);
    if (!spec.matchConstraints.resourceRules?.length) errors.required(constraints.child('resourceRules'));
  }
  validateConditions(spec.matchConditions ?? [], SPEC.child('matchConditions'), errors);
  if (spec.failurePolicy === undefined) errors.required(SPEC.child('failurePolicy'));
  else validateOneOf(spec.failurePolicy, ['Fail', 'Ignore'], SPEC.child('failurePolicy'), errors);
  validateVariables(spec.variables ?? [], errors);
}

function validateVariables(variables: readonly Variable[], errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [i, { name, expression }] of variables.entries()) {
    const at = SPEC.child('variables').index(i);
    if (!name) errors.required(at.child('name'), 'name is not specified');
    else {
      if (isCIdentifier(name).length > 0) errors.invalid(at.child('name'), name, 'name is not a valid CEL identifier');
      if (seen.has(name)) errors.duplicate(at.child('name'), name);
      seen.add(name);
    }
    if (!expression?.trim()) errors.required(at.child('expression'), 'expression is not specified');
  }
}

function validateValidation(validation: Validation, at: FieldPath, errors: FieldErrors): void {
  const { expression = '', message = '', messageExpression = '', reason } = validation;
  if (!expression.trim()) errors.required(at.child('expression'), 'expression is not specified');
  if (message && !message.trim())
    errors.invalid(at.child('message'), message, 'message must be non-empty if specified');
  else if (LINE_BREAK.test(message.trim()))
    errors.invalid(at.child('message'), message, 'message must not contain line breaks');
  else if (!message && LINE_BREAK.test(expression.trim()))
    errors.required(at.child('message'), 'message must be specified if expression contains line breaks');
  if (messageExpression && !messageExpression.trim())
    errors.invalid(at.child('messageExpression'), messageExpression, 'must be non-empty if specified');
  validateOneOf(reason, REASONS, at.child('reason'), errors);
}

function validateAnnotations({ metadata, spec }: ValidatingAdmissionPolicy, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [i, { key, valueExpression }] of (spec.auditAnnotations ?? []).entries()) {
    const at = SPEC.child('auditAnnotations').index(i);
    const whole = `${metadata.name}/${key}`;
    for (const m of isQualifiedName(whole)) errors.invalid(at.child('key'), whole, m);
    if (seen.has(key)) errors.duplicate(at.child('key'), key);
    seen.add(key);
    const value = valueExpression?.trim();
    if (!value) errors.required(at.child('valueExpression'), 'valueExpression is not specified');
    else if (Buffer.byteLength(value) > MAX_VALUE_EXPRESSION)
      errors.required(at.child('valueExpression'), `must not exceed ${MAX_VALUE_EXPRESSION} bytes in length`);
  }
}

export const validatingPolicyStrategy: Strategy<ValidatingAdmissionPolicy> = {
  statusKeeps: 'metadata',
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: false,
  default: defaults,
  prepareForCreate(policy) {
    policy.status = {};
  },
  validate(policy, errors, context) {
    const { spec } = policy;
    if (context.subresource !== '' || !spec) return;
    validateCommon(policy, errors);
    for (const [i, validation] of (spec.validations ?? []).entries())
      validateValidation(validation, SPEC.child('validations').index(i), errors);
    if (!spec.validations?.length && !spec.auditAnnotations?.length)
      for (const field of ['validations', 'auditAnnotations']) errors.required(SPEC.child(field), NOTHING);
    validateAnnotations(policy, errors);
    checkValidatingExpressions(policy, errors);
  },
};

export const mutatingPolicyStrategy: Strategy<MutatingAdmissionPolicy> = {
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: false,
  default(policy) {
    defaults(policy);
    if (policy.spec) policy.spec.reinvocationPolicy ??= 'Never';
  },
  validate(policy, errors) {
    const { spec } = policy;
    if (!spec) return;
    validateCommon(policy, errors);
    validateOneOf(spec.reinvocationPolicy, ['IfNeeded', 'Never'], SPEC.child('reinvocationPolicy'), errors);
    const at = SPEC.child('mutations');
    if (!spec.mutations?.length) errors.required(at, 'mutations must contain at least one item');
    for (const [i, { patchType, applyConfiguration, jsonPatch }] of (spec.mutations ?? []).entries()) {
      const here = at.index(i);
      if (!patchType) errors.required(here.child('patchType'));
      else validateOneOf(patchType, ['ApplyConfiguration', 'JSONPatch'], here.child('patchType'), errors);
      const expected = patchType === 'JSONPatch' ? jsonPatch : applyConfiguration;
      const field = patchType === 'JSONPatch' ? 'jsonPatch' : 'applyConfiguration';
      if (patchType && !expected?.expression?.trim())
        errors.required(here.child(field, 'expression'), 'expression is not specified');
    }
    checkMutatingExpressions(policy, errors);
  },
};
