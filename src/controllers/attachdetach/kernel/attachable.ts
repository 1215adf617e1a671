// Which volumes of a pod must be attached to its node before they can be mounted there.
import type { ContainerStatus, Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../../api/type/core-v1.ts';
import type { CSIDriver } from '../../../api/type/storage-v1.ts';
import { claimNamesOf } from '../../kernel/pod-claim.ts';

const managedByController = 'volumes.kubernetes.io/controller-managed-attach-detach';
export const keepsTerminatedVolumes = 'volumes.kubernetes.io/keep-terminated-pod-volumes';

/** The kubelet leaves attaching to the controller. */
export const isManaged = ({ metadata }: Node): boolean => metadata.annotations?.[managedByController] === 'true';

const stopped = (statuses: readonly ContainerStatus[] = []): boolean =>
  statuses.every(s => s.state?.terminated || s.state?.waiting);

function isTerminated({ metadata, status }: Pod): boolean {
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return true;
  return !!metadata.deletionTimestamp && stopped(status?.containerStatuses);
}

/** The pod needs its volumes, or may still. */
export const needsVolumes = (pod: Pod, node: Node): boolean =>
  !isTerminated(pod) || node.metadata.annotations?.[keepsTerminatedVolumes] === 'true';

/** As nodes list it in their status. */
export const uniqueVolumeName = (driver: string, handle: string): string => `kubernetes.io/csi/${driver}^${handle}`;

export interface Storage {
  claim(key: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  driver(name: string): CSIDriver | undefined;
}

/** Volumes that are bound and whose driver, as far as is known, wants them attached; each once. */
export function attachableVolumes(pod: Pod, storage: Storage): PersistentVolume[] {
  const found = new Set<PersistentVolume>();
  for (const { name, ofPod } of claimNamesOf(pod)) {
    const claim = storage.claim(`${pod.metadata.namespace}/${name}`);
    if (claim?.status?.phase !== 'Bound' || !claim.spec?.volumeName) continue;
    if (ofPod && !claim.metadata.ownerReferences?.some(o => o.controller && o.uid === pod.metadata.uid)) continue;
    const volume = storage.volume(claim.spec.volumeName);
    if (!volume?.spec?.csi || volume.spec.claimRef?.uid !== claim.metadata.uid) continue;
    if (storage.driver(volume.spec.csi.driver)?.spec.attachRequired !== false) found.add(volume);
  }
  return [...found];
}

/** Some access mode lets several nodes have it; a volume that names none is nobody's to refuse. */
export function mayAttachToMany({ spec }: PersistentVolume): boolean {
  const modes = spec?.accessModes ?? [];
  return modes.length === 0 || modes.some(m => m === 'ReadWriteMany' || m === 'ReadOnlyMany');
}
