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
function earliestStart(c: Candidate, nowMs: number): number {
  const highest = c.victims[0]?.priority;
  return Math.min(...c.victims.filter(v => v.priority === highest).map(v => v.startMs(nowMs)));
}

/** Each rule keeps those with the lowest value. */
export function pickCandidate(candidates: readonly Candidate[], nowMs: number): Candidate | undefined {
  const rules: ((c: Candidate) => number)[] = [
    c => c.violations,
    c => c.victims[0]?.priority ?? Number.NEGATIVE_INFINITY,
    c => c.victims.reduce((sum, v) => sum + fromLowest(v), 0),
    c => c.victims.length,
    c => -earliestStart(c, nowMs),
  ];
  let left = candidates;
  for (const rule of rules) {
    if (left.length <= 1) break;
    const values = left.map(rule);
    const least = Math.min(...values);
    left = left.filter((_, i) => values[i] === least);
  }
  return left[0];
}
