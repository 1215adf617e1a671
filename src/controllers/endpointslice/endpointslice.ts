// endpointslice-controller: keeps the EndpointSlices of services that have a selector.
import { formatTime, keyOf } from '../../api/meta.ts';
import { coreV1, discoveryV1 } from '../../api/refs.ts';
import type { Node, Service } from '../../api/type/core-v1.ts';
import type { EndpointSlice } from '../../api/type/discovery-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { CounterMetric } from '../../base/metrics.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import type { Controller, ControllerContext, Reconciler } from '../../engine/controller.ts';
import { selectsPods } from '../kernel/service-pod.ts';
import type { SlicePlan } from '../kernel/slice-packing.ts';
import { TriggerTimes } from '../kernel/trigger-time.ts';
import { podsOf, serviceKeysOfPod } from '../service-of-pod.ts';
import { SliceMetrics } from '../slice-metrics.ts';
import { SliceSync } from '../slice-sync.ts';
import { hasHints } from './kernel/hint.ts';
import { planSlices } from './kernel/plan-slices.ts';
import { managerName, sliceLabels } from './kernel/pod-endpoint.ts';
import { wantsTopologyHints } from './kernel/topology-hints.ts';
import { type ZoneShares, zoneFacts, zoneShares } from './kernel/zone-share.ts';

export interface EndpointSliceOptions {
  /** `--max-endpoints-per-slice`. Default 100. */
  readonly maxPerSlice?: number;
}

const byService = 'managed-service';

/** Slices of ours by the key of their service. */
function serviceKeyOf({ metadata: { namespace, labels } }: EndpointSlice): string | undefined {
  if (labels?.[sliceLabels.managedBy] !== managerName) return undefined;
  const name = labels[sliceLabels.serviceName];
  return name && `${namespace}/${name}`;
}

export function endpointSliceController(options: EndpointSliceOptions = {}): Controller {
  return {
    name: 'endpointslice-controller',
    queue: 'endpoint_slice',
    serviceAccount: 'endpointslice-controller',
    component: 'endpoint-slice-controller',
    watches: [
      { resource: coreV1.services, keys: (s: Service) => [keyOf(s)] },
      { resource: coreV1.pods, keys: serviceKeysOfPod },
    ],
    reads: [discoveryV1.endpointslices, coreV1.nodes],
    indexes: [
      {
        resource: discoveryV1.endpointslices,
        name: byService,
        values: (slice: EndpointSlice) => [serviceKeyOf(slice)].filter(k => k !== undefined),
      },
    ],
    writes: ['endpointslices', 'events'],
    create: context => new EndpointSliceReconciler(context, options.maxPerSlice ?? 100),
  };
}

class EndpointSliceReconciler implements Reconciler {
  readonly #context: ControllerContext;
  readonly #maxPerSlice: number;
  readonly #triggerTimes = new TriggerTimes();
  readonly #sync: SliceSync;
  readonly #metrics: SliceMetrics;
  readonly #syncs: CounterMetric;
  #zones: ZoneShares | undefined;
  /** Services with a pod on a node that is not known, by the node. */
  readonly #wantNode = new Map<string, Set<string>>();
  /** `family key` of services with topology hints. */
  readonly #hinted = new Set<string>();

  constructor(context: ControllerContext, maxPerSlice: number) {
    this.#context = context;
    this.#maxPerSlice = maxPerSlice;
    this.#sync = new SliceSync(context, byService, serviceKeyOf);
    const prefix = 'endpoint_slice_controller';
    this.#metrics = new SliceMetrics(context, prefix, 'Service');
    this.#syncs = context.metrics.counter(`${prefix}_syncs`, 'Number of EndpointSlice syncs', ['result']);
    context.observe(coreV1.nodes, {
      onAdd: (node: Node) => {
        this.#nodesChanged();
        for (const key of this.#wantNode.get(node.metadata.name) ?? []) context.enqueue(key);
        this.#wantNode.delete(node.metadata.name);
      },
      onUpdate: (node: Node, old: Node) => zoneFacts(node) !== zoneFacts(old) && this.#nodesChanged(),
      onDelete: () => this.#nodesChanged(),
    });
  }

  async reconcile(key: string): Promise<void> {
    const context = this.#context;
    const service = context.lister(coreV1.services).get(key);
    if (!service) {
      this.#triggerTimes.forget(key);
      this.#sync.forget(key);
      this.#metrics.forget(key);
      return;
    }
    if (!selectsPods(service)) return;
    const slices = this.#sync.current(key);
    if (!slices) {
      this.#syncs.inc({ result: 'stale' });
      return;
    }
    const pods = podsOf(service, context.lister(coreV1.pods));
    const nodes = context.lister(coreV1.nodes);
    const triggerMs = this.#triggerTimes.next(key, service, pods);
    const { plan, events, nodeMissing } = planSlices({
      service,
      pods,
      slices,
      nodeOf: name => nodes.get(name),
      zones: () => {
        this.#zones ??= zoneShares(nodes.list());
        return this.#zones;
      },
      maxPerSlice: this.#maxPerSlice,
    });
    const about = referenceTo(service, coreV1.services);
    for (const { type, reason, message } of events) context.events.event(about, type, reason, message);
    this.#tellHintsGone(service, slices);
    this.#metrics.planned(key, plan, slices, this.#maxPerSlice);
    try {
      await this.#write(key, service, plan, triggerMs);
      const topology = wantsTopologyHints(service.metadata.annotations) ? 'Auto' : 'Disabled';
      this.#metrics.changedPerSync(topology, service.spec?.trafficDistribution ?? '', plan);
      for (const { spec } of nodeMissing) this.#wantNode.getOrInsertComputed(spec!.nodeName!, () => new Set()).add(key);
      const [pod] = nodeMissing;
      if (pod)
        throw new Error(`skipping Pod ${pod.metadata.name} for Service ${key}: Node ${pod.spec?.nodeName} Not Found`);
      this.#syncs.inc({ result: 'success' });
    } catch (error) {
      this.#syncs.inc({ result: 'error' });
      const message = `Error updating Endpoint Slices for Service ${key}: ${messageOf(error)}`;
      context.events.event(about, 'Warning', 'FailedToUpdateEndpointSlices', message);
      throw error;
    }
  }

  #write(key: string, service: Service, plan: SlicePlan, triggerMs: number | undefined): Promise<void> {
    return this.#sync.write(key, plan, {
      // While its service goes, the garbage collector takes slices away faster than they would be made.
      mayCreate: !service.metadata.deletionTimestamp,
      triggerTime: triggerMs === undefined ? undefined : formatTime(triggerMs),
      owner: `Service ${key}`,
      wrote: this.#metrics.changed,
    });
  }

  #tellHintsGone(service: Service, slices: readonly EndpointSlice[]): void {
    const { annotations } = service.metadata;
    for (const family of new Set(slices.map(s => s.addressType))) {
      const id = `${family} ${keyOf(service)}`;
      if (wantsTopologyHints(annotations)) {
        if (slices.some(s => s.addressType === family && s.endpoints?.some(hasHints))) this.#hinted.add(id);
      } else if (this.#hinted.delete(id)) {
        const message = `Topology Aware Hints has been disabled, addressType: ${family}`;
        const about = referenceTo(service, coreV1.services);
        this.#context.events.event(about, 'Warning', 'TopologyAwareHintsDisabled', message);
      }
    }
  }

  #nodesChanged(): void {
    this.#zones = undefined;
    for (const service of this.#context.lister(coreV1.services).list())
      if (wantsTopologyHints(service.metadata.annotations)) this.#context.enqueue(keyOf(service));
  }
}
