// How much lies in the store, by Kubernetes' names: counted when asked.
import { bucketSamples } from '../../base/bucket-counts.ts';
import type { Metrics, Sample } from '../../base/metrics.ts';
import type { Store } from '../../store/store.ts';

interface Counted {
  readonly size: number;
  readonly measuredBytes: number | undefined;
}

export interface ApiMetricsSource {
  readonly registries: ReadonlyMap<
    string,
    {
      readonly resource: { readonly group: string; readonly resource: string };
      readonly cache: Counted;
    }
  >;
}

export function reportStorage(metrics: Metrics, { registries }: ApiMetricsSource): void {
  const each = (
    labels: (group: string, resource: string) => Record<string, string>,
    read: (cache: Counted) => number | undefined = cache => cache.size,
  ): Sample[] => {
    const samples = new Map<string, Sample>();
    // A custom resource has a registry for each of its versions.
    for (const { resource: of, cache } of registries.values()) {
      const value = read(cache);
      if (value !== undefined)
        samples.set(`${of.resource}.${of.group}`, { labels: labels(of.group, of.resource), value });
    }
    return [...samples.values()];
  };
  metrics.source(
    'apiserver_storage_objects',
    '[STABLE] [DEPRECATED, consider using apiserver_resource_objects instead] Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.',
    'gauge',
    () => each((group, resource) => ({ resource: group ? `${resource}.${group}` : resource })),
  );
  metrics.source(
    'apiserver_resource_objects',
    '[ALPHA] Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.',
    'gauge',
    () => each((group, resource) => ({ group, resource })),
  );
  metrics.source(
    'apiserver_resource_size_estimate_bytes',
    '[ALPHA] Estimated size of stored objects in database. Estimate is based on sum of last observed sizes of serialized objects. In case of a fetching error, the value will be -1.',
    'gauge',
    () =>
      each(
        (group, resource) => ({ group, resource }),
        cache => cache.measuredBytes,
      ),
  );
}

/** What the store says of itself. */
export function reportStore(metrics: Metrics, store: Store): void {
  if (store.sizeBytes)
    metrics.source(
      'apiserver_storage_size_bytes',
      '[STABLE] Size of the storage database file physically allocated in bytes.',
      'gauge',
      async () => {
        // An etcd that does not answer has no size to tell; the scrape goes on.
        const value = await store.sizeBytes!().catch(() => 0);
        return value > 0 ? [{ labels: { storage_cluster_id: 'etcd-0' }, value }] : [];
      },
    );
  const name = 'etcd_lease_object_counts';
  const { leaseObjects } = store;
  if (leaseObjects)
    metrics.source(name, '[ALPHA] Number of objects attached to a single etcd lease.', 'histogram', () =>
      bucketSamples(name, {}, leaseObjects),
    );
}
