// Which pods of a StatefulSet are made, deleted and put right in this round. Scaling comes before updates.
import type { StatefulSet } from '../../../api/type/apps-v1.ts';
import type { Pod } from '../../../api/type/core-v1.ts';
import { revisionLabel } from '../../history/kernel/revision.ts';
import { scaledAmount } from '../../kernel/amount.ts';
import { isPodAvailable, isPodFinished, isPodReady } from '../../kernel/pod.ts';
import { isInRange, ordinalIn, podName, replicasOf, startOrdinal } from './identity.ts';

export interface PlanInput {
  readonly set: StatefulSet;
  /** The set's own pods. */
  readonly pods: readonly Pod[];
  readonly currentRevision: string;
  readonly updateRevision: string;
  readonly nowMs: number;
  /** rollingUpdate.maxUnavailable counts (feature MaxUnavailableStatefulSet). */
  readonly usesMaxUnavailable: boolean;
  /** A claim of the pod to be belongs to its predecessor still. */
  isStale(podName: string): boolean;
}

/** A pod to be made. */
export interface Birth {
  readonly ordinal: number;
  readonly revision: string;
}

export interface SetPlan {
  readonly remove: readonly Pod[];
  readonly create: readonly Birth[];
  /** Pods that may miss claims. */
  readonly pending: readonly Pod[];
  /** Pods whose identity, volumes and claims must be looked after. */
  readonly repair: readonly Pod[];
  /** Pods beyond the range, whose claims must be looked after. */
  readonly condemned: readonly Pod[];
  /** Something of a predecessor is in the way: to be tried again. */
  readonly isBlocked: boolean;
}

interface Slot {
  readonly ordinal: number;
  readonly pod: Pod | undefined;
}

export const revisionOf = (pod: Pod): string | undefined => pod.metadata.labels?.[revisionLabel];

const isTerminating = (pod: Pod): boolean => !!pod.metadata.deletionTimestamp;
export const isRunningAndReady = (pod: Pod): boolean => pod.status?.phase === 'Running' && isPodReady(pod);
const isHealthy = (pod: Pod | undefined): boolean => !!pod && isRunningAndReady(pod) && !isTerminating(pod);

const isOrdered = (set: StatefulSet): boolean => (set.spec.podManagementPolicy ?? 'OrderedReady') !== 'Parallel';

/** Of the ordinals wanted, in order; and beyond them, the highest first. */
function sort(set: StatefulSet, pods: readonly Pod[]): { slots: Slot[]; condemned: Pod[] } {
  const byOrdinal = new Map(pods.map(p => [ordinalIn(set, p)!, p]));
  const start = startOrdinal(set);
  const slots = Array.from({ length: replicasOf(set) }, (_, i) => ({
    ordinal: start + i,
    pod: byOrdinal.get(start + i),
  }));
  const condemned = [...byOrdinal]
    .filter(([ordinal]) => !isInRange(set, ordinal))
    .sort(([a], [b]) => b - a)
    .map(([, pod]) => pod);
  return { slots, condemned };
}

export function planSet(input: PlanInput): SetPlan {
  const { set } = input;
  const { slots, condemned } = sort(set, input.pods);
  const step = isOrdered(set) ? orderedStep(input, slots) : parallelStep(input, slots);
  const plan = { ...step, condemned: [] as readonly Pod[] };
  if (step.stops) return plan;
  plan.condemned = condemned;
  const doomed = isOrdered(set) ? orderedDoom(input, slots, condemned) : condemned.filter(p => !isTerminating(p));
  if (doomed === 'wait') return plan;
  if (doomed.length > 0) return { ...plan, remove: doomed };
  if (set.spec.updateStrategy?.type === 'OnDelete') return plan;
  const remove = input.usesMaxUnavailable ? severalOutdated(input, slots) : nextOutdated(input, slots);
  return { ...plan, remove };
}

interface Step {
  readonly remove: Pod[];
  readonly create: Birth[];
  readonly pending: Pod[];
  readonly repair: Pod[];
  isBlocked: boolean;
  /** Nothing else may happen in this round. */
  stops: boolean;
}

const newStep = (): Step => ({ remove: [], create: [], pending: [], repair: [], isBlocked: false, stops: false });

/** Each pod waits until all before it are available. */
function orderedStep(input: PlanInput, slots: readonly Slot[]): Step {
  const step = newStep();
  for (const slot of slots) {
    tend(input, slot, step);
    if (step.create.length > 0) step.stops = true;
    if (step.stops) return step;
    if (isTerminating(slot.pod!) || !isAvailable(input, slot.pod!)) {
      step.stops = true;
      return step;
    }
    step.repair.push(slot.pod!);
  }
  return step;
}

function parallelStep(input: PlanInput, slots: readonly Slot[]): Step {
  const step = newStep();
  for (const slot of slots) {
    tend(input, slot, step);
    if (slot.pod && !isPodFinished(slot.pod)) step.repair.push(slot.pod);
  }
  return step;
}

/** What has ended goes, so that it can come anew; what is missing comes. */
function tend(input: PlanInput, { ordinal, pod }: Slot, step: Step): void {
  if (!pod) {
    if (input.isStale(podName(input.set, ordinal))) {
      step.isBlocked = true;
      step.stops = true;
    } else step.create.push({ ordinal, revision: birthRevision(input, ordinal) });
  } else if (isPodFinished(pod)) {
    if (!isTerminating(pod)) step.remove.push(pod);
    step.stops = true;
  } else if (pod.status?.phase === 'Pending') step.pending.push(pod);
}

/** Below the partition a pod comes back as it was. */
function birthRevision({ set, currentRevision, updateRevision }: PlanInput, ordinal: number): string {
  const { type = 'RollingUpdate', rollingUpdate } = set.spec.updateStrategy ?? {};
  if (type !== 'RollingUpdate') return updateRevision;
  const old = rollingUpdate ? (rollingUpdate.partition ?? 0) : (set.status?.currentReplicas ?? 0);
  return ordinal < startOrdinal(set) + old ? currentRevision : updateRevision;
}

/** One at a time, the highest first, and not while another pod is unhealthy. */
function orderedDoom(input: PlanInput, slots: readonly Slot[], condemned: readonly Pod[]): Pod[] | 'wait' {
  const [target] = condemned;
  if (!target) return [];
  if (isTerminating(target)) return 'wait';
  const sick = [...slots.map(s => s.pod), ...condemned.toReversed()].find(p => !isHealthy(p));
  return isAvailable(input, target) || target === sick ? [target] : 'wait';
}

const partitionOf = (set: StatefulSet): number => set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;

/** The highest pod of another revision, once all above it are available. */
function nextOutdated(input: PlanInput, slots: readonly Slot[]): Pod[] {
  for (const { pod } of slots.slice(partitionOf(input.set)).reverse()) {
    if (pod && revisionOf(pod) !== input.updateRevision && !isTerminating(pod)) return [pod];
    if (!pod || isTerminating(pod) || !isAvailable(input, pod)) return [];
  }
  return [];
}

/** As many as may be unavailable, the highest first. What is unavailable anyway can go as well. */
function severalOutdated(input: PlanInput, slots: readonly Slot[]): Pod[] {
  const { set, updateRevision } = input;
  const up = ({ pod }: Slot) => !!pod && !isTerminating(pod) && isAvailable(input, pod);
  let budget = maxUnavailable(set) - slots.filter(s => !up(s)).length;
  const remove: Pod[] = [];
  for (const slot of slots.slice(partitionOf(set)).reverse()) {
    const { pod } = slot;
    if (!pod || revisionOf(pod) === updateRevision || isTerminating(pod)) continue;
    if (!up(slot)) remove.push(pod);
    else if (budget-- > 0) remove.push(pod);
  }
  return remove;
}

export function maxUnavailable(set: StatefulSet): number {
  const amount = set.spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1;
  return Math.max(1, scaledAmount(amount, replicasOf(set), 'down'));
}

const isAvailable = ({ set, nowMs }: PlanInput, pod: Pod): boolean =>
  isRunningAndReady(pod) && isPodAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs);
