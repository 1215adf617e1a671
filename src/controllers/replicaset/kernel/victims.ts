// Which pods go first when there are too many.
import { parseTime } from '../../../api/meta.ts';
import type { ContainerStatus, Pod } from '../../../api/type/core-v1.ts';
import { isPodActive, isPodReady, podReadySinceMs } from '../../kernel/pod.ts';

export const deletionCostAnnotation = 'controller.kubernetes.io/pod-deletion-cost';

const phaseRank: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 };

interface Ranked {
  readonly pod: Pod;
  readonly assigned: boolean;
  readonly phase: number;
  readonly ready: boolean;
  readonly cost: number;
  /** Active related pods on the same node. */
  readonly crowd: number;
  readonly readySinceMs: number | undefined;
  readonly restarts: number;
  readonly sidecarRestarts: number;
  readonly createdMs: number | undefined;
}

/**
 * The `count` pods to delete, first the one that is missed least: unassigned, not running, not ready, cheap, on a node
 * with many related pods, ready for a short time, often restarted, young. Ages compare by orders of magnitude, and
 * within one by uid: what is about as old goes by lot. `related` are the pods to spread among.
 */
export function chooseVictims(pods: readonly Pod[], related: readonly Pod[], count: number, nowMs: number): Pod[] {
  if (count >= pods.length) return [...pods];
  const crowds = new Map<string, number>();
  for (const pod of related) {
    const node = pod.spec?.nodeName ?? '';
    if (isPodActive(pod)) crowds.set(node, (crowds.get(node) ?? 0) + 1);
  }
  return pods
    .map(pod => ranked(pod, crowds))
    .sort((a, b) => compare(a, b, nowMs))
    .slice(0, Math.max(0, count))
    .map(r => r.pod);
}

function ranked(pod: Pod, crowds: ReadonlyMap<string, number>): Ranked {
  const node = pod.spec?.nodeName ?? '';
  return {
    pod,
    assigned: node !== '',
    phase: phaseRank[pod.status?.phase ?? ''] ?? 0,
    ready: isPodReady(pod),
    cost: deletionCost(pod),
    crowd: crowds.get(node) ?? 0,
    readySinceMs: podReadySinceMs(pod),
    restarts: maxRestarts(pod.status?.containerStatuses),
    sidecarRestarts: maxRestarts(sidecars(pod)),
    createdMs: parseTime(pod.metadata.creationTimestamp),
  };
}

function compare(a: Ranked, b: Ranked, nowMs: number): number {
  return (
    Number(a.assigned) - Number(b.assigned) ||
    a.phase - b.phase ||
    Number(a.ready) - Number(b.ready) ||
    a.cost - b.cost ||
    b.crowd - a.crowd ||
    (a.ready && b.ready ? younger(a, b, a.readySinceMs, b.readySinceMs, nowMs) : 0) ||
    b.restarts - a.restarts ||
    b.sidecarRestarts - a.sidecarRestarts ||
    younger(a, b, a.createdMs, b.createdMs, nowMs)
  );
}

/** Negative when `a`, of time `at`, goes first. */
function younger(a: Ranked, b: Ranked, at: number | undefined, bt: number | undefined, nowMs: number): number {
  if (at === bt) return 0;
  // Without a time: taken for the youngest.
  if (at === undefined) return -1;
  if (bt === undefined) return 1;
  return magnitude(nowMs - at) - magnitude(nowMs - bt) || (a.pod.metadata.uid < b.pod.metadata.uid ? -1 : 1);
}

/** The binary logarithm of an age, in nanoseconds as Kubernetes counts; -1 for the future. */
const magnitude = (ageMs: number): number => (ageMs <= 0 ? -1 : Math.floor(Math.log2(ageMs * 1e6)));

function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.[deletionCostAnnotation];
  if (text === undefined || !/^(0|-?[1-9][0-9]*)$/.test(text)) return 0;
  const cost = Number(text);
  return cost >= -(2 ** 31) && cost < 2 ** 31 ? cost : 0;
}

function maxRestarts(statuses: readonly ContainerStatus[] | undefined): number {
  let max = 0;
  for (const s of statuses ?? []) if ((s.restartCount ?? 0) > max) max = s.restartCount;
  return max;
}

function sidecars(pod: Pod): readonly ContainerStatus[] {
  const names = new Set(pod.spec?.initContainers?.filter(c => c.restartPolicy === 'Always').map(c => c.name));
  return (pod.status?.initContainerStatuses ?? []).filter(s => names.has(s.name));
}
