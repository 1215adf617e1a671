// endpointslice-mirroring-controller: gives slices to services without a selector whose Endpoints somebody else writes.
import { keyOf } from '../../api/meta.ts';
import { coreV1, discoveryV1 } from '../../api/refs.ts';
import type { Endpoints, Service } from '../../api/type/core-v1.ts';
import type { EndpointSlice } from '../../api/type/discovery-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import type { Controller, ControllerContext, Reconciler } from '../../engine/controller.ts';
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

  constructor(context: ControllerContext, maxPerSubset: number) {
    this.#context = context;
    this.#maxPerSubset = maxPerSubset;
    this.#sync = new SliceSync(context, byEndpoints, endpointsKeyOf);
  }

  async reconcile(key: string): Promise<void> {
    const endpoints = this.#context.lister(coreV1.endpoints).get(key);
    const service = this.#context.lister(coreV1.services).get(key);
    if (!endpoints) this.#sync.forget(key);
    const slices = this.#sync.current(key);
    if (!slices) return;
    if (!endpoints || !service || hasSelector(service) || !wantsMirroring(endpoints)) {
      const plan = { create: [], update: [], delete: [...slices], unchanged: [] };
      await this.#sync.write(key, plan, { mayCreate: false, triggerTime: undefined, owner: `Endpoints ${key}` });
      return;
    }
    const { plan, invalid, skipped } = mirrorEndpoints(endpoints, slices, this.#maxPerSubset);
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
      });
    } catch (error) {
      tell('FailedToUpdateEndpointSlices', `Failed to update EndpointSlices: ${messageOf(error)}`);
      throw error;
    }
  }
}
