import type { Pod, Volume } from '../../../api/type/core-v1.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import { action, type RegisteredEvent } from '../../cluster-event.ts';
import type { CycleState, Handle, Plugin, StateData } from '../../framework.ts';
import { type PodInfo, podInfoOf } from '../../pod-info.ts';
import { type Status, skip, unresolvable, unschedulable } from '../../status.ts';
import { usesClaim } from './claim-hint.ts';
import { VolumeListers } from './volume-lister.ts';

const name = 'VolumeRestrictions';
const stateKey = 'PreFilterVolumeRestrictions';
const diskTaken = unschedulable(name, 'node(s) had no available disk');
const claimTaken = unschedulable(
  name,
  'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode',
);

const disksOf = (pod: Pod): readonly Volume[] =>
  pod.spec.volumes?.filter(v => v.gcePersistentDisk || v.awsElasticBlockStore || v.rbd || v.iscsi) ?? [];

/** Two pods on one node cannot both have the disk. */
export function disksConflict(a: Volume, b: Volume): boolean {
  if (a.gcePersistentDisk && b.gcePersistentDisk)
    return (
      a.gcePersistentDisk.pdName === b.gcePersistentDisk.pdName &&
      !(a.gcePersistentDisk.readOnly && b.gcePersistentDisk.readOnly)
    );
  if (a.awsElasticBlockStore && b.awsElasticBlockStore)
    return a.awsElasticBlockStore.volumeID === b.awsElasticBlockStore.volumeID;
  if (a.iscsi && b.iscsi) return a.iscsi.iqn === b.iscsi.iqn && !(a.iscsi.readOnly && b.iscsi.readOnly);
  const [p, q] = [a.rbd, b.rbd];
  if (!p || !q) return false;
  const poolOf = (r: { pool?: string }) => r.pool || 'rbd';
  const shared = p.monitors.some(m => q.monitors.includes(m)) && poolOf(p) === poolOf(q) && p.image === q.image;
  return shared && !(p.readOnly && q.readOnly);
}

/** The pod that goes used a disk or claim that this one waits for. */
function freesVolume(pod: Pod, gone: Pod): boolean {
  if (gone.metadata.namespace === pod.metadata.namespace) {
    const { claims } = podInfoOf(gone);
    if (podInfoOf(pod).claims.some(c => claims.includes(c))) return true;
  }
  return disksOf(pod).some(disk => disksOf(gone).some(d => disksConflict(disk, d)));
}

/** How many pods use claims of this one that only one pod may use. */
class OnlyOnce implements StateData {
  readonly claims: ReadonlySet<string>;
  count: number;

  constructor(claims: ReadonlySet<string>, count: number) {
    this.claims = claims;
    this.count = count;
  }

  clone(): OnlyOnce {
    return new OnlyOnce(this.claims, this.count);
  }

  change(pod: PodInfo, other: PodInfo, by: 1 | -1): void {
    if (other.namespace !== pod.namespace) return;
    for (const c of other.claims) if (this.claims.has(c)) this.count += by;
  }
}

/** Disks that only one node or pod can use at a time. */
export function volumeRestrictions({ informers, cluster }: Handle): Plugin {
  const listers = new VolumeListers(informers);
  const inUse = (pod: PodInfo, claims: ReadonlySet<string>): number => {
    let count = 0;
    for (const node of cluster.nodes) for (const c of claims) count += node.claims.get(`${pod.namespace}/${c}`) ?? 0;
    return count;
  };
  return {
    name,
    preFilter(state: CycleState, pod: PodInfo) {
      const once = new Set<string>();
      for (const claimName of pod.claims) {
        const claim = listers.claim(pod, claimName);
        if (!claim) return { status: unresolvable(name, `persistentvolumeclaim "${claimName}" not found`) };
        if (claim.spec.accessModes?.includes('ReadWriteOncePod')) once.add(claimName);
      }
      if (once.size === 0 && disksOf(pod.pod).length === 0) return { status: skip };
      if (once.size) state.write(stateKey, new OnlyOnce(once, inUse(pod, once)));
      return undefined;
    },
    addPod: (state, pod, added) => state.read<OnlyOnce>(stateKey)?.change(pod, added, 1),
    removePod: (state, pod, removed) => state.read<OnlyOnce>(stateKey)?.change(pod, removed, -1),
    filter(state: CycleState, { pod }: PodInfo, node: NodeInfo): Status | undefined {
      for (const disk of disksOf(pod))
        for (const other of node.pods.values())
          if (disksOf(other.pod).some(d => disksConflict(disk, d))) return diskTaken;
      return (state.read<OnlyOnce>(stateKey)?.count ?? 0) > 0 ? claimTaken : undefined;
    },
    eventsToRegister: (): readonly RegisteredEvent[] => [
      {
        resource: 'AssignedPod',
        actions: action.delete,
        hint: (pod, old) => (freesVolume(pod, old as Pod) ? 'Queue' : 'Skip'),
      },
      { resource: 'Node', actions: action.add },
      { resource: 'PersistentVolumeClaim', actions: action.add | action.update, hint: usesClaim },
    ],
  };
}
