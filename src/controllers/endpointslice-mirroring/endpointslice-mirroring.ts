// endpointslice-mirroring-controller: gives slices to services without a selector whose Endpoints somebody else writes.
import { keyOf } from '../../api/meta.ts';
import { coreV1, discoveryV1 } from '../../api/refs.ts';
import type { Endpoints, Service } from '../../api/type/core-v1.ts';
import type { EndpointSlice } from '../../api/type/discovery-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { exponentialBuckets, type HistogramMetric } from '../../base/metrics.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import type { Controller, ControllerContext, Reconciler } from '../../engine/controller.ts';
import { SliceMetrics } from '../slice-metrics.ts';
import { SliceSync } from '../slice-sync.ts';
import { managedByLabel, managerName, mirrorEndpoints, serviceNameLabel, wantsMirroring } from './kernel/mirror.ts';

export interface EndpointSliceMirroringOptions {
  /** `--mirroring-max-endpoints-per-subset`. Default 1000. */
  readonly maxPerSubset?: number;
}

const byEndpoints = 'mirrored-endpoints';

function endpointsKeyOf({ metadata: { namespace, labels } }: EndpointSlice): string | undefined {
  const name = labels?.[managedByLabel] === managerName ? labels[serviceNameLabel] : undefined;
  return name && `${namespace}/${name}`;
}

const hasSelector = (service: Service): boolean => Object.keys(service.spec.selector ?? {}).length > 0;

export function endpointSliceMirroringController(options: EndpointSliceMirroringOptions = {}): Controller {
  return {
    name: 'endpointslice-mirroring-controller',
    queue: 'endpoint_slice_mirroring',
    serviceAccount: 'endpointslicemirroring-controller',
    component: 'endpoint-slice-mirroring-controller',
    watches: [
      {
        resource: coreV1.endpoints,
        keys: (e: Endpoints, old: Endpoints | undefined) =>
          wantsMirroring(e) || (old && wantsMirroring(old)) ? [keyOf(e)] : [],
      },
      {
        resource: coreV1.services,
        keys: (s: Service, old: Service | undefined, _context, deleted) =>
          deleted || (old ? hasSelector(s) !== hasSelector(old) : !hasSelector(s)) ? [keyOf(s)] : [],
      },
    ],
    reads: [discoveryV1.endpointslices],
    indexes: [
      {
        resource: discoveryV1.endpointslices,
        name: byEndpoints,
        values: (slice: EndpointSlice) => [endpointsKeyOf(slice)].filter(k => k !== undefined),
      },
    ],
    writes: ['endpointslices', 'events'],
    create: context => new MirroringReconciler(context, options.maxPerSubset ?? 1000),
  };
}

class MirroringReconciler implements Reconciler {
  readonly #context: ControllerContext;
  readonly #maxPerSubset: number;
  readonly #sync: SliceSync;
  readonly #metrics: SliceMetrics;
  readonly #updated: HistogramMetric;
  readonly #skipped: HistogramMetric;
  readonly #seconds: HistogramMetric;

  constructor(context: ControllerContext, maxPerSubset: number) {
    this.#context = context;
    this.#maxPerSubset = maxPerSubset;
    this.#sync = new SliceSync(context, byEndpoints, endpointsKeyOf);
    const prefix = 'endpoint_slice_mirroring_controller';
    this.#metrics = new SliceMetrics(context, prefix, 'Endpoints');
    const perSync = (name: string, help: string) =>
      context.metrics.histogram(`${prefix}_${name}_per_sync`, help, [], exponentialBuckets(2, 2, 15));
    this.#updated = perSync('endpoints_updated', 'Number of endpoints updated on each Endpoints sync');
    this.#skipped = perSync(
      'addresses_skipped',
      'Number of addresses skipped on each Endpoints sync due to being invalid or exceeding MaxEndpointsPerSubset',
    );
    this.#seconds = context.metrics.histogram(
      `${prefix}_endpoints_sync_duration`,
      'Duration of syncEndpoints() in seconds',
      [],
      exponentialBuckets(0.001, 2, 15),
    );
  }

  async reconcile(key: string): Promise<void> {
    const { clock } = this.#context;
    const startMs = clock.monotonic();
    try {
      await this.#mirror(key);
    } finally {
      this.#seconds.observe({}, (clock.monotonic() - startMs) / 1000);
    }
  }

  async #mirror(key: string): Promise<void> {
    const endpoints = this.#context.lister(coreV1.endpoints).get(key);
    const service = this.#context.lister(coreV1.services).get(key);
    if (!endpoints) this.#sync.forget(key);
    const slices = this.#sync.current(key);
    if (!slices) return;
    if (!endpoints || !service || hasSelector(service) || !wantsMirroring(endpoints)) {
      const plan = { create: [], update: [], delete: [...slices], unchanged: [] };
      const options = { mayCreate: false, triggerTime: undefined, owner: `Endpoints ${key}` };
      this.#metrics.forget(key);
      await this.#sync.write(key, plan, { ...options, wrote: this.#metrics.changed });
      return;
    }
    const { plan, invalid, skipped } = mirrorEndpoints(endpoints, slices, this.#maxPerSubset);
    this.#updated.observe({}, this.#metrics.planned(key, plan, slices, this.#maxPerSubset));
    this.#skipped.observe({}, invalid + skipped);
    const tell = (reason: string, message: string) =>
      this.#context.events.event(referenceTo(endpoints, coreV1.endpoints), 'Warning', reason, message);
    if (invalid > 0)
      tell('InvalidIPAddress', `Skipped ${invalid} invalid IP addresses when mirroring to EndpointSlices`);
    if (skipped > 0)
      tell(
        'TooManyAddressesToMirror',
        `A max of ${this.#maxPerSubset} addresses can be mirrored to EndpointSlices per Endpoints subset. ${skipped} addresses were skipped`,
      );
    try {
      await this.#sync.write(key, plan, {
        mayCreate: !endpoints.metadata.deletionTimestamp,
        triggerTime: undefined,
        owner: `Endpoints ${key}`,
        wrote: this.#metrics.changed,
      });
    } catch (error) {
      tell('FailedToUpdateEndpointSlices', `Failed to update EndpointSlices: ${messageOf(error)}`);
      throw error;
    }
  }
}
