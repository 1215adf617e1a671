// The rules of PersistentVolumes.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import { formatTime } from '../../meta.ts';
import { IMMUTABLE, isDns1123Subdomain } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { PersistentVolume, PersistentVolumeSpec } from '../../type/core-v1.ts';
import { diffText } from '../diff.ts';
import { semanticEqual } from '../record.ts';
import { validateNodeSelector } from './node-selector.ts';
import { validateNoBacksteps } from './pod-path.ts';
import { validateCsiDriverName } from './pod-volume.ts';
import { amount } from './resource-name.ts';

const SPEC = path('spec');
const MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
const POLICIES = ['Delete', 'Recycle', 'Retain'];
const VOLUME_MODES = ['Block', 'Filesystem'];
const HOST_PATH_TYPES = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];
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

function sourceOf(spec: PersistentVolumeSpec): Record<string, unknown> {
  const entries = Object.entries(spec).filter(([k, v]) => !NOT_SOURCES.has(k) && v !== undefined && v !== null);
  return Object.fromEntries(entries);
}

function validateAccess(spec: PersistentVolumeSpec, errors: FieldErrors): void {
  const modes = spec.accessModes ?? [];
  const at = SPEC.child('accessModes');
  if (modes.length === 0) errors.required(at);
  for (const mode of modes) if (!MODES.includes(mode)) errors.notSupported(at, mode, MODES);
  if (modes.includes('ReadWriteOncePod') && modes.some(m => m !== 'ReadWriteOncePod'))
    errors.forbidden(at, 'may not use ReadWriteOncePod with other access modes');
}

function validateCapacity({ capacity }: PersistentVolumeSpec, errors: FieldErrors): void {
  const at = SPEC.child('capacity');
  const names = Object.keys(capacity ?? {});
  if (names.length === 0) errors.required(at);
  if (names.length !== 1 || names[0] !== 'storage') errors.notSupported(at, capacity ?? null, ['storage']);
  for (const name of names)
    if (amount(capacity![name]).sign <= 0) errors.invalid(at.key(name), capacity![name], 'must be greater than zero');
}

function validateSource(spec: PersistentVolumeSpec, errors: FieldErrors): void {
  const [first, ...others] = Object.keys(sourceOf(spec));
  if (!first) errors.required(SPEC, 'must specify a volume type');
  for (const other of others) errors.forbidden(SPEC.child(other), 'may not specify more than 1 volume type');
  if (first === 'hostPath') {
    const at = SPEC.child('hostPath');
    const type = spec.hostPath!.type ?? '';
    needsPath(spec.hostPath!.path, at, errors);
    if (!HOST_PATH_TYPES.includes(type)) errors.notSupported(at.child('type'), type, HOST_PATH_TYPES);
    const recycles = spec.persistentVolumeReclaimPolicy === 'Recycle';
    if (recycles && /^\/+(\.\/*)*$/.test(spec.hostPath!.path))
      errors.forbidden(SPEC.child('persistentVolumeReclaimPolicy'), "may not be 'recycle' for a hostPath mount of '/'");
  } else if (first === 'local') {
    needsPath(spec.local!.path, SPEC.child('local'), errors);
    if (!spec.nodeAffinity) errors.required(SPEC.child('nodeAffinity'), 'Local volume requires node affinity');
  } else if (first === 'csi') {
    validateCsiDriverName(spec.csi!.driver, SPEC.child('csi', 'driver'), errors);
    if (!spec.csi!.volumeHandle) errors.required(SPEC.child('csi', 'volumeHandle'));
  } else if (first === 'nfs') {
    const at = SPEC.child('nfs');
    if (!spec.nfs!.server) errors.required(at.child('server'));
    if (!spec.nfs!.path) errors.required(at.child('path'));
    else if (!spec.nfs!.path.startsWith('/'))
      errors.invalid(at.child('path'), spec.nfs!.path, 'must be an absolute path');
  }
}

function needsPath(text: string, at: FieldPath, errors: FieldErrors): void {
  if (!text) errors.required(at.child('path'));
  else validateNoBacksteps(text, at.child('path'), errors);
}

function validate({ spec }: PersistentVolume, errors: FieldErrors): void {
  validateAccess(spec, errors);
  validateCapacity(spec, errors);
  const { persistentVolumeReclaimPolicy: policy, nodeAffinity, storageClassName, volumeMode } = spec;
  if (policy && !POLICIES.includes(policy))
    errors.notSupported(SPEC.child('persistentVolumeReclaimPolicy'), policy, POLICIES);
  if (nodeAffinity) {
    const at = SPEC.child('nodeAffinity', 'required');
    if (nodeAffinity.required) validateNodeSelector(nodeAffinity.required, at, errors);
    else errors.required(at, 'must specify required node constraints');
  }
  validateSource(spec, errors);
  if (storageClassName)
    for (const m of isDns1123Subdomain(storageClassName))
      errors.invalid(SPEC.child('storageClassName'), storageClassName, m);
  if (volumeMode !== undefined && !VOLUME_MODES.includes(volumeMode))
    errors.notSupported(SPEC.child('volumeMode'), volumeMode, VOLUME_MODES);
}

export const volumeStrategy: Strategy<PersistentVolume> = {
  nameRule: 'dnsSubdomain',
  default(volume) {
    if (!volume.spec) return;
    volume.spec.persistentVolumeReclaimPolicy ||= 'Retain';
    volume.spec.volumeMode ??= 'Filesystem';
    if (volume.spec.hostPath) volume.spec.hostPath.type ??= '';
    volume.status = { ...volume.status, phase: volume.status?.phase || 'Pending' };
  },
  prepareForCreate(volume, { nowMs }) {
    volume.status = { phase: 'Pending', lastPhaseTransitionTime: formatTime(nowMs) };
  },
  prepareForUpdate(volume, old, { nowMs, subresource }) {
    if (subresource !== 'status' || !volume.status) return;
    if (volume.status.phase === old.status?.phase) return;
    if (volume.status.lastPhaseTransitionTime === old.status?.lastPhaseTransitionTime)
      volume.status.lastPhaseTransitionTime = formatTime(nowMs);
  },
  validate(volume, errors, context) {
    if (context.subresource === '') validate(volume, errors);
  },
  validateUpdate(now, old, errors, context) {
    if (context.subresource !== '') return;
    const [source, before] = [sourceOf(now.spec), sourceOf(old.spec)];
    if (!semanticEqual(source, before))
      errors.forbidden(
        SPEC.child('persistentvolumesource'),
        `spec.persistentvolumesource is immutable after creation\n${diffText(before, source)}`,
      );
    if (now.spec.volumeMode !== old.spec.volumeMode) errors.invalid(path('volumeMode'), now.spec.volumeMode, IMMUTABLE);
    const affinity = old.spec.nodeAffinity;
    if (affinity && !semanticEqual(now.spec.nodeAffinity, affinity))
      errors.invalid(path('nodeAffinity'), now.spec.nodeAffinity, IMMUTABLE);
  },
};
