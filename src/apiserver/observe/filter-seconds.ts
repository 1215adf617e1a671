// How long the steps before the handlers take. The steps are made in many places: each finds its cell by the registry.
import type { BucketCounts } from '../../base/bucket-counts.ts';
import { CellHistogram } from '../../base/metric-cells.ts';
import type { Metrics } from '../../base/metrics.ts';

/** As Kubernetes calls its filters; others have no step of their own here. */
export type Filter =
  | 'authentication'
  | 'audit'
  | 'impersonation'
  | 'constrainedimpersonation'
  | 'authorization'
  | 'priorityandfairness';

const buckets = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 5, 10, 15, 30];
const made = new WeakMap<Metrics, CellHistogram>();

/** Where the seconds of a filter are counted. */
export function filterSeconds(metrics: Metrics, filter: Filter): BucketCounts {
  let histogram = made.get(metrics);
  if (!histogram) {
    histogram = new CellHistogram(
      metrics,
      'apiserver_request_filter_duration_seconds',
      '[ALPHA] Request filter latency distribution in seconds, for each filter type',
      buckets,
    );
    made.set(metrics, histogram);
  }
  return histogram.cell(filter, () => ({ filter }));
}
