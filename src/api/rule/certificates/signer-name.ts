// Names of signers: a domain, a slash, a path.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isDns1123Label, isDns1123Subdomain } from '../../name-rule.ts';

const MAX_SEGMENT = 253;
const MAX_NAME = 571;

export function validateSignerName(name: string | undefined, at: FieldPath, errors: FieldErrors): void {
  if (!name) {
    errors.required(at);
    return;
  }
  const [domain = '', path, ...more] = name.split('/');
  if (path === undefined || more.length > 0) {
    errors.invalid(at, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
    return;
  }
  if (domain.length > MAX_SEGMENT) errors.tooLong(at, MAX_SEGMENT);
  const labels = domain.split('.');
  validateLabels(labels, isDns1123Label, domain, at, errors);
  if (labels.length < 2) errors.invalid(at, domain, 'should be a domain with at least two segments separated by dots');
  validateLabels(path.split('.'), isDns1123Subdomain, path, at, errors);
  if (path.length > MAX_SEGMENT) errors.tooLong(at, MAX_SEGMENT);
  if (name.length > MAX_NAME) errors.tooLong(at, MAX_NAME);
}

/** Complains of the first label that is wrong only. */
function validateLabels(
  labels: readonly string[],
  rule: (label: string) => readonly string[],
  whole: string,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const wrong = labels.find(label => rule(label).length > 0);
  if (wrong === undefined) return;
  for (const m of rule(wrong)) errors.invalid(at, whole, `validating label ${JSON.stringify(wrong)}: ${m}`);
}

/** Of the signers that Kubernetes itself defines. */
export const isKubernetesSigner = (name: string): boolean => {
  const domain = name.split('/', 1)[0]!;
  return domain === 'kubernetes.io' || domain.endsWith('.kubernetes.io');
};
