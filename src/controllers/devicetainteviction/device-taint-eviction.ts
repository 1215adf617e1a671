// device-taint-eviction-controller: deletes pods that hold devices with NoExecute taints they do not tolerate.
import { selectsDevice } from '../../api/device-taint-rule.ts';
import { keyOf } from '../../api/meta.ts';
import { coreV1, resourceV1, resourceV1beta2 } from '../../api/refs.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import type { ResourceClaim, ResourceSlice } from '../../api/type/resource-v1.ts';
import type { DeviceTaintRule } from '../../api/type/resource-v1beta2.ts';
import type { CounterMetric, HistogramMetric } from '../../base/metrics.ts';
import type { Controller, ControllerContext, Result, Watch } from '../../engine/controller.ts';
import { evictPod } from '../evict-pod.ts';
import { isPodFinished } from '../kernel/pod.ts';
import {
  type AllocatedDevice,
  allocatedDevices,
  deviceKey,
  evictionMs,
  executeTaints,
  poolKey,
  taintedDevices,
  taintsOf,
} from './kernel/eviction-time.ts';
import { RuleStatuses, ruleKey, ruleOfKey } from './rule-statuses.ts';

const byDevice = 'device';
const byHolder = 'holder';
const byPool = 'pool';
const rules = resourceV1beta2.devicetaintrules;

export interface DeviceTaintEvictionOptions {
  /** Whether DeviceTaintRules count (DRADeviceTaintRules). */
  readonly usesRules?: boolean;
}

export function deviceTaintEvictionController({ usesRules = false }: DeviceTaintEvictionOptions = {}): Controller {
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
      ...(usesRules ? [ruleWatch] : []),
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
    writes: ['pods', 'pods/status', 'events', ...(usesRules ? ['devicetaintrules/status'] : [])],
    workers: 8,
    create: context => new DeviceTaintEviction(context, usesRules),
  };
}

const ruleWatch: Watch<DeviceTaintRule> = {
  resource: rules,
  keys: (rule, old, context) => [
    ruleKey(rule.metadata.name!),
    ...context
      .lister(resourceV1.resourceclaims)
      .list()
      .filter(claim => [rule, ...(old ? [old] : [])].some(r => isAbout(r, claim)))
      .flatMap(holders),
  ],
};

/** Drives pods away from a device of the claim. */
const isAbout = (rule: DeviceTaintRule, claim: ResourceClaim): boolean =>
  rule.spec.taint.effect === 'NoExecute' && allocatedDevices(claim).some(d => selectsDevice(rule, d));

const leaves = (pod: Pod): boolean =>
  pod.metadata.deletionTimestamp !== undefined || isPodFinished(pod) || !pod.spec.nodeName;

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
  readonly #usesRules: boolean;
  readonly #statuses: RuleStatuses;

  constructor(context: ControllerContext, usesRules: boolean) {
    this.#context = context;
    this.#usesRules = usesRules;
    const pods = context.lister(coreV1.pods);
    this.#statuses = new RuleStatuses(context, claim =>
      holders(claim).flatMap(key => {
        const pod = pods.get(key);
        return pod && !leaves(pod) ? [pod] : [];
      }),
    );
    if (usesRules) context.observe(rules, { onDelete: rule => this.#statuses.forget(rule) });
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
    const rule = ruleOfKey(key);
    if (rule !== undefined) return this.#statuses.reconcile(rule);
    const pod = this.#context.lister(coreV1.pods).get(key);
    const uid = pod?.metadata.uid;
    const nowMs = this.#context.clock.now();
    const dueMs = !pod || leaves(pod) ? Number.POSITIVE_INFINITY : this.#dueMs(pod, nowMs);
    if (dueMs === Number.POSITIVE_INFINITY) {
      if (this.#planned.delete(key) && pod && !leaves(pod)) this.#tell(pod, 'Cancelling deletion');
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
    let dueMs = Number.POSITIVE_INFINITY;
    for (const device of this.#devicesOf(pod)) {
      const slices = lister(resourceV1.resourceslices).byIndex(byPool, poolKey(device.driver, device.pool));
      const taints = slices.length ? taintsOf(device.device, slices) : [];
      const byRules = executeTaints(this.#rulesOn(device).map(r => r.spec.taint));
      dueMs = Math.min(dueMs, evictionMs([...taints, ...byRules], device.tolerations, nowMs));
    }
    return dueMs;
  }

  #devicesOf(pod: Pod): AllocatedDevice[] {
    const claims = this.#context.lister(resourceV1.resourceclaims).byIndex(byHolder, pod.metadata.uid);
    return claims.flatMap(allocatedDevices);
  }

  #rulesOn(device: AllocatedDevice): readonly DeviceTaintRule[] {
    if (!this.#usesRules) return [];
    const { lister } = this.#context;
    return lister(rules)
      .list()
      .filter(r => selectsDevice(r, device));
  }

  /** Rules that have a pod go now. */
  #reasons(pod: Pod, nowMs: number): ReadonlySet<DeviceTaintRule> {
    const due = (rule: DeviceTaintRule, device: AllocatedDevice) =>
      evictionMs(executeTaints([rule.spec.taint]), device.tolerations, nowMs) <= nowMs;
    return new Set(this.#devicesOf(pod).flatMap(d => this.#rulesOn(d).filter(r => due(r, d))));
  }

  async #evict(pod: Pod, dueMs: number): Promise<void> {
    this.#tell(pod, 'Marking for deletion');
    const reasons = this.#reasons(pod, this.#context.clock.now());
    const message = 'Device Taint manager: deleting due to NoExecute taint';
    await evictPod(this.#context, pod, 'DeletionByDeviceTaintManager', message);
    this.#deletions.inc({});
    for (const rule of reasons) this.#statuses.evicted(rule);
    this.#lateness.observe({}, Math.max(0, this.#context.clock.now() - dueMs) / 1000);
  }

  #tell(pod: Pod, message: string): void {
    this.#context.events.event(pod, 'Normal', 'DeviceTaintManagerEviction', message);
  }
}
