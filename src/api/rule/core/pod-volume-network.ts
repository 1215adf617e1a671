// Volumes on storage systems that Kubernetes once drove itself: required fields and ranges, as a table.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { inclusiveRangeError } from '../../name-rule.ts';

interface Shape {
  readonly required?: readonly string[];
  readonly range?: readonly [field: string, low: number, high: number];
  readonly oneOf?: readonly [field: string, values: readonly string[]];
  readonly more?: (source: any, at: FieldPath, errors: FieldErrors) => void;
}

const SHAPES: Readonly<Record<string, Shape>> = {
  gcePersistentDisk: { required: ['pdName'], range: ['partition', 0, 255] },
  awsElasticBlockStore: { required: ['volumeID'], range: ['partition', 0, 255] },
  nfs: {
    required: ['server', 'path'],
    more: (s, at, errors) => {
      if (s.path && !s.path.startsWith('/')) errors.invalid(at.child('path'), s.path, 'must be an absolute path');
    },
  },
  iscsi: { required: ['targetPortal'], range: ['lun', 0, 255], more: validateIscsi },
  glusterfs: { required: ['endpoints', 'path'] },
  flocker: { more: validateFlocker },
  rbd: { required: ['monitors', 'image'] },
  cinder: { required: ['volumeID'], more: validateSecretName },
  cephfs: { required: ['monitors'] },
  quobyte: { required: ['registry', 'volume'] },
  fc: { more: validateFibreChannel },
  flexVolume: { required: ['driver'] },
  azureFile: { required: ['secretName', 'shareName'] },
  vsphereVolume: { required: ['volumePath'] },
  photonPersistentDisk: { required: ['pdID'] },
  portworxVolume: { required: ['volumeID'] },
  azureDisk: {
    required: ['diskName', 'diskURI'],
    oneOf: ['cachingMode', ['None', 'ReadOnly', 'ReadWrite']],
    more: (s, at, errors) => {
      const kinds = ['Dedicated', 'Managed', 'Shared'];
      if (s.kind !== undefined && !kinds.includes(s.kind)) errors.notSupported(at.child('kind'), s.kind, kinds);
    },
  },
  scaleIO: { required: ['gateway', 'system', 'volumeName'] },
  storageos: { required: ['volumeName'], more: validateSecretName },
};

/** Checks a source by its field name; unknown names are none of the validator's business. */
export function validateNetworkVolume(name: string, source: object, at: FieldPath, errors: FieldErrors): void {
  const shape = SHAPES[name];
  if (!shape) return;
  const values = source as Record<string, unknown>;
  for (const field of shape.required ?? []) {
    const value = values[field];
    if (!value || (Array.isArray(value) && value.length === 0)) errors.required(at.child(field));
  }
  if (shape.range) {
    const [field, low, high] = shape.range;
    const value = values[field];
    if (typeof value === 'number' && (value < low || value > high))
      errors.invalid(at.child(field), value, inclusiveRangeError(low, high));
  }
  if (shape.oneOf) {
    const [field, allowed] = shape.oneOf;
    const value = values[field];
    if (value !== undefined && !allowed.includes(value as string)) errors.notSupported(at.child(field), value, allowed);
  }
  shape.more?.(source, at, errors);
}

function validateSecretName(s: { secretRef?: { name?: string } }, at: FieldPath, errors: FieldErrors): void {
  if (s.secretRef && !s.secretRef.name) errors.required(at.child('secretRef', 'name'));
}

function validateIscsi(s: any, at: FieldPath, errors: FieldErrors): void {
  if (!s.iqn) errors.required(at.child('iqn'));
  else if (!/^(iqn|eui|naa)/.test(s.iqn))
    errors.invalid(at.child('iqn'), s.iqn, 'must be valid format starting with iqn, eui, or naa');
  else if (
    !/^iqn\.\d{4}-\d{2}\.([a-z0-9-.]+)(:([^,;*&$|\s]+))$/.test(s.iqn) &&
    !/^eui\.[0-9A-Fa-f]{16}$/.test(s.iqn) &&
    !/^naa\.[0-9A-Fa-f]{32}$/.test(s.iqn)
  )
    errors.invalid(at.child('iqn'), s.iqn, 'must be valid format');
  if ((s.chapAuthDiscovery || s.chapAuthSession) && !s.secretRef) errors.required(at.child('secretRef'));
  validateSecretName(s, at, errors);
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
