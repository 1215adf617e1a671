// What the two controllers of EndpointSlices tell of their work, under Kubernetes' names.
import type { EndpointSlice } from '../api/type/discovery-v1.ts';
import { type CounterMetric, defaultBuckets, exponentialBuckets, type HistogramMetric } from '../base/metrics.ts';
import type { ControllerContext } from '../engine/controller.ts';
import { endpointKey, type SlicePlan } from './kernel/slice-packing.ts';

interface Totals {
  readonly slices: number;
  readonly desiredSlices: number;
  readonly endpoints: number;
}

const perSync = exponentialBuckets(2, 2, 15);

export class SliceMetrics {
  readonly #prefix: string;
  readonly #metrics: ControllerContext['metrics'];
  readonly #changes: CounterMetric;
  readonly #added: HistogramMetric;
  readonly #removed: HistogramMetric;
  /** Of each key: how many slices and endpoints it has come to. */
  readonly #totals = new Map<string, Totals>();

  /** `what` is synced: Service or Endpoints. */
  constructor(context: ControllerContext, controller: string, what: string) {
    const { metrics } = context;
    this.#metrics = metrics;
    this.#prefix = controller;
    this.#changes = metrics.counter(`${controller}_changes`, 'Number of EndpointSlice changes', ['operation']);
    const histogram = (name: string, done: string) =>
      metrics.histogram(`${controller}_${name}`, `Number of endpoints ${done} on each ${what} sync`, [], perSync);
    this.#added = histogram('endpoints_added_per_sync', 'added');
    this.#removed = histogram('endpoints_removed_per_sync', 'removed');
    // Of a later term of leadership, which tells last, the figures count.
    const gauge = (name: string, help: string, of: keyof Totals) => {
      const told = metrics.gauge(`${controller}_${name}`, help);
      metrics.onCollect(() =>
        told.set(
          {},
          this.#totals.values().reduce((sum, t) => sum + t[of], 0),
        ),
      );
    };
    gauge('num_endpoint_slices', 'Number of EndpointSlices', 'slices');
    gauge(
      'desired_endpoint_slices',
      'Number of EndpointSlices that would exist with perfect endpoint allocation',
      'desiredSlices',
    );
    gauge('endpoints_desired', 'Number of endpoints desired', 'endpoints');
  }

  readonly changed = (operation: 'create' | 'update' | 'delete'): void => this.#changes.inc({ operation });

  /** What a sync changes; `slices` are those before it. Returns how many endpoints only change. */
  planned(key: string, plan: SlicePlan, slices: readonly EndpointSlice[], maxPerSlice: number): number {
    const rewritten = new Set(plan.update.map(d => d.metadata.name));
    const before = endpointsOf([...plan.delete, ...slices.filter(s => rewritten.has(s.metadata.name))]);
    const after = endpointsOf([...plan.create, ...plan.update]);
    let kept = 0;
    for (const endpoint of after) if (before.has(endpoint)) kept++;
    this.#added.observe({}, after.size - kept);
    this.#removed.observe({}, before.size - kept);
    const sets = new Map<string, number>();
    for (const { addressType, ports, endpoints } of [...plan.create, ...plan.update, ...plan.unchanged]) {
      const set = `${addressType} ${JSON.stringify(ports)}`;
      sets.set(set, (sets.get(set) ?? 0) + (endpoints?.length ?? 0));
    }
    const sizes = [...sets.values()];
    this.#totals.set(key, {
      slices: plan.create.length + plan.update.length + plan.unchanged.length,
      desiredSlices: sizes.reduce((sum, n) => sum + Math.max(1, Math.ceil(n / maxPerSlice)), 0),
      endpoints: sizes.reduce((sum, n) => sum + n, 0),
    });
    return kept;
  }

  /** Slices written for one Service. */
  changedPerSync(topology: string, trafficDistribution: string, plan: SlicePlan): void {
    this.#metrics
      .histogram(
        `${this.#prefix}_endpointslices_changed_per_sync`,
        'Number of EndpointSlices changed on each Service sync',
        ['topology', 'traffic_distribution'],
        defaultBuckets,
      )
      .observe(
        { topology, traffic_distribution: trafficDistribution },
        plan.create.length + plan.update.length + plan.delete.length,
      );
  }

  forget(key: string): void {
    this.#totals.delete(key);
  }
}

function endpointsOf(slices: readonly Pick<EndpointSlice, 'endpoints'>[]): Set<string> {
  return new Set(slices.flatMap(s => s.endpoints?.map(endpointKey) ?? []));
}
