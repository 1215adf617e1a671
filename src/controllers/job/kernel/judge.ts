// What the pods of a Job say about it: counts, indexes, and whether it has come to its end.
import { parseTime } from '../../../api/meta.ts';
import type { Job, JobCondition } from '../../../api/type/batch-v1.ts';
import type { Pod } from '../../../api/type/core-v1.ts';
import { isPodActive, isPodReady, isPodSucceeded, isPodTerminating } from '../../kernel/pod.ts';
import { type BackOffRecord, finishedMs, nextRecord } from './back-off.ts';
import { condition, holding } from './condition.ts';
import { IndexSet } from './index-set.ts';
import {
  allIndexFailures,
  completionIndex,
  failsJob,
  indexFailures,
  isIndexed,
  isOfJob,
  isSuspended,
  isTracked,
} from './job-pod.ts';
import { countsAsFailure, matchFailurePolicy, matchSuccessPolicy } from './pod-failure-policy.ts';

export interface JobView {
  readonly job: Job;
  /** All it controls, ended or not. */
  readonly pods: readonly Pod[];
  /** Pods whose finalizer has been taken away, though the local copy may still show it. */
  readonly released: ReadonlySet<string>;
  readonly backOff: BackOffRecord | undefined;
  readonly nowMs: number;
  /** `nowMs` as it is written. */
  readonly now: string;
}

export interface Verdict {
  readonly active: readonly Pod[];
  readonly ready: number;
  readonly terminating: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Succeeded before this look, and now. Undefined when the job is not Indexed. */
  readonly indexes: { readonly before: IndexSet; readonly succeeded: IndexSet } | undefined;
  /** Only with a limit per index. */
  readonly failedIndexes: IndexSet | undefined;
  /** By index: the last failed pod, kept until another of the index carries on its count. */
  readonly kept: ReadonlyMap<number, Pod>;
  readonly backOff: BackOffRecord | undefined;
  /** FailureTarget or SuccessCriteriaMet: the job is to end, and this is why. */
  readonly end: JobCondition | undefined;
  /** Milliseconds until the job's active deadline. */
  readonly deadlineInMs: number | undefined;
}

export function judge(view: JobView): Verdict {
  const { job, pods } = view;
  const { uncountedTerminatedPods: uncounted, succeeded = 0, failed = 0 } = job.status ?? {};
  const fresh = pods.filter(p => isTracked(p) && !view.released.has(p.metadata.uid) && isOfJob(p, job));
  const known = new Set([...(uncounted?.succeeded ?? []), ...(uncounted?.failed ?? [])]);
  const uncountedPods = fresh.filter(p => !known.has(p.metadata.uid));
  const newSucceeded = uncountedPods.filter(isPodSucceeded);
  const newFailed = uncountedPods.filter(p => failsJob(p, job));
  const active = pods.filter(isPodActive);
  const indexes = isIndexed(job) ? successIndexes(job, fresh) : undefined;
  const failedIndexes = hasIndexLimit(job) ? failureIndexes(job, fresh) : undefined;
  const counted = {
    active,
    ready: active.filter(isPodReady).length,
    terminating: pods.filter(isPodTerminating).length,
    succeeded: indexes?.succeeded.size ?? succeeded + newSucceeded.length + (uncounted?.succeeded?.length ?? 0),
    failed: failed + newFailed.filter(p => countsAsFailure(job, p)).length + (uncounted?.failed?.length ?? 0),
    indexes,
    failedIndexes,
    backOff: nextRecord(view.backOff, newSucceeded, newFailed),
  };
  const kept = indexes && failedIndexes ? keptPods(job, fresh, active, indexes.succeeded, failedIndexes) : new Map();
  const deadlineInMs = untilDeadline(view);
  return { ...counted, kept, deadlineInMs, end: endOf(view, counted, deadlineInMs) };
}

export const hasIndexLimit = (job: Job): boolean => isIndexed(job) && job.spec.backoffLimitPerIndex !== undefined;

function successIndexes(job: Job, fresh: readonly Pod[]): NonNullable<Verdict['indexes']> {
  const before = IndexSet.parse(job.status?.completedIndexes, job.spec.completions ?? 0);
  // A deleted pod may have counted as failed before it succeeded after all.
  const failed = new Set(job.status?.uncountedTerminatedPods?.failed);
  const now = IndexSet.of(
    fresh.filter(p => isPodSucceeded(p) && !failed.has(p.metadata.uid)).map(p => completionIndex(p, job)!),
  );
  return { before, succeeded: before.union(now) };
}

function failureIndexes(job: Job, fresh: readonly Pod[]): IndexSet {
  const before = IndexSet.parse(job.status?.failedIndexes, job.spec.completions ?? 0);
  return before.union(IndexSet.of(fresh.filter(p => failsIndex(p, job)).map(p => completionIndex(p, job)!)));
}

function failsIndex(pod: Pod, job: Job): boolean {
  if (!failsJob(pod, job)) return false;
  const action = matchFailurePolicy(job, pod)?.action;
  if (action === 'FailIndex') return true;
  return action !== 'Ignore' && indexFailures(pod) >= job.spec.backoffLimitPerIndex!;
}

function keptPods(
  job: Job,
  fresh: readonly Pod[],
  active: readonly Pod[],
  succeeded: IndexSet,
  failed: IndexSet,
): Map<number, Pod> {
  const running = new Set(active.map(p => completionIndex(p, job)));
  const kept = new Map<number, Pod>();
  for (const pod of fresh) {
    const index = completionIndex(pod, job)!;
    if (!failsJob(pod, job) || running.has(index) || succeeded.has(index) || failed.has(index)) continue;
    const other = kept.get(index);
    if (!other || isLater(pod, other)) kept.set(index, pod);
  }
  return kept;
}

const isLater = (a: Pod, b: Pod): boolean =>
  (allIndexFailures(a) - allIndexFailures(b) || finishedMs(a) - finishedMs(b)) >= 0;

function untilDeadline({ job, nowMs }: JobView): number | undefined {
  const { activeDeadlineSeconds: deadline } = job.spec;
  if (deadline === undefined || isSuspended(job)) return undefined;
  const start = parseTime(job.status?.startTime) ?? nowMs;
  return start + Number(deadline) * 1000 - nowMs;
}

type Counted = Pick<Verdict, 'succeeded' | 'failed' | 'indexes' | 'failedIndexes'>;

function endOf(view: JobView, counted: Counted, deadlineInMs: number | undefined): JobCondition | undefined {
  const { job, pods, now } = view;
  const announced = holding(job, 'SuccessCriteriaMet') ?? holding(job, 'FailureTarget');
  if (announced) return announced;
  const fail = (reason: string, message: string) => condition('FailureTarget', reason, message, now);
  const fatal = job.spec.podFailurePolicy && fatalFailure(job, pods);
  if (fatal) return fail('PodFailurePolicy', fatal);
  if (counted.failed > (job.spec.backoffLimit ?? 6) || restartedTooOften(job, pods))
    return fail('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  if (deadlineInMs !== undefined && deadlineInMs <= 0)
    return fail('DeadlineExceeded', 'Job was active longer than specified deadline');
  const failed = counted.failedIndexes?.size ?? 0;
  if (job.spec.maxFailedIndexes !== undefined && failed > job.spec.maxFailedIndexes)
    return fail('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes');
  if (failed > 0 && failed + counted.succeeded >= (job.spec.completions ?? 0))
    return fail('FailedIndexes', 'Job has failed indexes');
  const met = counted.indexes && matchSuccessPolicy(job, counted.indexes.succeeded);
  return met === undefined ? undefined : condition('SuccessCriteriaMet', 'SuccessPolicy', met, now);
}

function fatalFailure(job: Job, pods: readonly Pod[]): string | undefined {
  for (const pod of pods) {
    const match = failsJob(pod, job) ? matchFailurePolicy(job, pod) : undefined;
    if (match?.action === 'FailJob') return match.message;
  }
  return undefined;
}

/** Containers that are started again within their pod use up the limit too. */
function restartedTooOften(job: Job, pods: readonly Pod[]): boolean {
  if (job.spec.template.spec?.restartPolicy !== 'OnFailure') return false;
  let restarts = 0;
  for (const { status } of pods) {
    if (status?.phase !== 'Running' && status?.phase !== 'Pending') continue;
    for (const s of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])])
      restarts += s.restartCount ?? 0;
  }
  const limit = job.spec.backoffLimit ?? 6;
  return limit === 0 ? restarts > 0 : restarts >= limit;
}
