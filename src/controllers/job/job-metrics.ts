// The metrics of kube-controller-manager's Job controller.
import type { Job, JobCondition } from '../../api/type/batch-v1.ts';
import { exponentialBuckets, type Metrics } from '../../base/metrics.ts';
import { IndexSet } from './kernel/index-set.ts';
import { isIndexed } from './kernel/job-pod.ts';

const modeOf = (job: Job): string => (isIndexed(job) ? 'Indexed' : 'NonIndexed');

export class JobMetrics {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** `action`: what the round did about pods. */
  synced(
    job: Job,
    action: 'reconciling' | 'tracking' | 'pods_created' | 'pods_deleted',
    ok: boolean,
    seconds: number,
  ): void {
    const labels = { completion_mode: modeOf(job), result: ok ? 'success' : 'error', action };
    const names = Object.keys(labels);
    this.#metrics
      .histogram(
        'job_controller_job_sync_duration_seconds',
        'The time it took to sync a job',
        names,
        exponentialBuckets(0.004, 2, 15),
      )
      .observe(labels, seconds);
    this.#metrics.counter('job_controller_job_syncs_total', 'The number of job syncs', names).inc(labels);
  }

  finished(job: Job, { type, reason = '' }: JobCondition): void {
    const labels = { completion_mode: modeOf(job), result: type === 'Failed' ? 'failed' : 'succeeded', reason };
    this.#metrics
      .counter('job_controller_jobs_finished_total', 'The number of finished jobs', Object.keys(labels))
      .inc(labels);
  }

  /** Pods counted for the last time. */
  podsFinished(job: Job, result: 'succeeded' | 'failed', count: number): void {
    const labels = { completion_mode: modeOf(job), result };
    const help = 'The number of finished Pods that are fully tracked';
    if (count > 0)
      this.#metrics.counter('job_controller_job_pods_finished_total', help, Object.keys(labels)).inc(labels, count);
  }

  /** Pods made for the first time, or again. */
  podsCreated(job: Job, succeeded: number, failed: number): void {
    const { podReplacementPolicy, podFailurePolicy } = job.spec;
    const again = (job.status?.failed ?? 0) + (job.status?.terminating ?? 0) > 0;
    const onlyFailed = podReplacementPolicy === 'Failed' || podFailurePolicy !== undefined;
    const reason = again ? (onlyFailed ? 'recreate_failed' : 'recreate_terminating_or_failed') : 'new';
    const help =
      'The number of Pods created by the Job controller labelled with a reason for the Pod creation. This metric also distinguishes between Pods created using different PodReplacementPolicy settings. Possible values of the "reason" label are: "new", "recreate_terminating_or_failed", "recreate_failed". Possible values of the "status" label are: "succeeded", "failed".';
    const counter = this.#metrics.counter('job_controller_job_pods_creation_total', help, ['reason', 'status']);
    if (succeeded > 0) counter.inc({ reason, status: 'succeeded' }, succeeded);
    if (failed > 0) counter.inc({ reason, status: 'failed' }, failed);
  }

  /** A pod that failed and about which a rule of the job says what is to happen. */
  failureHandled(action: string): void {
    const help =
      'The number of failed Pods handled by failure policy with respect to the failure policy action applied based on the matched rule. Possible values of the action label correspond to the possible values for the failure policy rule action, which are: "FailJob", "Ignore" and "Count".';
    this.#metrics
      .counter('job_controller_pod_failures_handled_by_failure_policy_total', help, ['action'])
      .inc({ action });
  }

  /** A pod that has ended keeps the controller's finalizer, or does so no longer. */
  terminatedTracked(event: 'add' | 'delete'): void {
    const help =
      'The number of terminated pods (phase=Failed|Succeeded) that have the finalizer batch.kubernetes.io/job-tracking. The event label can be "add" or "delete".';
    this.#metrics.counter('job_controller_terminated_pods_tracking_finalizer_total', help, ['event']).inc({ event });
  }

  /** Indexes of a job that is over. */
  indexesFinished(job: Job): void {
    if (!isIndexed(job)) return;
    const { completions = 0, backoffLimitPerIndex } = job.spec;
    const backoffLimit = backoffLimitPerIndex === undefined ? 'global' : 'perIndex';
    const help =
      'The number of finished indexes. Possible values for the status label are: "succeeded", "failed". Possible values for the backoffLimit label are: "perIndex" and "global".';
    const counter = this.#metrics.counter('job_controller_job_finished_indexes_total', help, [
      'status',
      'backoffLimit',
    ]);
    const tell = (status: string, indexes: string | undefined) => {
      const { size } = IndexSet.parse(indexes ?? '', completions);
      if (size > 0) counter.inc({ status, backoffLimit }, size);
    };
    tell('succeeded', job.status.completedIndexes);
    tell('failed', job.status.failedIndexes);
  }

  external(manager: string): void {
    const help = 'The number of Jobs managed by an external controller';
    this.#metrics
      .counter('job_controller_jobs_by_external_controller_total', help, ['controller_name'])
      .inc({ controller_name: manager });
  }
}
