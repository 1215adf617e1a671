// Tells of each DeviceTaintRule what it does, or would do.

import { selectsDevice } from '../../api/device-taint-rule.ts';
import { resourceV1, resourceV1beta2 } from '../../api/refs.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import type { DeviceTaint, ResourceClaim } from '../../api/type/resource-v1.ts';
import type { DeviceTaintRule } from '../../api/type/resource-v1beta2.ts';
import type { ControllerContext, Result } from '../../engine/controller.ts';
import { writeStatus } from '../write-status.ts';
import { allocatedDevices, evictionMs } from './kernel/eviction-time.ts';
import { evictionCondition, isSettled, type RuleFigures, ruleConditions } from './kernel/rule-status.ts';

const rules = resourceV1beta2.devicetaintrules;
/** Keys of rules among those of pods: no namespace is called so. */
const prefix = 'rule:';
/** How often progress is told. */
const periodMs = 10_000;
/** Schedulers may not have heard of the taint yet: not done before that. */
const settleMs = 5_000;

export const ruleKey = (name: string): string => prefix + name;
export const ruleOfKey = (key: string): string | undefined =>
  key.startsWith(prefix) ? key.slice(prefix.length) : undefined;

export class RuleStatuses {
  readonly #context: ControllerContext;
  readonly #podsOf: (claim: ResourceClaim) => readonly Pod[];
  readonly #evicted = new Map<string, number>();
  /** When a generation was first seen, by uid. */
  readonly #seen = new Map<string, { readonly generation: number; readonly atMs: number }>();

  /** `podsOf`: who holds a claim and would have to go. */
  constructor(context: ControllerContext, podsOf: (claim: ResourceClaim) => readonly Pod[]) {
    this.#context = context;
    this.#podsOf = podsOf;
  }

  evicted(rule: DeviceTaintRule): void {
    const uid = rule.metadata.uid ?? '';
    this.#evicted.set(uid, (this.#evicted.get(uid) ?? 0) + 1);
    this.#context.enqueue(ruleKey(rule.metadata.name!), periodMs);
  }

  async reconcile(name: string): Promise<Result | undefined> {
    const { clock, lister, client } = this.#context;
    const rule = lister(rules).get(name);
    if (!rule) return undefined;
    if (isSettled(rule)) return undefined;
    const nowMs = clock.now();
    const figures = this.#figures(rule, nowMs);
    const evicts = rule.spec.taint.effect === 'NoExecute';
    if (evicts && !figures.pendingPods && evictionCondition(rule)?.status !== 'False') {
      const waitMs = this.#firstSeenMs(rule, nowMs) + settleMs - nowMs;
      if (waitMs > 0) return { requeueAfterMs: waitMs };
    }
    const conditions = ruleConditions(rule, figures, nowMs);
    if (conditions) await writeStatus(client, rules, rule, { conditions });
    return evicts && figures.pendingPods ? { requeueAfterMs: periodMs } : undefined;
  }

  #firstSeenMs({ metadata }: DeviceTaintRule, nowMs: number): number {
    const uid = metadata.uid ?? '';
    const generation = Number(metadata.generation ?? 0);
    const known = this.#seen.get(uid);
    if (known?.generation === generation) return known.atMs;
    this.#seen.set(uid, { generation, atMs: nowMs });
    return nowMs;
  }

  #figures(rule: DeviceTaintRule, nowMs: number): RuleFigures {
    const { lister } = this.#context;
    let published = 0;
    for (const { spec } of lister(resourceV1.resourceslices).list())
      for (const { name: device } of spec.devices ?? [])
        if (selectsDevice(rule, { driver: spec.driver, pool: spec.pool.name, device })) published++;
    let allocated = 0;
    const pods = new Map<string, Pod>();
    const taint: DeviceTaint = { ...rule.spec.taint, effect: 'NoExecute' };
    for (const claim of lister(resourceV1.resourceclaims).list()) {
      const devices = allocatedDevices(claim).filter(d => selectsDevice(rule, d));
      allocated += devices.length;
      if (!devices.some(d => evictionMs([taint], d.tolerations, nowMs) < Number.POSITIVE_INFINITY)) continue;
      for (const pod of this.#podsOf(claim)) pods.set(pod.metadata.uid ?? '', pod);
    }
    const pendingNamespaces = new Set(pods.values().map(p => p.metadata.namespace)).size;
    const evicted = this.#evicted.get(rule.metadata.uid ?? '') ?? 0;
    return { published, allocated, pendingPods: pods.size, pendingNamespaces, evicted };
  }

  forget(rule: DeviceTaintRule): void {
    this.#evicted.delete(rule.metadata.uid ?? '');
    this.#seen.delete(rule.metadata.uid ?? '');
  }
}
