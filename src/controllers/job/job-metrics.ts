// The metrics of kube-controller-manager's Job controller.
import type { Job, JobCondition } from '../../api/type/batch-v1.ts';
import { exponentialBuckets, type Metrics } from '../../base/metrics.ts';
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

  external(manager: string): void {
    const help = 'The number of Jobs managed by an external controller';
    this.#metrics
      .counter('job_controller_jobs_by_external_controller_total', help, ['controller_name'])
      .inc({ controller_name: manager });
  }
}
