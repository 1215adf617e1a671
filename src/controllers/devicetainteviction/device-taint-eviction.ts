// device-taint-eviction-controller: deletes pods that hold devices with NoExecute taints they do not tolerate.
import { keyOf } from '../../api/meta.ts';
import { coreV1, resourceV1 } from '../../api/refs.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import type { ResourceClaim, ResourceSlice } from '../../api/type/resource-v1.ts';
import type { CounterMetric, HistogramMetric } from '../../base/metrics.ts';
import type { Controller, ControllerContext, Result } from '../../engine/controller.ts';
import { evictPod } from '../evict-pod.ts';
import { isPodFinished } from '../kernel/pod.ts';
import { allocatedDevices, deviceKey, evictionMs, poolKey, taintedDevices, taintsOf } from './kernel/eviction-time.ts';

const byDevice = 'device';
const byHolder = 'holder';
const byPool = 'pool';

export function deviceTaintEvictionController(): Controller {
  return {
    name: 'device-taint-eviction-controller',
    serviceAccount: 'device-taint-eviction-controller',
    watches: [
      {
        resource: resourceV1.resourceslices,
        keys: (slice: ResourceSlice, old: ResourceSlice | undefined, context) =>
          [slice, ...(old ? [old] : [])].flatMap(s => holdersOfTainted(s, context)),
      },
      {
        resource: resourceV1.resourceclaims,
        keys: (claim: ResourceClaim, old: ResourceClaim | undefined) => [
          ...holders(claim),
          ...(old ? holders(old) : []),
        ],
      },
      {
        resource: coreV1.pods,
        keys: (pod: Pod, old: Pod | undefined, _context, deleted) =>
          pod.spec.resourceClaims?.length && (deleted || !old || old.spec.nodeName !== pod.spec.nodeName)
            ? [keyOf(pod)]
            : [],
      },
    ],
    indexes: [
      {
        resource: resourceV1.resourceclaims,
        name: byDevice,
        values: (claim: ResourceClaim) => allocatedDevices(claim).map(deviceKey),
      },
      {
        resource: resourceV1.resourceclaims,
        name: byHolder,
        values: (claim: ResourceClaim) => (claim.status?.reservedFor ?? []).map(h => h.uid),
      },
      {
        resource: resourceV1.resourceslices,
        name: byPool,
        values: ({ spec }: ResourceSlice) => [poolKey(spec.driver, spec.pool.name)],
      },
    ],
    writes: ['pods', 'pods/status', 'events'],
    workers: 8,
    create: context => new DeviceTaintEviction(context),
  };
}

const holders = ({ metadata, status }: ResourceClaim): string[] =>
  (status?.reservedFor ?? [])
    .filter(h => !h.apiGroup && h.resource === 'pods')
    .map(h => `${metadata.namespace}/${h.name}`);

function holdersOfTainted(slice: ResourceSlice, { lister }: ControllerContext): string[] {
  const { driver, pool } = slice.spec;
  return taintedDevices(slice).flatMap(device =>
    lister(resourceV1.resourceclaims)
      .byIndex(byDevice, deviceKey({ driver, pool: pool.name, device }))
      .flatMap(holders),
  );
}

class DeviceTaintEviction {
  readonly #context: ControllerContext;
  /** Pods that are to go later, by key: their uid. */
  readonly #planned = new Map<string, string>();
  readonly #deletions: CounterMetric;
  readonly #lateness: HistogramMetric;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#deletions = context.metrics.counter(
      'device_taint_eviction_controller_pod_deletions_total',
      'Total number of Pods deleted by DeviceTaintEvictionController since its start.',
    );
    this.#lateness = context.metrics.histogram(
      'device_taint_eviction_controller_pod_deletion_duration_seconds',
      "Latency, in seconds, between the time when a device taint effect has been activated and a Pod's deletion via DeviceTaintEvictionController.",
      [],
      [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 30, 60, 120, 180, 240],
    );
  }

  async reconcile(key: string): Promise<Result | undefined> {
    const pod = this.#context.lister(coreV1.pods).get(key);
    const uid = pod?.metadata.uid;
    const leaves = !pod || pod.metadata.deletionTimestamp || isPodFinished(pod) || !pod.spec.nodeName;
    const nowMs = this.#context.clock.now();
    const dueMs = leaves ? Number.POSITIVE_INFINITY : this.#dueMs(pod, nowMs);
    if (dueMs === Number.POSITIVE_INFINITY) {
      if (this.#planned.delete(key) && !leaves) this.#tell(pod, 'Cancelling deletion');
      return undefined;
    }
    if (dueMs > nowMs) {
      this.#planned.set(key, uid!);
      return { requeueAfterMs: dueMs - nowMs };
    }
    this.#planned.delete(key);
    await this.#evict(pod!, dueMs);
    return undefined;
  }

  #dueMs(pod: Pod, nowMs: number): number {
    const { lister } = this.#context;
    const claims = lister(resourceV1.resourceclaims).byIndex(byHolder, pod.metadata.uid);
    let dueMs = Number.POSITIVE_INFINITY;
    for (const device of claims.flatMap(allocatedDevices)) {
      const slices = lister(resourceV1.resourceslices).byIndex(byPool, poolKey(device.driver, device.pool));
      const taints = slices.length ? taintsOf(device.device, slices) : [];
      dueMs = Math.min(dueMs, evictionMs(taints, device.tolerations, nowMs));
    }
    return dueMs;
  }

  async #evict(pod: Pod, dueMs: number): Promise<void> {
    this.#tell(pod, 'Marking for deletion');
    const message = 'Device Taint manager: deleting due to NoExecute taint';
    await evictPod(this.#context, pod, 'DeletionByDeviceTaintManager', message);
    this.#deletions.inc({});
    this.#lateness.observe({}, Math.max(0, this.#context.clock.now() - dueMs) / 1000);
  }

  #tell(pod: Pod, message: string): void {
    this.#context.events.event(pod, 'Normal', 'DeviceTaintManagerEviction', message);
  }
}
