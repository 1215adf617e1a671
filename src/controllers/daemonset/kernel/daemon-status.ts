// The status of a DaemonSet.
import type { DaemonSetStatus } from '../../../api/type/apps-v1.ts';
import { isPodAvailable, isPodReady } from '../../kernel/pod.ts';
import { isUpdated } from './daemon-pod.ts';
import { bySeniority, type PlanInput } from './plan.ts';

/** The status to write; undefined when nothing has changed. `observe`: the spec has been acted upon. */
export function daemonStatus(input: PlanInput, observe: boolean): DaemonSetStatus | undefined {
  const { ds } = input;
  const old = ds.status;
  const n = count(input);
  const observedGeneration = observe ? ds.metadata.generation : old?.observedGeneration;
  const unavailable = n.desired - n.available;
  const next: DaemonSetStatus = {
    currentNumberScheduled: n.scheduled,
    numberMisscheduled: n.misscheduled,
    desiredNumberScheduled: n.desired,
    numberReady: n.ready,
    ...(observedGeneration ? { observedGeneration } : {}),
    ...(n.updated ? { updatedNumberScheduled: n.updated } : {}),
    ...(n.available ? { numberAvailable: n.available } : {}),
    ...(unavailable ? { numberUnavailable: unavailable } : {}),
    ...(old?.collisionCount === undefined ? {} : { collisionCount: old.collisionCount }),
    ...(old?.conditions ? { conditions: old.conditions } : {}),
  };
  return counts.every(f => (old?.[f] ?? 0) === (next[f] ?? 0)) ? undefined : next;
}

const counts = [
  'currentNumberScheduled',
  'numberMisscheduled',
  'desiredNumberScheduled',
  'numberReady',
  'observedGeneration',
  'updatedNumberScheduled',
  'numberAvailable',
  'numberUnavailable',
] as const;

function count({ ds, hash, nodes, placements, pods, nowMs }: PlanInput) {
  const n = { desired: 0, scheduled: 0, misscheduled: 0, ready: 0, updated: 0, available: 0 };
  for (const { metadata } of nodes) {
    const here = pods.get(metadata.name);
    if (!placements.get(metadata.name)!.shouldRun) {
      if (here) n.misscheduled++;
      continue;
    }
    n.desired++;
    if (!here) continue;
    n.scheduled++;
    const [pod] = here.toSorted(bySeniority);
    if (isPodReady(pod!)) {
      n.ready++;
      if (isPodAvailable(pod!, ds.spec.minReadySeconds ?? 0, nowMs)) n.available++;
    }
    if (isUpdated(pod!, ds, hash)) n.updated++;
  }
  return n;
}
