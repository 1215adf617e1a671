// What a pod's author tells the signer of its certificates.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isDomainPrefixedKey, isQualifiedName } from '../../name-rule.ts';
import { validateAnnotations } from '../meta.ts';

/** As annotations, and every key has a domain. */
export function validateUserAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (!annotations) return;
  validateAnnotations(annotations, at, errors);
  for (const key in annotations) {
    if (isQualifiedName(key.toLowerCase()).length > 0) continue;
    for (const m of isDomainPrefixedKey(key.toLowerCase())) errors.invalid(at, key, m);
  }
}
