// Requests to API servers and webhooks as their client sees them, by Kubernetes' names; one count for all clients of a
// process that tell the same metrics.
import { CellCounter, CellHistogram } from '../base/metric-cells.ts';
import type { Metrics } from '../base/metrics.ts';

const secondsBuckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];
const byteBuckets = [64, 256, 512, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216];
/** Hosts of webhooks come from users. */
const mostHosts = 1000;

export interface ClientCall {
  readonly host: string;
  readonly method: string;
  /** Status of the answer; 0: there was none. */
  readonly code: number;
  readonly seconds: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export class RestClientMetrics {
  readonly #results: CellCounter;
  readonly #retries: CellCounter;
  readonly #seconds: CellHistogram;
  readonly #sent: CellHistogram;
  readonly #received: CellHistogram;
  readonly #hosts = new Set<string>();

  constructor(metrics: Metrics) {
    const histogram = (name: string, help: string, buckets: readonly number[]) =>
      new CellHistogram(metrics, `rest_client_${name}`, `[ALPHA] ${help}`, buckets);
    this.#results = new CellCounter(
      metrics,
      'rest_client_requests_total',
      '[ALPHA] Number of HTTP requests, partitioned by status code, method, and host.',
    );
    this.#retries = new CellCounter(
      metrics,
      'rest_client_request_retries_total',
      '[ALPHA] Number of request retries, partitioned by status code, verb, and host.',
    );
    this.#seconds = histogram(
      'request_duration_seconds',
      'Request latency in seconds. Broken down by verb, and host.',
      secondsBuckets,
    );
    this.#sent = histogram('request_size_bytes', 'Request size in bytes. Broken down by verb and host.', byteBuckets);
    this.#received = histogram(
      'response_size_bytes',
      'Response size in bytes. Broken down by verb and host.',
      byteBuckets,
    );
  }

  /** A request is over. */
  done(call: ClientCall): void {
    const host = this.#known(call.host);
    const verb = call.method;
    this.result(host, verb, call.code);
    const key = `${verb} ${host}`;
    const labels = () => ({ host, verb });
    this.#seconds.cell(key, labels).observe(call.seconds);
    if (verb !== 'GET') this.#sent.cell(key, labels).observe(call.sentBytes);
    if (call.code > 0) this.#received.cell(key, labels).observe(call.receivedBytes);
  }

  /** A watch was answered, or nothing was. */
  result(to: string, method: string, status: number): void {
    const host = this.#known(to);
    const code = codeOf(status);
    this.#results.add(`${code} ${method} ${host}`, () => ({ code, host, method }));
  }

  retried(to: string, verb: string, status: number): void {
    const host = this.#known(to);
    const code = codeOf(status);
    this.#retries.add(`${code} ${verb} ${host}`, () => ({ code, host, verb }));
  }

  #known(host: string): string {
    if (this.#hosts.has(host)) return host;
    if (this.#hosts.size >= mostHosts) return 'other';
    this.#hosts.add(host);
    return host;
  }
}

const codeOf = (status: number): string => (status > 0 ? String(status) : '<error>');

const shared = new WeakMap<Metrics, RestClientMetrics>();

/** The same for the same metrics. */
export function restClientMetrics(metrics: Metrics): RestClientMetrics {
  let found = shared.get(metrics);
  if (!found) {
    found = new RestClientMetrics(metrics);
    shared.set(metrics, found);
  }
  return found;
}
