// Reads metrics of pods and of anything else through the metrics APIs.
import { parseTime } from '../../api/meta.ts';
import { parseQuantity } from '../../api/quantity.ts';
import { ref } from '../../api/ref.ts';
import { parseDuration } from '../../api/scalar.ts';
import { isNotFound } from '../../api/status.ts';
import type { PodMetrics as PodUsage } from '../../api/type/metrics-v1beta1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Client } from '../../client/client.ts';
import type { PodMetric, PodMetrics } from './kernel/pod-metric.ts';

type Usage = PodUsage & { readonly metadata: NonNullable<PodUsage['metadata']> };
const podUsage = ref<Usage>('metrics.k8s.io', 'v1beta1', 'pods', 'PodMetrics', true);

interface MetricValue {
  readonly describedObject?: { readonly name?: string };
  readonly timestamp?: string;
  readonly windowSeconds?: number;
  readonly window?: number;
  readonly value: string;
}

// Adapters that tell no window measure over this.
const defaultWindowMs = 60_000;
const customVersions = ['v1beta2', 'v1beta1'];

export class MetricsSource {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Of pods or, `container` given, of that container in each. Rejects with the API named when nothing is known. */
  async resource(name: string, namespace: string, selector: string, container: string): Promise<PodMetrics> {
    const items = await this.#client.list(podUsage, { namespace, labelSelector: selector }).then(
      list => list.items,
      error => fail('resource', error),
    );
    if (items.length === 0) throw new Error('no metrics returned from resource metrics API');
    const out = new Map<string, PodMetric>();
    for (const item of items) {
      const metric = podMetric(item, name, container);
      if (metric) out.set(item.metadata.name, metric);
    }
    return out;
  }

  async pods(name: string, namespace: string, selector: string, metricSelector: string): Promise<PodMetrics> {
    const items = await this.#custom(`namespaces/${namespace}/pods/*/${name}`, {
      labelSelector: selector,
      metricLabelSelector: metricSelector,
    });
    return new Map(
      items.map(item => [
        item.describedObject?.name ?? '',
        {
          atMs: parseTime(item.timestamp) ?? 0,
          windowMs: item.windowSeconds === undefined ? defaultWindowMs : item.windowSeconds * 1000,
          milli: parseQuantity(item.value).milliValue(),
        },
      ]),
    );
  }

  /** In thousandths. `resource`: as `services` or `ingresses.networking.k8s.io`. */
  async object(
    name: string,
    object: { readonly resource: string; readonly name: string; readonly namespace: string },
    metricSelector: string,
  ): Promise<number> {
    const path =
      object.resource === 'namespaces'
        ? `namespaces/${object.name}/metrics/${name}`
        : `namespaces/${object.namespace}/${object.resource}/${object.name}/${name}`;
    const [item] = await this.#custom(path, { metricLabelSelector: metricSelector });
    return parseQuantity(item!.value).milliValue();
  }

  /** In thousandths: one for each series. */
  async external(name: string, namespace: string, metricSelector: string): Promise<number[]> {
    const path = `/apis/external.metrics.k8s.io/v1beta1/namespaces/${namespace}/${name}`;
    const items = await this.#values(path, { labelSelector: metricSelector }).catch(error => fail('external', error));
    if (items.length === 0) throw new Error('no metrics returned from external metrics API');
    return items.map(item => parseQuantity(item.value).milliValue());
  }

  async #custom(path: string, query: Readonly<Record<string, string>>): Promise<readonly MetricValue[]> {
    const version = await this.#customVersion().catch(error => fail('custom', error));
    const base = `/apis/custom.metrics.k8s.io/${version}`;
    const items = await this.#values(`${base}/${path}`, query).catch(error => fail('custom', error));
    if (items.length === 0) throw new Error('no metrics returned from custom metrics API');
    return items;
  }

  async #customVersion(): Promise<string> {
    const missing = 'no custom metrics API (custom.metrics.k8s.io) registered';
    const group = (await this.#client.raw('/apis/custom.metrics.k8s.io').catch(error => {
      throw isNotFound(error) ? new Error(missing) : error;
    })) as { readonly versions?: readonly { readonly version: string }[] };
    const version = customVersions.find(v => group.versions?.some(served => served.version === v));
    if (!version) throw new Error(missing);
    return version;
  }

  async #values(path: string, query: Readonly<Record<string, string>>): Promise<readonly MetricValue[]> {
    const set = Object.entries(query).filter(([, value]) => value !== '');
    const text = set.length ? `?${new URLSearchParams(set)}` : '';
    const list = (await this.#client.raw(path + text)) as { readonly items?: readonly MetricValue[] };
    return list.items ?? [];
  }
}

function fail(api: string, error: unknown): never {
  throw new Error(`unable to fetch metrics from ${api} metrics API: ${messageOf(error)}`, { cause: error });
}

function podMetric(item: Usage, resource: string, container: string): PodMetric | undefined {
  const { namespace, name } = item.metadata;
  const counted = container ? item.containers.filter(c => c.name === container) : item.containers;
  if (container && counted.length === 0)
    throw new Error(`container ${container} not present in metrics for pod ${namespace}/${name}`);
  let milli = 0;
  for (const { usage } of counted) {
    const value = usage[resource];
    if (value === undefined) return undefined;
    milli += parseQuantity(value).milliValue();
  }
  if (counted.length === 0) return undefined;
  return { atMs: parseTime(item.timestamp) ?? 0, windowMs: parseDuration(item.window) / 1e6, milli };
}
