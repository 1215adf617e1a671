// The metrics of kube-controller-manager's autoscaler.
import type { HorizontalPodAutoscaler } from '../../api/type/autoscaling-v2.ts';
import type { Clock } from '../../base/clock.ts';
import { exponentialBuckets, type Metrics } from '../../base/metrics.ts';

export interface Outcome {
  readonly action: 'scale_up' | 'scale_down' | 'none';
  readonly error: 'spec' | 'internal' | 'none';
}

const prefix = 'horizontal_pod_autoscaler_controller_';
const buckets = exponentialBuckets(0.001, 2, 15);

export class AutoscalerMetrics {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  reconciled({ action, error }: Outcome, seconds: number): void {
    this.#both('reconciliation', 'reconciliation', { action, error }, seconds);
  }

  /** Runs what computes one metric. */
  async timed<T extends { readonly replicas: number }>(
    type: string,
    clock: Clock,
    compute: () => Promise<T>,
  ): Promise<T> {
    const startMs = clock.monotonic();
    let error: Outcome['error'] = 'internal';
    try {
      const result = await compute();
      error = 'none';
      return result;
    } finally {
      const labels = { action: 'none', error, metric_type: type };
      this.#both('metric computation', 'metric_computation', labels, (clock.monotonic() - startMs) / 1000);
    }
  }

  wanted({ metadata }: HorizontalPodAutoscaler, replicas: number): void {
    this.#desired().set({ namespace: metadata.namespace!, hpa_name: metadata.name }, replicas);
  }

  forget({ namespace, name }: { readonly namespace?: string; readonly name: string }): void {
    this.#desired().remove({ namespace: namespace ?? '', hpa_name: name });
  }

  #desired() {
    return this.#metrics.gauge(`${prefix}desired_replicas`, 'Current desired replica count for HPA objects.', [
      'namespace',
      'hpa_name',
    ]);
  }

  #both(what: string, name: string, labels: Record<string, string>, seconds: number): void {
    const names = Object.keys(labels);
    const total = name === 'reconciliation' ? 'reconciliations_total' : `${name}_total`;
    this.#metrics.counter(`${prefix}${total}`, `Number of ${what}s of HPA controller.`, names).inc(labels);
    this.#metrics
      .histogram(
        `${prefix}${name}_duration_seconds`,
        `The time(seconds) that the HPA controller takes for a ${what}.`,
        names,
        buckets,
      )
      .observe(labels, seconds);
  }
}
