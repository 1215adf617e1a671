// Warnings about PersistentVolumes and the claims for them.
import { append } from '../../../base/append.ts';
import { type FieldPath, path } from '../../field-error.ts';
import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../../type/core-v1.ts';
import { labelSelectorWarnings } from './label-warning.ts';
import { amount } from './resource-name.ts';

const SPEC = path('spec');
const ANNOTATIONS = path('metadata.annotations');
const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';

const DEPRECATED_ANNOTATIONS: Readonly<Record<string, string>> = {
  [CLASS_ANNOTATION]: 'deprecated since v1.8; use "storageClassName" attribute instead',
  'volume.beta.kubernetes.io/mount-options': 'deprecated since v1.31; use "mountOptions" attribute instead',
};

const DEPRECATED_SOURCES = {
  photonPersistentDisk: 'deprecated in v1.11, non-functional in v1.16+',
  scaleIO: 'deprecated in v1.16, non-functional in v1.22+',
  storageos: 'deprecated in v1.22, non-functional in v1.25+',
  glusterfs: 'deprecated in v1.25, non-functional in v1.26+',
  rbd: 'deprecated in v1.28, non-functional in v1.31+',
  cephfs: 'deprecated in v1.28, non-functional in v1.31+',
} as const satisfies { readonly [K in keyof PersistentVolume['spec']]?: string };

export function volumeWarnings({ metadata, spec }: PersistentVolume): string[] {
  const out: string[] = [];
  for (const [key, text] of Object.entries(DEPRECATED_ANNOTATIONS))
    if (metadata.annotations?.[key] !== undefined) out.push(`${ANNOTATIONS.key(key)}: ${text}`);
  if (spec.persistentVolumeReclaimPolicy === 'Recycle')
    out.push(
      `${SPEC.child('persistentVolumeReclaimPolicy')}: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.`,
    );
  const terms = spec.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  for (const [i, term] of terms.entries())
    append(out, labelSelectorWarnings(term, SPEC.child('nodeAffinity', 'required', 'nodeSelectorTerms').index(i)));
  for (const [source, text] of Object.entries(DEPRECATED_SOURCES))
    if (spec[source as keyof typeof DEPRECATED_SOURCES]) out.push(`${SPEC.child(source)}: ${text}`);
  return out;
}

export function claimWarnings({ metadata, spec }: PersistentVolumeClaim): string[] {
  const annotated = metadata.annotations?.[CLASS_ANNOTATION] !== undefined;
  return [
    ...(annotated ? [`${ANNOTATIONS.key(CLASS_ANNOTATION)}: ${DEPRECATED_ANNOTATIONS[CLASS_ANNOTATION]}`] : []),
    ...claimSpecWarnings(spec, SPEC),
  ];
}

export function claimSpecWarnings(spec: PersistentVolumeClaimSpec | undefined, at: FieldPath): string[] {
  return (['requests', 'limits'] as const).flatMap(kind => {
    const size = spec?.resources?.[kind]?.storage;
    if (size === undefined || amount(size).milliValue() % 1000 === 0) return [];
    const here = at.child('resources', kind).key('storage');
    return [`${here}: fractional byte value ${JSON.stringify(size)} is invalid, must be an integer`];
  });
}
