// What a PodDisruptionBudget allows now.
import { formatTime, parseTime } from '../../../api/meta.ts';
import type { Pod } from '../../../api/type/core-v1.ts';
import type { Condition } from '../../../api/type/meta-v1.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../../api/type/policy-v1.ts';
import { scaledAmount } from '../../kernel/amount.ts';
import { isPodReady } from '../../kernel/pod.ts';

/** How long after an eviction was granted the pod's deletion must be seen. */
const deletionMs = 120_000;

export interface Disrupted {
  /** Names of pods about to be deleted, and since when. */
  readonly pods: Readonly<Record<string, string>>;
  /** Should have been deleted long ago. */
  readonly overdue: readonly Pod[];
  /** When the first of them becomes overdue. */
  readonly recheckMs: number | undefined;
}

export function disruptedPods(budget: PodDisruptionBudget, pods: readonly Pod[], nowMs: number): Disrupted {
  const known = budget.status?.disruptedPods ?? {};
  const kept: Record<string, string> = {};
  const overdue: Pod[] = [];
  let recheckMs: number | undefined;
  for (const pod of pods) {
    const { name, deletionTimestamp } = pod.metadata;
    const since = Object.hasOwn(known, name) ? known[name] : undefined;
    if (since === undefined || deletionTimestamp) continue;
    const dueMs = (parseTime(since) ?? 0) + deletionMs;
    if (dueMs < nowMs) overdue.push(pod);
    else {
      kept[name] = since;
      recheckMs = Math.min(recheckMs ?? dueMs, dueMs);
    }
  }
  return { pods: kept, overdue, recheckMs };
}

export const countHealthy = (pods: readonly Pod[], disrupted: Readonly<Record<string, string>>): number =>
  pods.filter(p => !p.metadata.deletionTimestamp && !Object.hasOwn(disrupted, p.metadata.name) && isPodReady(p)).length;

/** True when the budget is a share of what the pods' controllers want, or of that minus something. */
export const needsScale = ({ spec }: PodDisruptionBudget): boolean =>
  spec.maxUnavailable !== undefined || typeof spec.minAvailable === 'string';

export function desiredHealthy({ spec }: PodDisruptionBudget, expected: number): number {
  if (spec.maxUnavailable !== undefined)
    return Math.max(0, expected - scaledAmount(spec.maxUnavailable, expected, 'up'));
  return spec.minAvailable === undefined ? 0 : scaledAmount(spec.minAvailable, expected, 'up');
}

export interface Counts {
  readonly healthy: number;
  readonly desired: number;
  readonly expected: number;
}

/** Undefined when the budget says so already. */
export function nextStatus(
  budget: PodDisruptionBudget,
  { healthy, desired, expected }: Counts,
  disrupted: Readonly<Record<string, string>>,
  nowMs: number,
): PodDisruptionBudgetStatus | undefined {
  // A budget without pods allows nothing: it must be safe when the first of them come, until this has looked again.
  const disruptionsAllowed = expected <= 0 ? 0 : Math.max(0, healthy - desired);
  const observedGeneration = budget.metadata.generation;
  const allowed = disruptionsAllowed > 0;
  const status: PodDisruptionBudgetStatus = {
    observedGeneration,
    ...(Object.keys(disrupted).length > 0 ? { disruptedPods: disrupted } : {}),
    disruptionsAllowed,
    currentHealthy: healthy,
    desiredHealthy: desired,
    expectedPods: expected,
    conditions: withCondition(
      budget.status?.conditions,
      {
        type: 'DisruptionAllowed',
        status: allowed ? 'True' : 'False',
        observedGeneration,
        reason: allowed ? 'SufficientPods' : 'InsufficientPods',
        message: '',
      },
      nowMs,
    ),
  };
  return isSame(budget.status ?? {}, status) ? undefined : status;
}

/** When it cannot be known what is allowed, nothing is. */
export const failedStatus = (
  budget: PodDisruptionBudget,
  message: string,
  nowMs: number,
): PodDisruptionBudgetStatus => ({
  ...budget.status,
  disruptionsAllowed: 0,
  conditions: withCondition(
    budget.status?.conditions,
    {
      type: 'DisruptionAllowed',
      status: 'False',
      observedGeneration: budget.status?.observedGeneration,
      reason: 'SyncFailed',
      message,
    },
    nowMs,
  ),
});

function withCondition(
  conditions: readonly Condition[] = [],
  next: Omit<Condition, 'lastTransitionTime'>,
  nowMs: number,
): readonly Condition[] {
  const old = conditions.find(c => c.type === next.type);
  const lastTransitionTime = old?.status === next.status ? old.lastTransitionTime : formatTime(nowMs);
  const condition = { ...next, lastTransitionTime };
  return old ? conditions.map(c => (c === old ? condition : c)) : [...conditions, condition];
}

function isSame(a: PodDisruptionBudgetStatus, b: PodDisruptionBudgetStatus): boolean {
  const text = (s: PodDisruptionBudgetStatus) => {
    const allowed = s.conditions?.find(c => c.type === 'DisruptionAllowed');
    return JSON.stringify([
      s.observedGeneration,
      Object.entries(s.disruptedPods ?? {}).sort(),
      s.disruptionsAllowed,
      s.currentHealthy,
      s.desiredHealthy,
      s.expectedPods,
      [allowed?.status, allowed?.reason, allowed?.observedGeneration],
    ]);
  };
  return text(a) === text(b);
}
