import { parseTime } from '../../../api/meta.ts';
import type { Job } from '../../../api/type/batch-v1.ts';

/** Milliseconds until the job is to be deleted, 0 or less: now; undefined: not by this. Throws when a finished job does not say since when. */
export function timeLeftMs(job: Job, nowMs: number): number | undefined {
  const { deletionTimestamp, namespace, name } = job.metadata;
  const seconds = job.spec?.ttlSecondsAfterFinished;
  const end = job.status?.conditions?.find(c => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True');
  if (deletionTimestamp || seconds === undefined || !end) return undefined;
  const endMs = parseTime(end.lastTransitionTime);
  if (endMs === undefined) throw new Error(`unable to find the time when the Job ${namespace}/${name} finished`);
  return endMs + seconds * 1000 - nowMs;
}
