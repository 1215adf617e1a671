// What a Job asks of its pods, and how it makes them.
import type { Draft } from '../../../api/meta.ts';
import type { Job } from '../../../api/type/batch-v1.ts';
import type { Container, Pod } from '../../../api/type/core-v1.ts';
import type { OwnerReference } from '../../../api/type/meta-v1.ts';
import { isPodFailed, isPodSucceeded } from '../../kernel/pod.ts';
import { podFromTemplate } from '../../kernel/pod-template.ts';
import { countsAsFailure } from './pod-failure-policy.ts';

export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';
export const completionIndexKey = 'batch.kubernetes.io/job-completion-index';
const failureCountKey = 'batch.kubernetes.io/job-index-failure-count';
const ignoredFailureCountKey = 'batch.kubernetes.io/job-index-ignored-failure-count';
const indexVariable = 'JOB_COMPLETION_INDEX';
/** Of a generated name without its suffix. */
const maxNameBytes = 58;

export const jobControllerName = 'kubernetes.io/job-controller';

/** Another controller looks after this job. */
export const isManagedElsewhere = (job: Job): boolean =>
  job.spec.managedBy !== undefined && job.spec.managedBy !== jobControllerName;

export const isIndexed = (job: Job): boolean => job.spec.completionMode === 'Indexed';

export const isSuspended = (job: Job): boolean => job.spec.suspend === true;

const isTrue = (job: Job, type: string): boolean =>
  job.status?.conditions?.some(c => c.type === type && c.status === 'True') ?? false;

/** Complete or failed for good. */
export const isJobFinished = (job: Job): boolean => isTrue(job, 'Complete') || isTrue(job, 'Failed');

/** Pods are replaced when they have ended, not while they are ending. */
export const replacesOnlyFailed = (job: Job): boolean =>
  job.spec.podReplacementPolicy === 'Failed' || job.spec.podFailurePolicy !== undefined;

export const isTracked = (pod: Pod): boolean => pod.metadata.finalizers?.includes(trackingFinalizer) ?? false;

/** A deleted pod counts as failed at once, unless its job waits for the end of it. */
export function failsJob(pod: Pod, job: Job): boolean {
  if (isPodFailed(pod)) return true;
  if (replacesOnlyFailed(job)) return false;
  return pod.metadata.deletionTimestamp !== undefined && !isPodSucceeded(pod);
}

/** The pod's completion index, if it has one below the job's completions. */
export function completionIndex(pod: Pod, job: Job): number | undefined {
  const text = pod.metadata.annotations?.[completionIndexKey];
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  const index = Number(text);
  return index < (job.spec.completions ?? 0) ? index : undefined;
}

/** Does it count for this job at all? */
export const isOfJob = (pod: Pod, job: Job): boolean => !isIndexed(job) || completionIndex(pod, job) !== undefined;

function numberIn(pod: Pod, key: string): number {
  const text = pod.metadata.annotations?.[key];
  return text && /^\d+$/.test(text) ? Number(text) : 0;
}

/** Failures of the same index before this pod. */
export const indexFailures = (pod: Pod): number => numberIn(pod, failureCountKey);

/** The same with those that a policy ignored. */
export const allIndexFailures = (pod: Pod): number => indexFailures(pod) + numberIn(pod, ignoredFailureCountKey);

/** A pod to create; `index` for an Indexed job, `replaced` the failed pod of the same index. */
export function newPod(job: Job, owner: OwnerReference, index?: number, replaced?: Pod): Draft<Pod> {
  const pod = podFromTemplate(job.spec.template, job.metadata.namespace!, owner);
  const metadata = pod.metadata!;
  if (!metadata.finalizers?.includes(trackingFinalizer))
    metadata.finalizers = [...(metadata.finalizers ?? []), trackingFinalizer];
  if (index === undefined) return pod;
  const suffix = `-${index}-`;
  metadata.generateName = job.metadata.name.slice(0, maxNameBytes - suffix.length) + suffix;
  metadata.annotations = {
    ...metadata.annotations,
    [completionIndexKey]: String(index),
    ...failureAnnotations(job, replaced),
  };
  metadata.labels = { ...metadata.labels, [completionIndexKey]: String(index) };
  const spec = pod.spec!;
  spec.hostname = `${job.metadata.name}-${index}`;
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) addIndexVariable(container);
  return pod;
}

function failureAnnotations(job: Job, replaced: Pod | undefined): Record<string, string> {
  if (job.spec.backoffLimitPerIndex === undefined) return {};
  let failures = 0;
  let ignored = 0;
  if (replaced) {
    failures = indexFailures(replaced);
    ignored = numberIn(replaced, ignoredFailureCountKey);
    if (countsAsFailure(job, replaced)) failures++;
    else ignored++;
  }
  return {
    [failureCountKey]: String(failures),
    ...(ignored > 0 ? { [ignoredFailureCountKey]: String(ignored) } : {}),
  };
}

function addIndexVariable(container: Draft<Container>): void {
  if (container.env?.some(e => e.name === indexVariable)) return;
  const fieldRef = { fieldPath: `metadata.labels['${completionIndexKey}']` };
  container.env = [...(container.env ?? []), { name: indexVariable, valueFrom: { fieldRef } }];
}
