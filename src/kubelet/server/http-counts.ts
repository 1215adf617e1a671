// Requests to the kubelet's port, under Kubernetes' names.
import type { Clock } from '../../base/clock.ts';
import { CellCounter, CellHistogram } from '../../base/metric-cells.ts';
import { defaultBuckets, type Metrics } from '../../base/metrics.ts';

const lasting = new Set(['attach', 'debug', 'exec', 'portForward']);

export class HttpCounts {
  readonly #clock: Clock;
  readonly #total: CellCounter;
  readonly #running: CellCounter;
  readonly #seconds: CellHistogram;

  constructor(metrics: Metrics, clock: Clock) {
    this.#clock = clock;
    this.#total = new CellCounter(
      metrics,
      'kubelet_http_requests_total',
      '[ALPHA] Number of the http requests received since the server started',
    );
    this.#running = new CellCounter(
      metrics,
      'kubelet_http_inflight_requests',
      '[ALPHA] Number of the inflight http requests',
      'gauge',
    );
    this.#seconds = new CellHistogram(
      metrics,
      'kubelet_http_requests_duration_seconds',
      '[ALPHA] Duration in seconds to serve http requests',
      defaultBuckets,
    );
  }

  /** A request to a path that is served; returns what ends it. */
  begin(method: string, segments: readonly string[]): () => void {
    const [root = '', second] = segments;
    const path = root === 'metrics' && second ? `metrics/${second}` : root;
    const long = String(lasting.has(root));
    const key = `${method} ${path}`;
    const labels = () => ({ long_running: long, method, path, server_type: 'readwrite' });
    const fromMs = this.#clock.monotonic();
    this.#total.add(key, labels);
    this.#running.add(key, labels);
    return () => {
      this.#running.add(key, labels, -1);
      this.#seconds.cell(key, labels).observe((this.#clock.monotonic() - fromMs) / 1000);
    };
  }
}
