// Keys of what is known of users beside their names: paths behind a domain, `example.com/tenant`.
import { FieldErrors, type FieldPath } from '../../api/field-error.ts';
import { isDns1123Subdomain, isDomainPrefixedPath } from '../../api/name-rule.ts';

/** What is wrong with a key, told of the part that is wrong. */
export function domainPathErrors(key: string, at: FieldPath): FieldErrors {
  const errors = new FieldErrors();
  const slash = key.indexOf('/');
  const domain = key.slice(0, Math.max(slash, 0));
  const ofDomain = slash > 0 && slash < key.length - 1 ? isDns1123Subdomain(domain) : [];
  for (const complaint of ofDomain) errors.invalid(at, domain, complaint);
  if (!ofDomain.length)
    for (const complaint of isDomainPrefixedPath(key))
      errors.invalid(at, complaint.startsWith('must be a domain-prefixed') ? key : key.slice(slash + 1), complaint);
  return errors;
}
