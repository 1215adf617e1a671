import type { Clock } from '../base/clock.ts';
import { exponentialBuckets, type Metrics } from '../base/metrics.ts';

/** What a work queue tells about itself. */
export interface QueueMetrics {
  added(key: string): void;
  started(key: string): void;
  done(key: string): void;
  retried(): void;
  close(): void;
}

const labels = ['name'];
const buckets = exponentialBuckets(10e-9, 10, 12);

/** The workqueue_* metrics of Kubernetes for the queue `name`. */
export function queueMetrics(metrics: Metrics, name: string, clock: Clock): QueueMetrics {
  const depth = metrics.gauge('workqueue_depth', 'Current depth of workqueue', labels);
  const adds = metrics.counter('workqueue_adds_total', 'Total number of adds handled by workqueue', labels);
  const retries = metrics.counter('workqueue_retries_total', 'Total number of retries handled by workqueue', labels);
  const latency = metrics.histogram(
    'workqueue_queue_duration_seconds',
    'How long in seconds an item stays in workqueue before being requested.',
    labels,
    buckets,
  );
  const work = metrics.histogram(
    'workqueue_work_duration_seconds',
    'How long in seconds processing an item from workqueue takes.',
    labels,
    buckets,
  );
  const unfinished = metrics.gauge(
    'workqueue_unfinished_work_seconds',
    "How many seconds of work has done that is in progress and hasn't been observed by work_duration. Large values indicate stuck threads. One can deduce the number of stuck threads by observing the rate at which this increases.",
    labels,
  );
  const longest = metrics.gauge(
    'workqueue_longest_running_processor_seconds',
    'How many seconds has the longest running processor for workqueue been running.',
    labels,
  );
  const label = { name };
  const addedMs = new Map<string, number>();
  const startedMs = new Map<string, number>();
  depth.set(label, 0);
  const stopCollecting = metrics.onCollect(() => {
    const now = clock.monotonic();
    let total = 0;
    let oldest = 0;
    for (const at of startedMs.values()) {
      total += now - at;
      oldest = Math.max(oldest, now - at);
    }
    unfinished.set(label, total / 1000);
    longest.set(label, oldest / 1000);
  });
  return {
    added(key) {
      adds.inc(label);
      depth.inc(label);
      if (!addedMs.has(key)) addedMs.set(key, clock.monotonic());
    },
    started(key) {
      const now = clock.monotonic();
      depth.dec(label);
      startedMs.set(key, now);
      const at = addedMs.get(key);
      if (at === undefined) return;
      latency.observe(label, (now - at) / 1000);
      addedMs.delete(key);
    },
    done(key) {
      const at = startedMs.get(key);
      if (at === undefined) return;
      work.observe(label, (clock.monotonic() - at) / 1000);
      startedMs.delete(key);
    },
    retried: () => retries.inc(label),
    close() {
      depth.set(label, 0);
      stopCollecting();
    },
  };
}
