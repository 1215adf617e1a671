// Which pods a Job creates or deletes now.
import type { Job } from '../../../api/type/batch-v1.ts';
import type { Pod } from '../../../api/type/core-v1.ts';
import { isPodReady, isPodTerminating, podReadySinceMs } from '../../kernel/pod.ts';
import { finishedMs, remainingMs } from './back-off.ts';
import { allIndexFailures, completionIndex, isIndexed, isSuspended, replacesOnlyFailed } from './job-pod.ts';
import { hasIndexLimit, type JobView, type Verdict } from './judge.ts';

/** Pods created or deleted in one round. */
const burst = 500;

export interface Plan {
  readonly remove: readonly Pod[];
  /** One entry a pod: its completion index, or undefined when the job is not Indexed. */
  readonly create: readonly (number | undefined)[];
  /** Milliseconds until more pods may be created. */
  readonly waitMs: number | undefined;
}

const nothing: Plan = { remove: [], create: [], waitMs: undefined };

/** For a job that goes on. Either deletes or creates, never both. */
export function plan(view: JobView, verdict: Verdict): Plan {
  const { job } = view;
  const active = verdict.active.length;
  const wanted = isSuspended(job) ? 0 : wantedActive(job, active, verdict.succeeded);
  const remove = isSuspended(job) ? verdict.active : superfluous(job, verdict.active, Math.max(0, active - wanted));
  if (remove.length > 0) return { ...nothing, remove: remove.slice(0, burst) };
  const ending = replacesOnlyFailed(job) ? verdict.terminating : 0;
  const missing = wanted - ending - active;
  if (missing <= 0) return nothing;
  const waitMs = hasIndexLimit(job) ? 0 : remainingMs(verdict.backOff, view.nowMs);
  if (waitMs > 0) return { ...nothing, waitMs };
  const count = Math.min(missing, burst);
  if (!isIndexed(job)) return { ...nothing, create: Array.from({ length: count }, () => undefined) };
  return indexedPlan(view, verdict, firstPending(view, verdict, count));
}

function wantedActive(job: Job, active: number, succeeded: number): number {
  const { completions, parallelism = 1 } = job.spec;
  // Without a number of completions the first success stops further pods; those that run may end.
  if (completions === undefined) return succeeded > 0 ? active : parallelism;
  return Math.max(0, Math.min(completions - succeeded, parallelism));
}

/** The lowest indexes that have neither ended nor a pod. */
function firstPending({ job, pods }: JobView, verdict: Verdict, count: number): number[] {
  const busy = new Set(verdict.active.map(p => completionIndex(p, job)));
  if (replacesOnlyFailed(job)) for (const p of pods) if (isPodTerminating(p)) busy.add(completionIndex(p, job));
  const out: number[] = [];
  for (let i = 0; i < (job.spec.completions ?? 0) && out.length < count; i++)
    if (!busy.has(i) && !verdict.indexes?.succeeded.has(i) && !verdict.failedIndexes?.has(i)) out.push(i);
  return out;
}

/** With a limit per index each index waits on its own. */
function indexedPlan({ job, nowMs }: JobView, verdict: Verdict, pending: readonly number[]): Plan {
  if (!hasIndexLimit(job)) return { ...nothing, create: pending };
  let waitMs: number | undefined;
  const create = pending.filter(index => {
    const failed = verdict.kept.get(index);
    if (!failed) return true;
    const record = { failures: allIndexFailures(failed) + 1, lastFailureMs: finishedMs(failed) };
    const wait = remainingMs(record, nowMs);
    if (wait > 0) waitMs = Math.min(waitMs ?? wait, wait);
    return wait === 0;
  });
  return { ...nothing, create, waitMs };
}

/** Second pods of an index and pods without a place go anyway, and then those that are missed least. */
function superfluous(job: Job, active: readonly Pod[], atLeast: number): Pod[] {
  const order = active.toSorted(byImportance);
  if (!isIndexed(job)) return order.slice(0, atLeast);
  const taken = new Map<number, Pod>();
  // The most important of an index comes last and stays.
  for (const pod of order) {
    const index = completionIndex(pod, job);
    if (index !== undefined) taken.set(index, pod);
  }
  const staying = new Set(taken.values());
  const remove = order.filter(p => !staying.has(p));
  for (const pod of order) if (remove.length < atLeast && staying.has(pod)) remove.push(pod);
  return remove;
}

const phaseRank: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 };

/** Negative when `a` is missed less: unassigned, not running, not ready, ready or there for a shorter time. */
function byImportance(a: Pod, b: Pod): number {
  const rank = (p: Pod) => phaseRank[p.status?.phase ?? ''] ?? 0;
  return (
    Number(!!a.spec?.nodeName) - Number(!!b.spec?.nodeName) ||
    rank(a) - rank(b) ||
    Number(isPodReady(a)) - Number(isPodReady(b)) ||
    (podReadySinceMs(b) ?? 0) - (podReadySinceMs(a) ?? 0) ||
    restarts(b) - restarts(a) ||
    newer(a, b)
  );
}

function newer(a: Pod, b: Pod): number {
  const [left, right] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  if (left === right) return 0;
  return left > right ? -1 : 1;
}

const restarts = (pod: Pod): number =>
  Math.max(0, ...(pod.status?.containerStatuses ?? []).map(s => s.restartCount ?? 0));
