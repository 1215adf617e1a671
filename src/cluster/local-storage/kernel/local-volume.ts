// Which claims a node makes directories for, how their volumes look, and which directories may go again.
import type { Draft } from '../../../api/meta.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/type/core-v1.ts';
import type { StorageClass } from '../../../api/type/storage-v1.ts';

export const localProvisioner = 'k8ts.dev/local-path';
export const localStorageClass = 'standard';

const provisionedBy = 'pv.kubernetes.io/provisioned-by';
const selectedNode = 'volume.kubernetes.io/selected-node';
const calledProvisioner = 'volume.kubernetes.io/storage-provisioner';
const hostname = 'kubernetes.io/hostname';

/** The node that the scheduler chose for a claim that waits for a volume of ours; undefined when there is nothing to do. */
export function nodeToServe({ metadata, spec, status }: PersistentVolumeClaim): string | undefined {
  const annotations = metadata.annotations ?? {};
  if (annotations[calledProvisioner] !== localProvisioner || metadata.deletionTimestamp) return undefined;
  if (spec?.volumeName || status?.phase === 'Bound') return undefined;
  return annotations[selectedNode];
}

/** Why no volume can be made for a claim; undefined when one can. */
export function refusal({ spec }: PersistentVolumeClaim): string | undefined {
  const shared = spec?.accessModes?.find(mode => mode === 'ReadWriteMany' || mode === 'ReadOnlyMany');
  if (shared) return `access mode ${shared} is not supported: a local volume is for the pods of one node`;
  if (spec?.volumeMode === 'Block') return 'volume mode Block is not supported';
  if (spec?.selector) return 'claim.Spec.Selector is not supported';
  if (spec?.dataSource || spec?.dataSourceRef) return 'a claim with a data source is not supported';
  return undefined;
}

export const volumeNameOf = (claim: PersistentVolumeClaim): string => `pvc-${claim.metadata.uid}`;

/** Directory name, telling for those who look into the node. */
export const directoryOf = (claim: PersistentVolumeClaim): string =>
  `${volumeNameOf(claim)}_${claim.metadata.namespace}_${claim.metadata.name}`;

export function localVolume(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  node: string,
  source: Pick<Draft<PersistentVolume>['spec'] & object, 'local' | 'hostPath'>,
): Draft<PersistentVolume> {
  const { name, namespace, uid, resourceVersion } = claim.metadata;
  const { accessModes = [], resources } = claim.spec ?? {};
  const { mountOptions = [] } = storageClass;
  return {
    metadata: { name: volumeNameOf(claim), annotations: { [provisionedBy]: localProvisioner } },
    spec: {
      capacity: { storage: resources?.requests?.storage ?? '0' },
      ...source,
      accessModes: [...accessModes],
      claimRef: { kind: 'PersistentVolumeClaim', namespace: namespace!, name, uid, apiVersion: 'v1', resourceVersion },
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
      storageClassName: storageClass.metadata.name,
      ...(mountOptions.length ? { mountOptions: [...mountOptions] } : {}),
      volumeMode: 'Filesystem',
      nodeAffinity: {
        required: { nodeSelectorTerms: [{ matchExpressions: [{ key: hostname, operator: 'In', values: [node] }] }] },
      },
    },
  } as Draft<PersistentVolume>;
}

export interface OwnVolume {
  readonly node: string;
  /** Name below the node's directory of volumes. */
  readonly directory: string;
}

/**
 * What a volume of this provisioner keeps below `base`; undefined for others, also for those that only claim to be: nothing
 * outside may ever be removed because of an object that somebody wrote.
 */
export function ownVolume({ metadata, spec }: PersistentVolume, base: string): OwnVolume | undefined {
  if (metadata.annotations?.[provisionedBy] !== localProvisioner) return undefined;
  const path = spec?.local?.path ?? spec?.hostPath?.path ?? '';
  const directory = path.startsWith(`${base}/`) ? path.slice(base.length + 1) : '';
  if (!directory.startsWith(`${metadata.name}_`) || directory.includes('/')) return undefined;
  const terms = spec?.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  const node = terms[0]?.matchExpressions?.find(e => e.key === hostname)?.values?.[0];
  return node === undefined ? undefined : { node, directory };
}

export const deletesData = ({ spec }: PersistentVolume): boolean => spec?.persistentVolumeReclaimPolicy === 'Delete';
