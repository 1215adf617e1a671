// The status of a StatefulSet.
import { semanticEqual } from '../../../api/rule/record.ts';
import type { StatefulSet, StatefulSetStatus } from '../../../api/type/apps-v1.ts';
import type { Pod } from '../../../api/type/core-v1.ts';
import { isPodAvailable } from '../../kernel/pod.ts';
import { replicasOf } from './identity.ts';
import { isRunningAndReady, revisionOf } from './set-plan.ts';

export interface StatusInput {
  readonly set: StatefulSet;
  /** As they are after this round. */
  readonly pods: readonly Pod[];
  /** Deleted in this round. */
  readonly removed: ReadonlySet<string>;
  readonly currentRevision: string;
  readonly updateRevision: string;
  readonly collisionCount: number;
  readonly nowMs: number;
}

/** The status to write; undefined when nothing has changed. */
export function setStatus(input: StatusInput): StatefulSetStatus | undefined {
  const { set, pods, nowMs } = input;
  const n = { ready: 0, available: 0, current: 0, updated: 0 };
  for (const pod of pods) {
    if (isRunningAndReady(pod)) {
      n.ready++;
      if (isPodAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs)) n.available++;
    }
    if (pod.metadata.deletionTimestamp || input.removed.has(pod.metadata.uid)) continue;
    if (revisionOf(pod) === input.currentRevision) n.current++;
    if (revisionOf(pod) === input.updateRevision) n.updated++;
  }
  const done = isRolledOut(set, pods.length, n);
  const current = done ? n.updated : n.current;
  const next: StatefulSetStatus = {
    ...(set.metadata.generation ? { observedGeneration: set.metadata.generation } : {}),
    replicas: pods.length,
    ...(n.ready ? { readyReplicas: n.ready } : {}),
    ...(current ? { currentReplicas: current } : {}),
    ...(n.updated ? { updatedReplicas: n.updated } : {}),
    currentRevision: done ? input.updateRevision : input.currentRevision,
    updateRevision: input.updateRevision,
    collisionCount: input.collisionCount,
    ...(set.status?.conditions ? { conditions: set.status.conditions } : {}),
    availableReplicas: n.available,
  };
  const old = set.status;
  const same = semanticEqual(
    { ...old, collisionCount: old?.collisionCount ?? 0, availableReplicas: old?.availableReplicas ?? 0 },
    next,
  );
  return same && old?.collisionCount !== undefined ? undefined : next;
}

/** All are of the new revision and ready: it is the current one from now on. */
function isRolledOut(set: StatefulSet, replicas: number, n: { ready: number; updated: number }): boolean {
  if ((set.spec.updateStrategy?.type ?? 'RollingUpdate') !== 'RollingUpdate') return false;
  return replicas === replicasOf(set) && n.updated === replicas && n.ready === replicas;
}
