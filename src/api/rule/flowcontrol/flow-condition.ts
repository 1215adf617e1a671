// Conditions of flow schemas and priority levels.
import { type FieldErrors, path } from '../../field-error.ts';

const CONDITIONS = path('status.conditions');

export function validateFlowConditions(
  conditions: readonly { readonly type?: string }[] | undefined,
  errors: FieldErrors,
): void {
  const seen = new Set<string>();
  for (const [i, { type = '' }] of (conditions ?? []).entries()) {
    const at = CONDITIONS.index(i).child('type');
    if (seen.has(type)) errors.duplicate(at, type);
    seen.add(type);
    if (!type) errors.required(at, 'must not be empty');
  }
}
