// Rows of volumes, claims, classes and drivers.
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/type/core-v1.ts';
import type {
  CSIDriver,
  CSINode,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
} from '../../api/type/storage-v1.ts';
import { ageOf } from './human-duration.ts';
import type { CellsByKind } from './kind.ts';
import { defaultName, none, unset } from './text.ts';

const shortModes: readonly (readonly [mode: string, short: string])[] = [
  ['ReadWriteOnce', 'RWO'],
  ['ReadOnlyMany', 'ROX'],
  ['ReadWriteMany', 'RWX'],
  ['ReadWriteOncePod', 'RWOP'],
];

export const accessModesText = (modes: readonly string[] | undefined): string =>
  shortModes
    .filter(([mode]) => modes?.includes(mode))
    .map(([, short]) => short)
    .join(',');

const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

const storageClassOf = ({ metadata, spec }: PersistentVolume | PersistentVolumeClaim): string =>
  metadata.annotations?.[classAnnotation] ?? spec?.storageClassName ?? '';

const phaseOf = ({ metadata, status }: PersistentVolume | PersistentVolumeClaim): string =>
  metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? '');

export const storageCells: CellsByKind = {
  PersistentVolume: (volume: PersistentVolume, now) => {
    const { metadata, spec, status } = volume;
    return [
      metadata.name,
      spec?.capacity?.storage ?? '0',
      accessModesText(spec?.accessModes),
      spec?.persistentVolumeReclaimPolicy ?? '',
      phaseOf(volume),
      spec?.claimRef ? `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}` : '',
      storageClassOf(volume),
      spec?.volumeAttributesClassName ?? unset,
      status?.reason ?? '',
      ageOf(metadata.creationTimestamp, now),
      spec?.volumeMode ?? unset,
    ];
  },
  PersistentVolumeClaim: (claim: PersistentVolumeClaim, now) => {
    const { metadata, spec, status } = claim;
    const bound = Boolean(spec?.volumeName);
    return [
      metadata.name,
      phaseOf(claim),
      spec?.volumeName ?? '',
      bound ? (status?.capacity?.storage ?? '0') : '',
      bound ? accessModesText(status?.accessModes) : '',
      storageClassOf(claim),
      spec?.volumeAttributesClassName ?? unset,
      ageOf(metadata.creationTimestamp, now),
      spec?.volumeMode ?? unset,
    ];
  },
  StorageClass: (c: StorageClass, now) => [
    defaultName(c.metadata, [
      'storageclass.kubernetes.io/is-default-class',
      'storageclass.beta.kubernetes.io/is-default-class',
    ]),
    c.provisioner,
    c.reclaimPolicy ?? 'Delete',
    c.volumeBindingMode ?? 'Immediate',
    c.allowVolumeExpansion ?? false,
    ageOf(c.metadata.creationTimestamp, now),
  ],
  VolumeAttributesClass: ({ metadata, driverName }: VolumeAttributesClass, now) => [
    metadata.name,
    driverName,
    ageOf(metadata.creationTimestamp, now),
  ],
  VolumeAttachment: ({ metadata, spec, status }: VolumeAttachment, now) => [
    metadata.name,
    spec?.attacher ?? '',
    spec?.source?.persistentVolumeName ?? '',
    spec?.nodeName ?? '',
    status?.attached ?? false,
    ageOf(metadata.creationTimestamp, now),
  ],
  CSINode: ({ metadata, spec }: CSINode, now) => [
    metadata.name,
    spec?.drivers?.length ?? 0,
    ageOf(metadata.creationTimestamp, now),
  ],
  CSIDriver: ({ metadata, spec }: CSIDriver, now) => [
    metadata.name,
    spec?.attachRequired ?? true,
    spec?.podInfoOnMount ?? false,
    spec?.storageCapacity ?? false,
    // An audience may be empty: that of the API server.
    spec?.tokenRequests?.map(t => t.audience).join(',') ?? unset,
    spec?.requiresRepublish ?? false,
    (spec?.volumeLifecycleModes ?? []).join(',') || none,
    ageOf(metadata.creationTimestamp, now),
  ],
};
