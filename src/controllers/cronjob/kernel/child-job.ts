// The Jobs of a CronJob.
import { cloneDeep, type Draft, parseTime } from '../../../api/meta.ts';
import type { CronJob, Job } from '../../../api/type/batch-v1.ts';
import type { OwnerReference } from '../../../api/type/meta-v1.ts';
import { formatInZone } from './zone.ts';

const scheduledKey = 'batch.kubernetes.io/cronjob-scheduled-timestamp';

/** The same for the same start, so that it is made once: named by its minute. */
export const jobNameOf = (owner: CronJob, atMs: number): string =>
  `${owner.metadata.name}-${Math.floor(atMs / 60_000)}`;

export function childJob(owner: CronJob, ref: OwnerReference, atMs: number): Draft<Job> {
  const { metadata, spec } = owner.spec.jobTemplate;
  return {
    metadata: {
      name: jobNameOf(owner, atMs),
      namespace: owner.metadata.namespace!,
      ...(metadata?.labels ? { labels: { ...metadata.labels } } : {}),
      annotations: { ...metadata?.annotations, [scheduledKey]: formatInZone(atMs, owner.spec.timeZone ?? 'UTC') },
      ownerReferences: [{ ...ref }],
    },
    spec: (spec ? cloneDeep(spec) : {}) as Draft<Job>['spec'],
  };
}

/** `Complete` or `Failed`, when it has ended. */
export const endOfJob = (job: Job): string | undefined =>
  job.status?.conditions?.find(c => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True')?.type;

/** Ended jobs beyond the history limits, the oldest first. */
export function surplusJobs(owner: CronJob, jobs: readonly Job[]): Job[] {
  const { successfulJobsHistoryLimit, failedJobsHistoryLimit } = owner.spec;
  return [...oldest(jobs, 'Complete', successfulJobsHistoryLimit), ...oldest(jobs, 'Failed', failedJobsHistoryLimit)];
}

function oldest(jobs: readonly Job[], end: string, limit: number | undefined): Job[] {
  if (limit === undefined) return [];
  const ended = jobs.filter(j => endOfJob(j) === end);
  const startMs = (j: Job) => parseTime(j.status.startTime) ?? Number.POSITIVE_INFINITY;
  const sorted = ended.sort((a, b) => {
    const [left, right] = [startMs(a), startMs(b)];
    if (left !== right) return left - right;
    return a.metadata.name < b.metadata.name ? -1 : 1;
  });
  return sorted.slice(0, Math.max(0, ended.length - limit)).filter(j => !j.metadata.deletionTimestamp);
}
