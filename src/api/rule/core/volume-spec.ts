// The spec of a PersistentVolume, on its own or within a VolumeAttachment.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isDns1123Label, isDns1123Subdomain } from '../../name-rule.ts';
import type { PersistentVolumeSpec, SecretReference } from '../../type/core-v1.ts';
import { validateNodeSelector } from './node-selector.ts';
import { validateNoBacksteps } from './pod-path.ts';
import { HOST_PATH_TYPES, validateCsiDriverName } from './pod-volume.ts';
import { validateNetworkVolume } from './pod-volume-network.ts';
import { amount } from './resource-name.ts';

const MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
const POLICIES = ['Delete', 'Recycle', 'Retain'];
const VOLUME_MODES = ['Block', 'Filesystem'];
/** Everything in a spec that is not where the data is. */
const NOT_SOURCES = new Set([
  'capacity',
  'accessModes',
  'claimRef',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'mountOptions',
  'volumeMode',
  'nodeAffinity',
  'volumeAttributesClassName',
]);

/** Where the data is; the one field of it, in a spec that is valid. */
export function sourceOf(spec: PersistentVolumeSpec): Record<string, unknown> {
  const entries = Object.entries(spec).filter(([k, v]) => !NOT_SOURCES.has(k) && v !== undefined && v !== null);
  return Object.fromEntries(entries);
}

export function validateVolumeSpec(spec: PersistentVolumeSpec, at: FieldPath, errors: FieldErrors): void {
  validateAccess(spec, at.child('accessModes'), errors);
  validateCapacity(spec, at.child('capacity'), errors);
  const { persistentVolumeReclaimPolicy: policy, storageClassName, volumeMode } = spec;
  if (policy && !POLICIES.includes(policy))
    errors.notSupported(at.child('persistentVolumeReclaimPolicy'), policy, POLICIES);
  validateAffinity(spec, at, errors);
  validateSource(spec, at, errors);
  if (storageClassName)
    for (const m of isDns1123Subdomain(storageClassName))
      errors.invalid(at.child('storageClassName'), storageClassName, m);
  if (volumeMode !== undefined && !VOLUME_MODES.includes(volumeMode))
    errors.notSupported(at.child('volumeMode'), volumeMode, VOLUME_MODES);
  validateAttributesClass(spec, at, errors);
}

const NOT_INLINE = 'may not be specified in the context of inline volumes';

/** A volume that stands for one of a pod, not for itself: a driver's, without what claims go by. */
export function validateInlineVolumeSpec(spec: PersistentVolumeSpec, at: FieldPath, errors: FieldErrors): void {
  if (spec.claimRef) errors.forbidden(at.child('claimRef'), NOT_INLINE);
  if (Object.keys(spec.capacity ?? {}).length > 0) errors.forbidden(at.child('capacity'), NOT_INLINE);
  if (!spec.csi) errors.required(at.child('csi'), 'has to be specified in the context of inline volumes');
  validateAccess(spec, at.child('accessModes'), errors);
  const { persistentVolumeReclaimPolicy: policy, storageClassName, volumeMode } = spec;
  if (policy && policy !== 'Retain')
    errors.forbidden(at.child('persistentVolumeReclaimPolicy'), 'may only be Retain in the context of inline volumes');
  validateAffinity(spec, at, errors);
  validateSource(spec, at, errors);
  if (storageClassName) errors.forbidden(at.child('storageClassName'), NOT_INLINE);
  if (volumeMode !== undefined && volumeMode !== 'Filesystem')
    errors.forbidden(
      at.child('volumeMode'),
      'may not specify volumeMode other than Filesystem in the context of inline volumes',
    );
  validateAttributesClass(spec, at, errors);
}

function validateAccess({ accessModes }: PersistentVolumeSpec, at: FieldPath, errors: FieldErrors): void {
  const modes = accessModes ?? [];
  if (modes.length === 0) errors.required(at);
  for (const mode of modes) if (!MODES.includes(mode)) errors.notSupported(at, mode, MODES);
  if (modes.includes('ReadWriteOncePod') && modes.some(m => m !== 'ReadWriteOncePod'))
    errors.forbidden(at, 'may not use ReadWriteOncePod with other access modes');
}

function validateCapacity({ capacity }: PersistentVolumeSpec, at: FieldPath, errors: FieldErrors): void {
  const names = Object.keys(capacity ?? {});
  if (names.length === 0) errors.required(at);
  if (names.length !== 1 || names[0] !== 'storage') errors.notSupported(at, capacity ?? null, ['storage']);
  for (const name of names)
    if (amount(capacity![name]).sign <= 0) errors.invalid(at.key(name), capacity![name], 'must be greater than zero');
}

function validateAffinity({ nodeAffinity }: PersistentVolumeSpec, at: FieldPath, errors: FieldErrors): void {
  if (!nodeAffinity) return;
  const here = at.child('nodeAffinity', 'required');
  if (nodeAffinity.required) validateNodeSelector(nodeAffinity.required, here, errors);
  else errors.required(here, 'must specify required node constraints');
}

function validateSource(spec: PersistentVolumeSpec, at: FieldPath, errors: FieldErrors): void {
  const sources = sourceOf(spec);
  const [first, ...others] = Object.keys(sources);
  if (!first) errors.required(at, 'must specify a volume type');
  for (const other of others) errors.forbidden(at.child(other), 'may not specify more than 1 volume type');
  if (first === 'hostPath') {
    const here = at.child('hostPath');
    const type = spec.hostPath!.type ?? '';
    needsPath(spec.hostPath!.path, here, errors);
    if (!HOST_PATH_TYPES.includes(type)) errors.notSupported(here.child('type'), type, HOST_PATH_TYPES);
    const recycles = spec.persistentVolumeReclaimPolicy === 'Recycle';
    if (recycles && /^\/+(\.\/*)*$/.test(spec.hostPath!.path))
      errors.forbidden(at.child('persistentVolumeReclaimPolicy'), "may not be 'recycle' for a hostPath mount of '/'");
  } else if (first === 'local') {
    needsPath(spec.local!.path, at.child('local'), errors);
    if (!spec.nodeAffinity) errors.required(at.child('nodeAffinity'), 'Local volume requires node affinity');
  } else if (first === 'csi') validateCsi(spec.csi!, at.child('csi'), errors);
  else if (first) validateNetworkVolume(first, sources[first] as object, at.child(first), errors, true);
}

function needsPath(text: string, at: FieldPath, errors: FieldErrors): void {
  if (!text) errors.required(at.child('path'));
  else validateNoBacksteps(text, at.child('path'), errors);
}

const CSI_SECRETS = [
  'controllerPublishSecretRef',
  'controllerExpandSecretRef',
  'nodePublishSecretRef',
  'nodeExpandSecretRef',
] as const;

function validateCsi(csi: NonNullable<PersistentVolumeSpec['csi']>, at: FieldPath, errors: FieldErrors): void {
  validateCsiDriverName(csi.driver, at.child('driver'), errors);
  if (!csi.volumeHandle) errors.required(at.child('volumeHandle'));
  for (const field of CSI_SECRETS) if (csi[field]) validateSecret(csi[field], at.child(field), errors);
}

function validateSecret({ name, namespace }: SecretReference, at: FieldPath, errors: FieldErrors): void {
  if (!name) errors.required(at.child('name'));
  else for (const m of isDns1123Subdomain(name)) errors.invalid(at.child('name'), name, m);
  if (!namespace) errors.required(at.child('namespace'));
  else for (const m of isDns1123Label(namespace)) errors.invalid(at.child('namespace'), namespace, m);
}

/** Only drivers know what the attributes mean. */
function validateAttributesClass(
  { volumeAttributesClassName: name, csi }: PersistentVolumeSpec,
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (name === undefined) return;
  const here = at.child('volumeAttributesClassName');
  if (name === '') errors.required(here, 'an empty string is disallowed');
  else for (const m of isDns1123Subdomain(name)) errors.invalid(here, name, m);
  if (!csi) errors.required(at.child('csi'), 'has to be specified when using volumeAttributesClassName');
}
