// Names and amounts of compute resources.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isQualifiedName, NOT_NEGATIVE } from '../../name-rule.ts';
import { parseQuantity, type Quantity, zeroQuantity } from '../../quantity.ts';

const HUGE_PAGES = 'hugepages-';
const CONTAINER_RESOURCES = new Set(['cpu', 'memory', 'ephemeral-storage']);
const COUNTED = new Set([
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
]);
const STANDARD_RESOURCES = new Set([
  ...CONTAINER_RESOURCES,
  ...COUNTED,
  'requests.cpu',
  'requests.memory',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
  'requests.storage',
  'storage',
]);

export const isHugePages = (name: string): boolean => name.startsWith(HUGE_PAGES);
/** Kubernetes' own: unprefixed, or prefixed with kubernetes.io. */
export const isNativeResource = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/');
/** Named by somebody else, counted in whole units, requested as much as limited. */
export const isExtendedResource = (name: string): boolean =>
  !isNativeResource(name) && !name.startsWith('requests.') && isQualifiedName(`requests.${name}`).length === 0;
export const isOvercommitAllowed = (name: string): boolean => isNativeResource(name) && !isHugePages(name);
export const isIntegerResource = (name: string): boolean => COUNTED.has(name) || isExtendedResource(name);
export const isStandardResource = (name: string): boolean => STANDARD_RESOURCES.has(name) || isHugePages(name);

/** An amount as decoding left it; what it cannot read counts as zero (decoding refuses such objects). */
export function amount(text: string | number | undefined): Quantity {
  if (text === undefined || text === null || text === '') return zeroQuantity;
  try {
    return parseQuantity(text);
  } catch {
    return zeroQuantity;
  }
}

/** A resource name anywhere: standard, or qualified. */
export function validateResourceName(name: string, at: FieldPath, errors: FieldErrors): boolean {
  const complaints = isQualifiedName(name);
  for (const m of complaints) errors.invalid(at, name, m);
  if (complaints.length > 0) return false;
  if (!name.includes('/') && !isStandardResource(name)) {
    errors.invalid(at, name, 'must be a standard resource type or fully qualified');
    return false;
  }
  return true;
}

export function validateContainerResourceName(name: string, at: FieldPath, errors: FieldErrors): void {
  if (CONTAINER_RESOURCES.has(name)) return;
  validateResourceName(name, at, errors);
  if (!name.includes('/')) {
    if (!isHugePages(name)) errors.invalid(at, name, 'must be a standard resource for containers');
  } else if (!isNativeResource(name) && !isExtendedResource(name)) {
    errors.invalid(at, name, "doesn't follow extended resource name standard");
  }
}

export function validateResourceAmount(name: string, text: string, at: FieldPath, errors: FieldErrors): void {
  const quantity = amount(text);
  if (quantity.sign < 0) errors.invalid(at, quantity.toString(), NOT_NEGATIVE);
  if (isNativeResource(name) && !COUNTED.has(name)) return;
  if (isIntegerResource(name) && quantity.milliValue() % 1000 !== 0)
    errors.invalid(at, quantity.toString(), 'must be an integer');
}
