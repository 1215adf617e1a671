import type { FieldErrors, FieldPath } from '../../field-error.ts';

const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];

export function validatePullPolicy(policy: string | undefined, at: FieldPath, errors: FieldErrors): void {
  if (!policy) errors.required(at);
  else if (!PULL_POLICIES.includes(policy)) errors.notSupported(at, policy, PULL_POLICIES);
}

export function validateOneOf(
  value: string | undefined,
  allowed: readonly string[],
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (value !== undefined && !allowed.includes(value)) errors.notSupported(at, value, allowed);
}
