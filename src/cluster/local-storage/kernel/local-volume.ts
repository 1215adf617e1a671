// Which claims a node makes directories for, how their volumes look, and which directories may go again.
import type { Draft } from '../../../api/meta.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim } from '../../../api/type/core-v1.ts';
import type { StorageClass } from '../../../api/type/storage-v1.ts';

export const localProvisioner = 'k8ts.dev/local-path';
export const localStorageClass = 'standard';

const provisionedBy = 'pv.kubernetes.io/provisioned-by';
export const selectedNode = 'volume.kubernetes.io/selected-node';
const calledProvisioner = 'volume.kubernetes.io/storage-provisioner';
const hostname = 'kubernetes.io/hostname';

/** The claim waits for a volume of ours. */
export function waitsForVolume({ metadata, spec, status }: PersistentVolumeClaim): boolean {
  if (metadata.annotations?.[calledProvisioner] !== localProvisioner || metadata.deletionTimestamp) return false;
  return !spec?.volumeName && status?.phase !== 'Bound';
}

/** The node that was chosen for a claim that waits for a volume of ours; undefined when there is nothing to do. */
export const nodeToServe = (claim: PersistentVolumeClaim): string | undefined =>
  waitsForVolume(claim) ? claim.metadata.annotations?.[selectedNode] : undefined;

/** Where to make a volume that waits for no pod: of the nodes that can have it the one with the fewest volumes of ours. */
export function nodeForVolume(
  nodes: readonly Node[],
  volumes: readonly PersistentVolume[],
  { allowedTopologies }: StorageClass,
): string | undefined {
  const counts = new Map<string, number>();
  for (const volume of volumes) {
    const node = volume.metadata.annotations?.[provisionedBy] === localProvisioner ? nodeOf(volume) : undefined;
    if (node !== undefined) counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  const allowed = ({ metadata: { labels = {} } }: Node) =>
    !allowedTopologies?.length ||
    allowedTopologies.some(t => t.matchLabelExpressions?.every(e => e.values.includes(labels[e.key] ?? '')) ?? true);
  return nodes
    .filter(node => canHaveVolumes(node) && allowed(node))
    .map(({ metadata: { name } }) => ({ name, count: counts.get(name) ?? 0 }))
    .sort((a, b) => a.count - b.count || (a.name < b.name ? -1 : 1))[0]?.name;
}

/** Ready, and open for new pods. */
export const canHaveVolumes = ({ metadata, spec, status }: Node): boolean =>
  !metadata.deletionTimestamp &&
  !spec?.unschedulable &&
  !!status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True');

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
  const node = nodeOf({ spec });
  return node === undefined ? undefined : { node, directory };
}

const nodeOf = ({ spec }: Pick<PersistentVolume, 'spec'>): string | undefined =>
  spec?.nodeAffinity?.required?.nodeSelectorTerms[0]?.matchExpressions?.find(e => e.key === hostname)?.values?.[0];

export const deletesData = ({ spec }: PersistentVolume): boolean => spec?.persistentVolumeReclaimPolicy === 'Delete';
