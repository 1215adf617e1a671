// Counting ended pods exactly once. A pod carries a finalizer until it has been counted. The uid of an ended pod is
// first written to status.uncountedTerminatedPods, then the finalizer is taken away, and only then the uid moves into
// the count: whatever write fails or is seen late, the pod is in exactly one of these places. An Indexed job needs no
// uids for successes: the completed indexes tell.
import type { JobCondition, JobStatus, UncountedTerminatedPods } from '../../../api/type/batch-v1.ts';
import type { Pod } from '../../../api/type/core-v1.ts';
import { isPodSucceeded } from '../../kernel/pod.ts';
import { IndexSet } from './index-set.ts';
import { completionIndex, failsJob, isIndexed, isOfJob, isTracked } from './job-pod.ts';
import type { JobView, Verdict } from './judge.ts';
import { countsAsFailure } from './pod-failure-policy.ts';

/** Uids in the status at once, so that it stays small enough to be stored. */
const maxUncounted = 500;

export interface Tracking {
  /** To be written before any finalizer is taken away. */
  readonly status: JobStatus;
  readonly changed: boolean;
  readonly release: readonly Pod[];
  /** There is more to count: the job cannot be declared finished yet. */
  readonly more: boolean;
}

/** `status` is the job's status with everything new but what is counted here. */
export function track(view: JobView, verdict: Verdict, status: JobStatus, end: JobCondition | undefined): Tracking {
  const { job, pods } = view;
  const held = new Set(pods.filter(p => isTracked(p) && !view.released.has(p.metadata.uid)).map(p => p.metadata.uid));
  const settled = settle(status, held);
  const succeeded = [...(settled.uncountedTerminatedPods?.succeeded ?? [])];
  const failed = [...(settled.uncountedTerminatedPods?.failed ?? [])];
  const known = { succeeded: new Set(succeeded), failed: new Set(failed) };
  const indexes: number[] = [];
  const release: Pod[] = [];
  let changed = settled !== status;
  let more = false;
  for (const pod of ordered(view)) {
    const { uid } = pod.metadata;
    if (!held.has(uid) || !mayRelease(view, verdict, pod, end)) continue;
    if (succeeded.length + failed.length >= maxUncounted) {
      more = true;
      break;
    }
    release.push(pod);
    const index = completionIndex(pod, job);
    if (isPodSucceeded(pod) && !known.failed.has(uid)) {
      if (isIndexed(job)) {
        if (index !== undefined) indexes.push(index);
      } else if (!known.succeeded.has(uid)) {
        succeeded.push(uid);
        changed = true;
      }
    } else if (countsNow(view, pod, end) && !known.failed.has(uid)) {
      failed.push(uid);
      changed = true;
    }
  }
  let next: JobStatus = { ...settled, uncountedTerminatedPods: uncountedOf(succeeded, failed) };
  if (verdict.indexes) next = withIndexes(next, verdict.indexes.before.union(IndexSet.of(indexes)), verdict);
  changed ||= next.completedIndexes !== status.completedIndexes || next.failedIndexes !== status.failedIndexes;
  changed ||= !status.uncountedTerminatedPods;
  return { status: next, changed, release, more };
}

/** Uids whose pods have lost their finalizer move into the counts. The same status when there are none. */
export function settle(status: JobStatus, held: ReadonlySet<string>): JobStatus {
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {};
  const stillSucceeded = succeeded.filter(uid => held.has(uid));
  const stillFailed = failed.filter(uid => held.has(uid));
  const newSucceeded = succeeded.length - stillSucceeded.length;
  const newFailed = failed.length - stillFailed.length;
  if (newSucceeded + newFailed === 0) return status;
  return {
    ...status,
    ...(newSucceeded > 0 ? { succeeded: (status.succeeded ?? 0) + newSucceeded } : {}),
    ...(newFailed > 0 ? { failed: (status.failed ?? 0) + newFailed } : {}),
    uncountedTerminatedPods: uncountedOf(stillSucceeded, stillFailed),
  };
}

export const hasUncounted = ({ uncountedTerminatedPods: u }: JobStatus): boolean =>
  (u?.succeeded?.length ?? 0) + (u?.failed?.length ?? 0) > 0;

function uncountedOf(succeeded: readonly string[], failed: readonly string[]): UncountedTerminatedPods {
  return { ...(succeeded.length > 0 ? { succeeded } : {}), ...(failed.length > 0 ? { failed } : {}) };
}

/** Completed indexes are written in order, so that a cut leaves no gaps that look like failures. */
function ordered({ job, pods }: JobView): readonly Pod[] {
  if (!isIndexed(job)) return pods;
  return pods.toSorted((a, b) => (completionIndex(a, job) ?? -1) - (completionIndex(b, job) ?? -1));
}

function mayRelease({ job }: JobView, verdict: Verdict, pod: Pod, end: JobCondition | undefined): boolean {
  if (job.metadata.deletionTimestamp || end || isPodSucceeded(pod)) return true;
  if (!failsJob(pod, job)) return false;
  const index = completionIndex(pod, job);
  return index === undefined || verdict.kept.get(index) !== pod;
}

/** A failed pod that no policy ignores; when the job fails, every pod that has not succeeded. */
function countsNow({ job }: JobView, pod: Pod, end: JobCondition | undefined): boolean {
  const failing = end !== undefined && end.type !== 'SuccessCriteriaMet';
  return (failing || failsJob(pod, job)) && isOfJob(pod, job) && countsAsFailure(job, pod);
}

function withIndexes(status: JobStatus, completed: IndexSet, verdict: Verdict): JobStatus {
  const { completedIndexes: _, failedIndexes: __, succeeded: ___, ...rest } = status;
  const text = completed.toString();
  return {
    ...rest,
    ...(completed.size > 0 ? { succeeded: completed.size } : {}),
    ...(text ? { completedIndexes: text } : {}),
    ...(verdict.failedIndexes ? { failedIndexes: verdict.failedIndexes.toString() } : {}),
  };
}
