// The rules of PersistentVolumes.
import { type FieldErrors, path } from '../../field-error.ts';
import { goValue } from '../../go-value.ts';
import { formatTime } from '../../meta.ts';
import { IMMUTABLE } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { PersistentVolume } from '../../type/core-v1.ts';
import { diffText } from '../diff.ts';
import { semanticEqual } from '../record.ts';
import { storageDefaults } from './pod-default.ts';
import { sourceOf, validateVolumeSpec } from './volume-spec.ts';
import { volumeWarnings } from './volume-warning.ts';

const SPEC = path('spec');

function validateUpdate(now: PersistentVolume, old: PersistentVolume, errors: FieldErrors): void {
  const [source, before] = [sourceOf(now.spec), sourceOf(old.spec)];
  if (!semanticEqual(source, before))
    errors.forbidden(
      SPEC.child('persistentvolumesource'),
      `spec.persistentvolumesource is immutable after creation\n${diffText(before, source)}`,
    );
  if (now.spec.volumeMode !== old.spec.volumeMode) errors.invalid(path('volumeMode'), now.spec.volumeMode, IMMUTABLE);
  const affinity = old.spec.nodeAffinity;
  if (affinity && !semanticEqual(now.spec.nodeAffinity, affinity))
    errors.invalid(path('nodeAffinity'), goValue('core.v1.VolumeNodeAffinity', now.spec.nodeAffinity), IMMUTABLE);
}

export const volumeStrategy: Strategy<PersistentVolume> = {
  nameRule: 'dnsSubdomain',
  default(volume) {
    if (!volume.spec) return;
    volume.spec.persistentVolumeReclaimPolicy ||= 'Retain';
    volume.spec.volumeMode ??= 'Filesystem';
    if (volume.spec.hostPath) volume.spec.hostPath.type ??= '';
    storageDefaults(volume.spec);
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
    if (context.subresource === '') validateVolumeSpec(volume.spec, SPEC, errors);
  },
  validateUpdate(now, old, errors, context) {
    if (context.subresource === '') validateUpdate(now, old, errors);
  },
  warnings: (volume, _old, { subresource }) => (subresource === '' ? volumeWarnings(volume) : []),
};
