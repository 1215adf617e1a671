// How much lies in the store, by Kubernetes' names: counted when asked.
import type { Metrics, Sample } from '../../base/metrics.ts';

export interface ApiMetricsSource {
  readonly registries: ReadonlyMap<
    string,
    {
      readonly resource: { readonly group: string; readonly resource: string };
      readonly cache: { readonly size: number };
    }
  >;
}

export function reportStorage(metrics: Metrics, { registries }: ApiMetricsSource): void {
  const each = (labels: (group: string, resource: string) => Record<string, string>): Sample[] => {
    const samples = new Map<string, Sample>();
    // A custom resource has a registry for each of its versions.
    for (const { resource: of, cache } of registries.values())
      samples.set(`${of.resource}.${of.group}`, { labels: labels(of.group, of.resource), value: cache.size });
    return [...samples.values()];
  };
  metrics.source(
    'apiserver_storage_objects',
    '[STABLE] Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.',
    'gauge',
    () => each((group, resource) => ({ resource: group ? `${resource}.${group}` : resource })),
  );
  metrics.source(
    'apiserver_resource_objects',
    '[ALPHA] Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.',
    'gauge',
    () => each((group, resource) => ({ group, resource })),
  );
}
