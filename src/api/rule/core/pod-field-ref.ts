// References to fields and resources of the pod itself: environment variables and downward API files.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isQualifiedName } from '../../name-rule.ts';
import type { ObjectFieldSelector, ResourceFieldSelector } from '../../type/core-v1.ts';
import { isHugePages } from './resource-name.ts';

export const ENV_FIELDS: readonly string[] = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];
export const VOLUME_FIELDS: readonly string[] = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];
// All that can be named; each use takes fewer.
const KNOWN_FIELDS = new Set([
  ...ENV_FIELDS,
  ...VOLUME_FIELDS,
  'spec.restartPolicy',
  'spec.schedulerName',
  'status.phase',
]);

const RESOURCES: readonly string[] = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];
const CPU_DIVISORS = ['1m', '1'];
const BYTE_DIVISORS = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'];

/** `metadata.labels['app']` as its path and key; undefined when there is no subscript. */
export function splitSubscript(fieldPath: string): { readonly path: string; readonly key: string } | undefined {
  if (!fieldPath.endsWith("']")) return undefined;
  const open = fieldPath.indexOf("['");
  if (open <= 0) return undefined;
  return { path: fieldPath.slice(0, open), key: fieldPath.slice(open + 2, -2) };
}

export function validateFieldSelector(
  selector: ObjectFieldSelector,
  allowed: readonly string[],
  at: FieldPath,
  errors: FieldErrors,
): void {
  const { apiVersion, fieldPath } = selector;
  if (!apiVersion) {
    errors.required(at.child('apiVersion'));
    return;
  }
  if (!fieldPath) {
    errors.required(at.child('fieldPath'));
    return;
  }
  const wrong = (why: string) => errors.invalid(at.child('fieldPath'), fieldPath, `error converting fieldPath: ${why}`);
  if (apiVersion !== 'v1') {
    wrong(`unsupported pod version: ${apiVersion}`);
    return;
  }
  const subscript = splitSubscript(fieldPath);
  if (subscript) {
    const { path, key } = subscript;
    if (path !== 'metadata.annotations' && path !== 'metadata.labels') {
      wrong(`field label does not support subscript: ${fieldPath}`);
      return;
    }
    for (const m of isQualifiedName(path === 'metadata.annotations' ? key.toLowerCase() : key))
      errors.invalid(at, key, m);
    return;
  }
  const path = fieldPath === 'spec.host' ? 'spec.nodeName' : fieldPath;
  if (!KNOWN_FIELDS.has(path)) {
    wrong(`field label not supported: ${fieldPath}`);
    return;
  }
  if (!allowed.includes(path)) errors.notSupported(at.child('fieldPath'), path, allowed);
}

export function validateResourceFieldSelector(
  selector: ResourceFieldSelector,
  inVolume: boolean,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const { containerName, resource = '', divisor } = selector;
  if (inVolume && !containerName) errors.required(at.child('containerName'));
  else if (!resource) errors.required(at.child('resource'));
  else if (!RESOURCES.includes(resource) && !isHugePagesField(resource))
    errors.notSupported(at.child('resource'), resource, RESOURCES);
  if (divisor === undefined || divisor === '' || divisor === '0') return;
  if (!RESOURCES.includes(resource) && !isHugePagesField(resource)) return;
  const name = resource.slice(resource.indexOf('.') + 1);
  const divisors = name === 'cpu' ? CPU_DIVISORS : BYTE_DIVISORS;
  if (divisors.includes(divisor)) return;
  const list = name === 'cpu' ? '1m and 1' : BYTE_DIVISORS.join(', ');
  const shown = isHugePages(name) ? 'hugepages' : name === 'ephemeral-storage' ? 'local ephemeral storage' : name;
  errors.invalid(
    at.child('divisor'),
    resource,
    `only divisor's values ${list} are supported with the ${shown} resource`,
  );
}

const isHugePagesField = (resource: string): boolean => /^(limits|requests)\.hugepages-/.test(resource);
