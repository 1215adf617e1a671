// What the watch caches have counted, by Kubernetes' names: read when asked.
import { bucketSamples } from '../../base/bucket-counts.ts';
import type { Metrics, Sample } from '../../base/metrics.ts';
import type { CacheCounts } from '../registry/cache-counts.ts';

export interface CacheMetricsSource {
  readonly registries: ReadonlyMap<string, Counted>;
  readonly dispatcher: { readonly revision: number; readonly progressTold: number };
}

interface Counted {
  readonly resource: { readonly group: string; readonly resource: string };
  readonly cache: { readonly counts: CacheCounts; readonly capacity: number };
}

type Numbers = { [K in keyof CacheCounts as CacheCounts[K] extends number ? K : never]: true };

const help: Readonly<Record<string, readonly [keyof Numbers, string]>> = {
  apiserver_watch_cache_events_received_total: [
    'received',
    '[ALPHA] Counter of events received in watch cache broken by resource type.',
  ],
  apiserver_watch_cache_events_dispatched_total: [
    'dispatched',
    '[ALPHA] Counter of events dispatched in watch cache broken by resource type.',
  ],
  apiserver_watch_cache_initializations_total: [
    'initializations',
    '[ALPHA] Counter of watch cache initializations broken by resource type.',
  ],
  apiserver_init_events_total: [
    'initialEvents',
    '[ALPHA] Counter of init events processed in watch cache broken by resource type.',
  ],
  apiserver_terminated_watchers_total: [
    'terminated',
    '[ALPHA] Counter of watchers closed due to unresponsiveness broken by resource type.',
  ],
  apiserver_cache_list_returned_objects_total: [
    'returned',
    '[ALPHA] Number of objects returned for a LIST request from watch cache',
  ],
  apiserver_storage_events_received_total: ['received', '[BETA] Number of etcd events received split by kind.'],
  apiserver_storage_decode_errors_total: [
    'undecodable',
    '[ALPHA] Number of stored object decode errors split by object type',
  ],
};

// Lists look at everything in their namespace: no other index is kept.
const byIndex: typeof help = {
  apiserver_cache_list_total: ['lists', '[ALPHA] Number of LIST requests served from watch cache'],
  apiserver_cache_list_fetched_objects_total: [
    'fetched',
    '[ALPHA] Number of objects read from watch cache in the course of serving a LIST request',
  ],
};

/** `shared`: other servers write to the store too. */
export function reportCaches(metrics: Metrics, { registries, dispatcher }: CacheMetricsSource, shared: boolean): void {
  /** Versions of a resource, and events of both groups, are one cache. */
  const each = (read: (labels: Record<string, string>, cache: Counted['cache']) => Sample[]) => (): Sample[] => {
    const seen = new Set<object>();
    const samples: Sample[] = [];
    for (const { resource: of, cache } of registries.values()) {
      if (seen.has(cache)) continue;
      seen.add(cache);
      samples.push(...read({ group: of.group, resource: of.resource }, cache));
    }
    return samples;
  };
  const some = (labels: Record<string, string>, value: number): Sample[] => (value > 0 ? [{ labels, value }] : []);
  for (const [name, [field, text]] of Object.entries(help))
    metrics.source(
      name,
      text,
      'counter',
      each((labels, { counts }) => some(labels, counts[field])),
    );
  for (const [name, [field, text]] of Object.entries(byIndex))
    metrics.source(
      name,
      text,
      'counter',
      each(({ group, resource }, { counts }) => some({ group: group!, index: '', resource: resource! }, counts[field])),
    );
  const waits = 'apiserver_watch_cache_read_wait_seconds';
  metrics.source(
    waits,
    '[ALPHA] Histogram of time spent waiting for a watch cache to become fresh.',
    'histogram',
    each((labels, { counts }) =>
      counts.waits.counts.some(n => n > 0) ? bucketSamples(waits, labels, counts.waits) : [],
    ),
  );
  metrics.source(
    'apiserver_watch_cache_consistent_read_total',
    '[ALPHA] Counter for consistent reads from cache.',
    'counter',
    each((labels, { counts: { consistentReads, consistentFailures } }) => [
      ...some({ fallback: 'false', ...labels, success: 'true' }, consistentReads - consistentFailures),
      ...some({ fallback: 'false', ...labels, success: 'false' }, consistentFailures),
    ]),
  );
  metrics.source(
    'apiserver_storage_consistency_checks_total',
    '[ALPHA] Counter for status of consistency checks between etcd and watch cache',
    'counter',
    each((labels, { counts: { consistent, inconsistent, uncertain } }) => [
      ...some({ ...labels, status: 'success' }, consistent),
      ...some({ ...labels, status: 'failure' }, inconsistent),
      ...some({ ...labels, status: 'error' }, uncertain),
    ]),
  );
  metrics.source(
    'apiserver_watch_cache_resource_version',
    '[ALPHA] Current resource version of watch cache broken by resource type. This is truncated to the 15 least significant digits.',
    'gauge',
    each((labels, { counts }) => (counts.initializations > 0 ? [{ labels, value: dispatcher.revision }] : [])),
  );
  metrics.source(
    'watch_cache_capacity',
    '[ALPHA] Total capacity of watch cache broken by resource type.',
    'gauge',
    each((labels, { capacity }) => [{ labels, value: capacity }]),
  );
  // One watch of the store feeds every cache: each is told of each.
  if (shared)
    metrics.source(
      'etcd_bookmark_counts',
      '[ALPHA] Number of etcd bookmarks (progress notify events) split by kind.',
      'gauge',
      each(labels => some(labels, dispatcher.progressTold)),
    );
}
