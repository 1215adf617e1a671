// Which pods would have to go from a node, and which node is the best to take them from. Pure.
import type { Selector } from '../../../api/label-selector.ts';
import type { PodInfo } from '../../pod-info.ts';

export interface Budget {
  readonly namespace: string;
  readonly selector: Selector;
  readonly allowed: number;
  /** Pods whose disruption has been counted already. */
  readonly disrupted: Readonly<Record<string, unknown>>;
}

export interface Candidate {
  readonly node: string;
  /** The most important first. */
  readonly victims: readonly PodInfo[];
  readonly violations: number;
}

/** For sorting: higher priority first, then who started first. */
export const byImportance =
  (nowMs: number) =>
  (a: PodInfo, b: PodInfo): number =>
    b.priority - a.priority || a.startMs(nowMs) - b.startMs(nowMs);

/** Splits pods, in this order, into those whose going a budget forbids and the others. */
export function splitByBudgets(
  pods: readonly PodInfo[],
  budgets: readonly Budget[],
): { violating: PodInfo[]; others: PodInfo[] } {
  const left = budgets.map(b => b.allowed);
  const violating: PodInfo[] = [];
  const others: PodInfo[] = [];
  for (const pod of pods) {
    let violates = false;
    for (const [i, b] of budgets.entries()) {
      if (b.namespace !== pod.namespace || b.selector.empty || !b.selector.matches(pod.labels)) continue;
      if (Object.keys(pod.labels).length === 0 || Object.hasOwn(b.disrupted, pod.name)) continue;
      left[i]!--;
      if (left[i]! < 0) violates = true;
    }
    (violates ? violating : others).push(pod);
  }
  return { violating, others };
}

/** Priorities count from the lowest there is, so that each victim makes the sum larger. */
const fromLowest = (pod: PodInfo) => pod.priority + 2 ** 31;

/** Of the victims with the highest priority, when the first one started. */
function earliestStart({ victims }: Candidate, nowMs: number): number {
  let earliest = Number.POSITIVE_INFINITY;
  for (const v of victims) {
    if (v.priority !== victims[0]!.priority) continue;
    const startMs = v.startMs(nowMs);
    if (startMs < earliest) earliest = startMs;
  }
  return earliest;
}

function prioritySum({ victims }: Candidate): number {
  let sum = 0;
  for (const v of victims) sum += fromLowest(v);
  return sum;
}

/** Below 0 when `a` is the better one, 0 when there is nothing to choose between them. */
function compareCandidates(a: Candidate, b: Candidate, nowMs: number): number {
  if (a.violations !== b.violations) return a.violations - b.violations;
  const [highestA, highestB] = [a.victims[0]?.priority, b.victims[0]?.priority];
  if (highestA !== highestB) return (highestA ?? Number.NEGATIVE_INFINITY) - (highestB ?? Number.NEGATIVE_INFINITY);
  return (
    prioritySum(a) - prioritySum(b) ||
    a.victims.length - b.victims.length ||
    earliestStart(b, nowMs) - earliestStart(a, nowMs)
  );
}

/** The first of the best. */
export function pickCandidate(candidates: readonly Candidate[], nowMs: number): Candidate | undefined {
  let best = candidates[0];
  for (let i = 1; i < candidates.length; i++)
    if (compareCandidates(candidates[i]!, best!, nowMs) < 0) best = candidates[i];
  return best;
}
