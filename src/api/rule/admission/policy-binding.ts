// The rules of ValidatingAdmissionPolicyBindings and MutatingAdmissionPolicyBindings.
import { type FieldErrors, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { isDns1123Subdomain, isPathSegmentName } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type {
  MutatingAdmissionPolicyBinding,
  ParamRef,
  ValidatingAdmissionPolicyBinding,
} from '../../type/admissionregistration-v1.ts';
import { validateOneOf } from '../core/pod-common.ts';
import { validateLabelSelector } from '../meta.ts';
import { matchDefaults, validateMatch } from './policy-match.ts';

const SPEC = path('spec');
const PARAM = SPEC.child('paramRef');
const ACTIONS = SPEC.child('validationActions');
const EXCLUSIVE = 'name and selector are mutually exclusive';

type Binding = ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding;

function defaults({ spec }: Mutable<Binding>): void {
  if (spec?.matchResources) matchDefaults(spec.matchResources);
}

function validateParam({ name, selector, parameterNotFoundAction: action }: ParamRef, errors: FieldErrors): void {
  if (name) for (const m of isPathSegmentName(name)) errors.invalid(PARAM.child('name'), name, m);
  validateLabelSelector(selector, PARAM.child('selector'), errors);
  if (name && selector) for (const field of ['name', 'selector']) errors.forbidden(PARAM.child(field), EXCLUSIVE);
  if (!name && !selector) errors.required(PARAM, 'one of name or selector must be specified');
  if (!action) errors.required(PARAM.child('parameterNotFoundAction'));
  else validateOneOf(action, ['Allow', 'Deny'], PARAM.child('parameterNotFoundAction'), errors);
}

function validateCommon({ spec }: Binding, errors: FieldErrors): void {
  const name = spec.policyName;
  if (!name) errors.required(SPEC.child('policyName'));
  else for (const m of isDns1123Subdomain(name)) errors.invalid(SPEC.child('policyName'), name, m);
  if (spec.paramRef) validateParam(spec.paramRef, errors);
  if (spec.matchResources) validateMatch(spec.matchResources, SPEC.child('matchResources'), errors);
}

function validateActions(actions: readonly string[], errors: FieldErrors): void {
  if (actions.length === 0) errors.required(ACTIONS, 'at least one validation action is required');
  for (const [i, action] of actions.entries()) {
    validateOneOf(action, ['Audit', 'Deny', 'Warn'], ACTIONS.index(i), errors);
    if (actions.indexOf(action) < i) errors.duplicate(ACTIONS.index(i), action);
  }
  if (actions.includes('Deny') && actions.includes('Warn'))
    errors.invalid(
      ACTIONS,
      actions,
      'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
    );
}

export const validatingPolicyBindingStrategy: Strategy<ValidatingAdmissionPolicyBinding> = {
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: false,
  default: defaults,
  validate(binding, errors) {
    if (!binding.spec) return;
    validateCommon(binding, errors);
    validateActions(binding.spec.validationActions ?? [], errors);
  },
};

export const mutatingPolicyBindingStrategy: Strategy<MutatingAdmissionPolicyBinding> = {
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: false,
  default: defaults,
  validate(binding, errors) {
    if (binding.spec) validateCommon(binding, errors);
  },
};
