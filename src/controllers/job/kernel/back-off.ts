// How long a Job waits before it replaces pods that failed.
import { parseTime } from '../../../api/meta.ts';
import type { Pod } from '../../../api/type/core-v1.ts';
import { podCondition } from '../../kernel/pod.ts';

const firstMs = 10_000;
const longestMs = 600_000;

/** Failures in a row. */
export interface BackOffRecord {
  readonly failures: number;
  readonly lastFailureMs: number;
}

/** When the last of its containers ended; what is known about that, at least. */
export function finishedMs(pod: Pod): number {
  const ends: number[] = [];
  const statuses = pod.status?.containerStatuses ?? [];
  for (const { state } of statuses) {
    const end = parseTime(state?.terminated?.finishedAt);
    if (end !== undefined) ends.push(end);
  }
  if (ends.length > 0 && ends.length === statuses.length) return Math.max(...ends);
  const ready = podCondition(pod, 'Ready');
  const unready = ready?.status === 'False' ? parseTime(ready.lastTransitionTime) : undefined;
  if (unready !== undefined) return unready;
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, creationTimestamp } = pod.metadata;
  const deleted = parseTime(deletionTimestamp);
  if (deleted !== undefined) return deleted - Number(deletionGracePeriodSeconds) * 1000;
  return parseTime(creationTimestamp) ?? 0;
}

/** The record after pods that are new to it: a success ends the row. */
export function nextRecord(
  old: BackOffRecord | undefined,
  succeeded: readonly Pod[],
  failed: readonly Pod[],
): BackOffRecord | undefined {
  const failures = failed.map(finishedMs);
  if (succeeded.length === 0) {
    if (failures.length === 0) return old;
    return { failures: (old?.failures ?? 0) + failures.length, lastFailureMs: Math.max(...failures) };
  }
  const lastSuccess = Math.max(...succeeded.map(finishedMs));
  const since = failures.filter(ms => ms > lastSuccess);
  return since.length > 0 ? { failures: since.length, lastFailureMs: Math.max(...since) } : undefined;
}

/** Milliseconds to wait: 10 s after the first failure, twice as long after each further one, 10 minutes at most. */
export function remainingMs(record: BackOffRecord | undefined, nowMs: number): number {
  if (!record) return 0;
  const wait = Math.min(firstMs * 2 ** (record.failures - 1), longestMs);
  return Math.max(0, record.lastFailureMs + wait - nowMs);
}
