// Whether a policy's expressions compile, and give what they must.
import {
  APPLY,
  BOOL,
  complaintOf,
  PATCH,
  type PolicyScope,
  policyEnvironment,
  TEXT,
  TEXT_OR_NULL,
} from '../../cel/admission.ts';
import { compile } from '../../cel/compile.ts';
import { type CelType, dyn } from '../../cel/type.ts';
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type {
  MatchCondition,
  MutatingAdmissionPolicy,
  ValidatingAdmissionPolicy,
} from '../../type/admissionregistration-v1.ts';

const SPEC = path('spec');

type Policy = ValidatingAdmissionPolicy | MutatingAdmissionPolicy;

/** The type of what it gives, when it compiles. */
function check(
  expression: string | undefined,
  scope: PolicyScope,
  output: readonly CelType[] | undefined,
  at: FieldPath,
  errors: FieldErrors,
): CelType | undefined {
  if (!expression?.trim()) return undefined;
  const result = compile(expression, policyEnvironment(scope, output));
  const complaint = complaintOf(result);
  if (complaint !== undefined) errors.invalid(at, expression, complaint);
  return result.program?.type;
}

/** Of webhooks and of policies. */
export function checkConditions(
  conditions: readonly MatchCondition[],
  scope: PolicyScope,
  at: FieldPath,
  errors: FieldErrors,
): void {
  for (const [i, c] of conditions.entries()) check(c.expression, scope, BOOL, at.index(i).child('expression'), errors);
}

/** Variables see those before them; the scope with all of them. */
function checkVariables(policy: Policy, scope: PolicyScope, errors: FieldErrors): PolicyScope {
  const known = new Map<string, CelType>();
  const seeing = { ...scope, variables: known };
  for (const [i, { name, expression }] of (policy.spec.variables ?? []).entries()) {
    const at = SPEC.child('variables').index(i).child('expression');
    known.set(name, check(expression, seeing, undefined, at, errors) ?? dyn);
  }
  return seeing;
}

export function checkValidatingExpressions(policy: ValidatingAdmissionPolicy, errors: FieldErrors): void {
  const { spec } = policy;
  const base: PolicyScope = { hasParams: spec.paramKind !== undefined };
  checkConditions(spec.matchConditions ?? [], base, SPEC.child('matchConditions'), errors);
  const scope = checkVariables(policy, base, errors);
  for (const [i, v] of (spec.validations ?? []).entries()) {
    const at = SPEC.child('validations').index(i);
    check(v.expression, scope, BOOL, at.child('expression'), errors);
    check(v.messageExpression, { ...scope, message: true }, TEXT, at.child('messageExpression'), errors);
  }
  for (const [i, a] of (spec.auditAnnotations ?? []).entries())
    check(
      a.valueExpression,
      scope,
      TEXT_OR_NULL,
      SPEC.child('auditAnnotations').index(i).child('valueExpression'),
      errors,
    );
}

export function checkMutatingExpressions(policy: MutatingAdmissionPolicy, errors: FieldErrors): void {
  const { spec } = policy;
  const base: PolicyScope = { hasParams: spec.paramKind !== undefined };
  checkConditions(spec.matchConditions ?? [], base, SPEC.child('matchConditions'), errors);
  const scope: PolicyScope = { ...checkVariables(policy, base, errors), mutates: true };
  for (const [i, m] of (spec.mutations ?? []).entries()) {
    const at = SPEC.child('mutations').index(i);
    if (m.patchType === 'ApplyConfiguration')
      check(m.applyConfiguration?.expression, scope, APPLY, at.child('applyConfiguration', 'expression'), errors);
    if (m.patchType === 'JSONPatch')
      check(m.jsonPatch?.expression, scope, PATCH, at.child('jsonPatch', 'expression'), errors);
  }
}
