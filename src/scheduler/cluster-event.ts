// What happens in the cluster, as far as it may make a pod schedulable that was not.
import type { Pod } from '../api/type/core-v1.ts';

export type EventResource =
  | 'Pod'
  | 'AssignedPod'
  | 'UnscheduledPod'
  | 'Node'
  | 'PersistentVolume'
  | 'PersistentVolumeClaim'
  | 'CSINode'
  | 'CSIDriver'
  | 'VolumeAttachment'
  | 'CSIStorageCapacity'
  | 'StorageClass'
  | 'Namespace'
  | 'Service'
  | 'ResourceClaim'
  | 'ResourceSlice'
  | 'DeviceClass'
  | '*';

/** Bits, to be combined. */
export const action = {
  add: 1,
  delete: 2,
  updateNodeAllocatable: 4,
  updateNodeLabel: 8,
  updateNodeTaint: 16,
  updateNodeCondition: 32,
  updateNodeAnnotation: 64,
  updatePodLabel: 128,
  updatePodScaleDown: 256,
  updatePodToleration: 512,
  updatePodSchedulingGatesEliminated: 1024,
  /** Any other update. */
  updateOther: 2048,
  updatePodGeneratedResourceClaim: 4096,
  updateNodeDeclaredFeature: 8192,
  update: 4 | 8 | 16 | 32 | 64 | 128 | 256 | 512 | 1024 | 2048 | 4096 | 8192,
  all: 16_383,
} as const;

export interface ClusterEvent {
  readonly resource: EventResource;
  readonly actions: number;
  /** For metrics. */
  readonly label: string;
}

export const wildcardEvent = (label: string): ClusterEvent => ({ resource: '*', actions: action.all, label });

export const isWildcard = (e: ClusterEvent) => e.resource === '*' && e.actions === action.all;

/** Does what happened fall under what a plugin asked to hear of? */
export function covers(registered: { resource: EventResource; actions: number }, happened: ClusterEvent): boolean {
  if (isWildcard(happened)) return true;
  const { resource } = registered;
  const same =
    resource === '*' ||
    resource === happened.resource ||
    (resource === 'Pod' && (happened.resource === 'AssignedPod' || happened.resource === 'UnscheduledPod'));
  return same && (registered.actions & happened.actions) !== 0;
}

/** Whether the event may make this pod schedulable. Pure, quick. */
export type QueueingHint = (pod: Pod, old: unknown, now: unknown) => 'Queue' | 'Skip';

export interface RegisteredEvent {
  readonly resource: EventResource;
  readonly actions: number;
  /** Default: always 'Queue'. */
  readonly hint?: QueueingHint;
}
