// Keys of what is known of users beside their names: paths behind a domain, `example.com/tenant`.
import { FieldErrors, type FieldPath } from '../../api/field-error.ts';
import { isDomainPrefixedPath } from '../../api/name-rule.ts';

/** What is wrong with a key, told of the part that is wrong. */
export function domainPathErrors(key: string, at: FieldPath): FieldErrors {
  const errors = new FieldErrors();
  for (const { value, why } of isDomainPrefixedPath(key)) errors.invalid(at, value, why);
  return errors;
}
