// Volumes on storage systems that Kubernetes once drove itself: required fields and ranges, as a table.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { inclusiveRangeError, isDns1123Label } from '../../name-rule.ts';

interface Shape {
  readonly required?: readonly string[];
  /** `said`: the lowest value that the message names, where it is another. */
  readonly range?: readonly [field: string, low: number, high: number, said?: number];
  readonly oneOf?: readonly [field: string, values: readonly string[]];
  readonly more?: (source: any, at: FieldPath, errors: FieldErrors, persistent: boolean) => void;
}

const SHAPES: Readonly<Record<string, Shape>> = {
  gcePersistentDisk: { required: ['pdName'], range: ['partition', 0, 255, 1] },
  awsElasticBlockStore: { required: ['volumeID'], range: ['partition', 0, 255, 1] },
  nfs: {
    required: ['server', 'path'],
    more: ({ path = '' }, at, errors) => {
      if (!path.startsWith('/')) errors.invalid(at.child('path'), path, 'must be an absolute path');
    },
  },
  iscsi: { required: ['targetPortal'], range: ['lun', 0, 255], more: validateIscsi },
  glusterfs: { required: ['endpoints', 'path'], more: validateEndpointsNamespace },
  flocker: { more: validateFlocker },
  rbd: { required: ['monitors', 'image'] },
  cinder: { required: ['volumeID'], more: validateSecretName },
  cephfs: { required: ['monitors'] },
  quobyte: { more: validateQuobyte },
  fc: { more: validateFibreChannel },
  flexVolume: { required: ['driver'], more: validateFlexOptions },
  azureFile: {
    required: ['secretName', 'shareName'],
    more: ({ secretNamespace }, at, errors) => {
      if (secretNamespace === '') errors.required(at.child('secretNamespace'));
    },
  },
  vsphereVolume: { required: ['volumePath'] },
  photonPersistentDisk: { required: ['pdID'] },
  portworxVolume: { required: ['volumeID'] },
  azureDisk: {
    required: ['diskName', 'diskURI'],
    oneOf: ['cachingMode', ['None', 'ReadOnly', 'ReadWrite']],
    more: validateAzureDisk,
  },
  scaleIO: { required: ['gateway', 'system', 'volumeName'] },
  storageos: { more: validateStorageOs },
};

/**
 * Checks a source by its field name; unknown names are none of the validator's business. `persistent`: of a
 * PersistentVolume, which names the namespaces of its secrets.
 */
export function validateNetworkVolume(
  name: string,
  source: object,
  at: FieldPath,
  errors: FieldErrors,
  persistent = false,
): void {
  const shape = SHAPES[name];
  if (!shape) return;
  const values = source as Record<string, unknown>;
  for (const field of shape.required ?? []) {
    const value = values[field];
    if (!value || (Array.isArray(value) && value.length === 0)) errors.required(at.child(field));
  }
  if (shape.range) {
    const [field, low, high, said = low] = shape.range;
    const value = values[field];
    if (typeof value === 'number' && (value < low || value > high))
      errors.invalid(at.child(field), value, inclusiveRangeError(said, high));
  }
  if (shape.oneOf) {
    const [field, allowed] = shape.oneOf;
    const value = values[field];
    if (value !== undefined && !allowed.includes(value as string)) errors.notSupported(at.child(field), value, allowed);
  }
  shape.more?.(source, at, errors, persistent);
}

function validateSecretName(
  { secretRef }: { secretRef?: { name?: string; namespace?: string } },
  at: FieldPath,
  errors: FieldErrors,
  persistent: boolean,
): void {
  if (!secretRef) return;
  if (!secretRef.name) errors.required(at.child('secretRef', 'name'));
  if (persistent && !secretRef.namespace) errors.required(at.child('secretRef', 'namespace'));
}

function validateEndpointsNamespace(
  { endpointsNamespace: namespace }: { endpointsNamespace?: string },
  at: FieldPath,
  errors: FieldErrors,
): void {
  const here = at.child('endpointsNamespace');
  if (namespace === '')
    errors.invalid(here, namespace, 'if the endpointnamespace is set, it must be a valid namespace name');
  else if (namespace) for (const m of isDns1123Label(namespace)) errors.invalid(here, namespace, m);
}

function validateQuobyte(
  s: { registry?: string; tenant?: string; volume?: string },
  at: FieldPath,
  errors: FieldErrors,
) {
  const registry = at.child('registry');
  const form = 'must be a host:port pair or multiple pairs separated by commas';
  if (!s.registry) errors.required(registry, form);
  else if ((s.tenant ?? '').length > 64)
    errors.required(at.child('tenant'), 'must be a UUID and may not exceed a length of 64 characters');
  else for (const pair of s.registry.split(',')) if (!isHostPort(pair)) errors.invalid(registry, s.registry, form);
  if (!s.volume) errors.required(at.child('volume'));
}

/** One colon before the port; more only within the brackets of an IPv6 address. */
const isHostPort = (text: string): boolean => /^(\[[^[\]]*\]|[^:[\]]*):[^:[\]]*$/.test(text);

/** Kubernetes keeps its own domains for what it tells drivers itself. */
function validateFlexOptions({ options }: { options?: Record<string, string> }, at: FieldPath, errors: FieldErrors) {
  for (const key in options) {
    if (/(^|\.)(kubernetes|k8s)\.io$/i.test(key.split('/', 1)[0]!))
      errors.invalid(at.child('options').key(key), key, 'kubernetes.io and k8s.io namespaces are reserved');
  }
}

const DISK_KINDS = ['Dedicated', 'Managed', 'Shared'];
const MANAGED_DISKS = [
  '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}',
];
const BLOB_DISKS = ['https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd'];

function validateAzureDisk(
  { kind, diskURI = '' }: { kind?: string; diskURI?: string },
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (kind === undefined) return;
  if (!DISK_KINDS.includes(kind)) errors.notSupported(at.child('kind'), kind, DISK_KINDS);
  const managed = kind === 'Managed';
  if (!diskURI.startsWith(managed ? '/subscriptions/' : 'https://'))
    errors.notSupported(at.child('diskURI'), diskURI, managed ? MANAGED_DISKS : BLOB_DISKS);
}

function validateStorageOs(s: any, at: FieldPath, errors: FieldErrors, persistent: boolean): void {
  if (!s.volumeName) errors.required(at.child('volumeName'));
  for (const field of ['volumeName', 'volumeNamespace'])
    if (s[field]) for (const m of isDns1123Label(s[field])) errors.invalid(at.child(field), s[field], m);
  validateSecretName(s, at, errors, persistent);
}

const QUALIFIED_NAMES = [
  /^iqn\.\d{4}-\d{2}\.([a-z0-9-.]+)(:([^,;*&$|\s]+))$/,
  /^eui\.[0-9A-Fa-f]{16}$/,
  /^naa\.[0-9A-Fa-f]{32}$/,
];

function validateIscsi(s: any, at: FieldPath, errors: FieldErrors): void {
  if (s.iqn) validateQualified(s.iqn, at.child('iqn'), errors, 'must be valid format starting with iqn, eui, or naa');
  else errors.required(at.child('iqn'));
  if ((s.chapAuthDiscovery || s.chapAuthSession) && !s.secretRef) errors.required(at.child('secretRef'));
  // Of a PersistentVolume, too, only the name is asked for; and the path of the initiator is spelled like this.
  validateSecretName(s, at, errors, false);
  if (s.initiatorName !== undefined)
    validateQualified(s.initiatorName, at.child('initiatorname'), errors, 'must be valid format');
}

function validateQualified(name: string, at: FieldPath, errors: FieldErrors, prefixed: string): void {
  if (!/^(iqn|eui|naa)/.test(name)) errors.invalid(at, name, prefixed);
  else if (!QUALIFIED_NAMES.some(re => re.test(name))) errors.invalid(at, name, 'must be valid format');
}

function validateFlocker(s: any, at: FieldPath, errors: FieldErrors): void {
  if (!s.datasetName && !s.datasetUUID) errors.required(at, 'one of datasetName and datasetUUID is required');
  if (s.datasetName && s.datasetUUID)
    errors.invalid(at, 'resource', 'datasetName and datasetUUID can not be specified simultaneously');
  if (s.datasetName?.includes('/')) errors.invalid(at.child('datasetName'), s.datasetName, "must not contain '/'");
}

function validateFibreChannel(s: any, at: FieldPath, errors: FieldErrors): void {
  const names = s.targetWWNs?.length > 0;
  const ids = s.wwids?.length > 0;
  if (!names && !ids) errors.required(at.child('targetWWNs'), 'must specify either targetWWNs or wwids, but not both');
  if (names && ids)
    errors.invalid(at.child('targetWWNs'), s.targetWWNs, 'targetWWNs and wwids can not be specified simultaneously');
  if (!names) return;
  if (s.lun === undefined) errors.required(at.child('lun'), 'lun is required if targetWWNs is specified');
  else if (s.lun < 0 || s.lun > 255) errors.invalid(at.child('lun'), s.lun, inclusiveRangeError(0, 255));
}
