// Conditions of a Job.
import type { Job, JobCondition } from '../../../api/type/batch-v1.ts';

type Conditions = readonly JobCondition[];

export function condition(type: string, reason: string, message: string, now: string, status = 'True'): JobCondition {
  return { type, status, lastProbeTime: now, lastTransitionTime: now, reason, message };
}

/** The condition of this type, if it holds. */
export const holding = (job: Job, type: string): JobCondition | undefined =>
  job.status?.conditions?.find(c => c.type === type && c.status === 'True');

/** With the condition in place of one of its type; the same list when it says nothing new. */
export function withCondition(list: Conditions, next: JobCondition): Conditions {
  const old = list.find(c => c.type === next.type);
  // What never was true need not be denied.
  if (!old) return next.status === 'False' ? list : [...list, next];
  if (old.status === next.status && old.reason === next.reason && old.message === next.message) return list;
  return list.map(c => (c === old ? next : c));
}

/** The end that a FailureTarget or SuccessCriteriaMet condition announces. */
export function finalCondition(interim: JobCondition, now: string): JobCondition {
  const type = interim.type === 'FailureTarget' ? 'Failed' : 'Complete';
  return condition(type, interim.reason ?? '', interim.message ?? '', now);
}
