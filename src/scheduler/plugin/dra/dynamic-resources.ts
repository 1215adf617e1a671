// Gives pods the devices that their claims and extended resources ask for.
import { formatTime, keyOf } from '../../../api/meta.ts';
import { nodeSelectorMatches } from '../../../api/node-affinity.ts';
import { resourceV1beta2 } from '../../../api/refs.ts';
import type { Pod } from '../../../api/type/core-v1.ts';
import type { AllocationResult, ResourceClaim } from '../../../api/type/resource-v1.ts';
import { messageOf } from '../../../base/assert.ts';
import { randomUuid } from '../../../base/random.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import { action, type RegisteredEvent } from '../../cluster-event.ts';
import type { CycleState, Handle, Plugin, PostFilterOutcome } from '../../framework.ts';
import type { PodInfo } from '../../pod-info.ts';
import { errorStatus, type Status, skip, unresolvable, unschedulable } from '../../status.ts';
import { allocationOf } from './allocation.ts';
import { allocate, NotOnThisNode, type Pick, type WantedClaim } from './allocator.ts';
import { needsBinding, whenReady } from './binding-conditions.ts';
import { ClaimWriter } from './claim-writer.ts';
import { type DraState, draStateOf } from './dra-state.ts';
import type { ExtendedRequest } from './extended-resources.ts';
import { claimsOf, isReservedFor, namesClaim } from './pod-claims.ts';
import { wantedOf } from './wanted.ts';

const name = 'DynamicResources';
const stateKey = 'PreFilterDynamicResources';
const notEnough = unresolvable(name, 'cannot allocate all claims');
const elsewhere = unresolvable(name, 'resourceclaim not available on the node');
const tooLong = unresolvable(name, 'timed out trying to allocate devices');
/** What a request scores whose first alternative was taken. */
const mostAlternatives = 8;

/** DynamicResourcesArgs of kubescheduler.config.k8s.io/v1. */
export interface DynamicResourcesArgs {
  /** For one node. Default 10s; 0s: none. */
  readonly filterTimeout?: string;
  /** For devices to become ready. Default 600s. */
  readonly bindingTimeout?: string;
}

class TimedOut extends Error {}

interface Plan {
  readonly wanted: readonly Wanted[];
  readonly picks: readonly (readonly Pick[])[];
  readonly extended: readonly ExtendedRequest[];
  /** Of the ledger when it was made. */
  readonly version: number;
}

interface Wanted {
  /** Absent: the pod's extended resources, whose claim is yet to be made. */
  readonly claim: ResourceClaim | undefined;
  readonly spec: ResourceClaim['spec'];
  readonly wanted: WantedClaim;
}

interface Reserved {
  readonly uid: string;
  readonly key: string;
  readonly allocation: AllocationResult;
}

/** Of one cycle. */
interface Claims {
  readonly all: readonly ResourceClaim[];
  readonly allocated: readonly ResourceClaim[];
  readonly wanted: readonly Wanted[];
  readonly extended: readonly ExtendedRequest[];
  /** Requests of extended resources that some node lacks, by the names of the resources. */
  readonly extendedWanted: Map<string, Wanted>;
  readonly choices: boolean;
  readonly plans: Map<string, Plan>;
  /** Allocated, and in the way on some node. */
  readonly unavailable: Set<ResourceClaim>;
  reserved: readonly Reserved[];
  made: ResourceClaim | undefined;
}

export function dynamicResources(handle: Handle, args: unknown): Plugin {
  return new DynamicResources(handle, (args ?? {}) as DynamicResourcesArgs);
}

class DynamicResources implements Plugin {
  readonly name = name;
  readonly #handle: Handle;
  readonly #dra: DraState;
  readonly #writer: ClaimWriter;
  readonly #filterTimeoutMs: number;
  readonly #bindingTimeoutMs: number;

  constructor(handle: Handle, { filterTimeout = '10s', bindingTimeout = '600s' }: DynamicResourcesArgs) {
    this.#handle = handle;
    this.#dra = draStateOf(handle.informers);
    if (handle.featureEnabled?.('DRADeviceTaintRules')) this.#followRules();
    this.#writer = new ClaimWriter(handle.client, this.#dra.claims);
    this.#filterTimeoutMs = goDurationMs(filterTimeout);
    this.#bindingTimeoutMs = goDurationMs(bindingTimeout);
    // What fits a node without devices for a resource depends on which resources devices stand for.
    this.#dra.extended.onChange(() => {
      for (const node of handle.cluster.nodes) node.touch();
    });
  }

  /** A rule that changes is a change of the slices it is about. */
  #followRules(): void {
    const { informers } = this.#handle;
    this.#dra.slices.followRules();
    const changed = () =>
      this.#handle.happened({ resource: 'ResourceSlice', actions: action.update, label: 'ResourceSliceUpdate' });
    informers
      .informer(resourceV1beta2.devicetaintrules)
      .addHandler({ onAdd: changed, onUpdate: changed, onDelete: changed });
  }

  preEnqueue({ pod }: PodInfo): Status | undefined {
    if (!pod.spec.resourceClaims?.length) return undefined;
    const claims = claimsOf(pod, key => this.#dra.claims.get(key));
    return typeof claims === 'string' ? unresolvable(name, claims) : undefined;
  }

  preFilter(state: CycleState, pod: PodInfo) {
    const extended = this.#dra.extended.requestsOf(pod);
    if (!pod.pod.spec.resourceClaims?.length && extended.length === 0) return { status: skip };
    const all = claimsOf(pod.pod, key => this.#dra.claims.get(key));
    if (typeof all === 'string') return { status: unresolvable(name, all) };
    const wanted: Wanted[] = [];
    for (const claim of all) {
      if (claim.status?.allocation) continue;
      if (this.#dra.claims.isInFlight(claim.metadata.uid!)) {
        const why = `resource claim ${claim.metadata.name} is in the process of being allocated`;
        return { status: unresolvable(name, why) };
      }
      const one = this.#want(keyOf(claim), claim.spec, claim);
      if (typeof one === 'string') return { status: unresolvable(name, one) };
      wanted.push(one);
    }
    state.write(stateKey, {
      ...{ all, wanted, extended },
      allocated: all.filter(c => c.status?.allocation),
      extendedWanted: new Map(),
      choices: wanted.some(w => w.wanted.requests.some(r => r.length > 1)),
      plans: new Map(),
      unavailable: new Set(),
      reserved: [],
      made: undefined,
    } satisfies Claims);
    return undefined;
  }

  #want(key: string, spec: ResourceClaim['spec'], claim: ResourceClaim | undefined): Wanted | string {
    const { sets, classes } = this.#dra;
    const wanted = wantedOf(key, spec, { sets, classOf: className => classes.get(className) });
    return typeof wanted === 'string' ? wanted : { claim, spec, wanted };
  }

  filter(state: CycleState, pod: PodInfo, node: NodeInfo): Status | undefined {
    const claims = state.read<Claims>(stateKey);
    if (!claims) return undefined;
    let away = false;
    for (const claim of claims.allocated) {
      const selector = claim.status!.allocation!.nodeSelector;
      if (!selector || nodeSelectorMatches(selector, node.node!)) continue;
      claims.unavailable.add(claim);
      away = true;
    }
    if (away) return elsewhere;
    const plan = this.#plan(claims, pod, node);
    if (plan && 'code' in plan) return plan;
    if (plan) claims.plans.set(node.name, plan);
    return undefined;
  }

  /** Undefined when there is nothing to allocate there. */
  #plan(claims: Claims, pod: PodInfo, node: NodeInfo): Plan | Status | undefined {
    const extended = claims.extended.filter(e => !node.allocatable.scalar?.get(e.resourceName));
    const more = extended.length ? this.#extendedOf(claims, pod, extended) : undefined;
    if (typeof more === 'string') return unresolvable(name, more);
    const wanted = more ? [...claims.wanted, more] : claims.wanted;
    if (wanted.length === 0) return undefined;
    const { ledger } = this.#dra.claims;
    const { clock } = this.#handle;
    const until = clock.monotonic() + (this.#filterTimeoutMs || Number.POSITIVE_INFINITY);
    const checkTime = () => {
      if (clock.monotonic() > until) throw new TimedOut();
    };
    try {
      const view = this.#dra.devices.view(node.node!);
      const picks = allocate(
        wanted.map(w => w.wanted),
        { view, ledger, checkTime },
      );
      return picks ? { wanted, picks, extended, version: ledger.version } : notEnough;
    } catch (error) {
      if (error instanceof TimedOut) return tooLong;
      return error instanceof NotOnThisNode ? unresolvable(name, error.message) : errorStatus(name, error);
    }
  }

  #extendedOf(claims: Claims, pod: PodInfo, extended: readonly ExtendedRequest[]): Wanted | string {
    const key = extended.map(e => e.request.name).join();
    const known = claims.extendedWanted.get(key);
    if (known) return known;
    const spec = { devices: { requests: extended.map(e => e.request) } };
    const made = this.#want(`${pod.namespace}/<extended-resources>`, spec, undefined);
    if (typeof made !== 'string') claims.extendedWanted.set(key, made);
    return made;
  }

  postFilter(state: CycleState, pod: PodInfo): PostFilterOutcome {
    const claims = state.read<Claims>(stateKey);
    if (!claims?.all.length) return { status: unschedulable(name, 'no new claims to deallocate') };
    for (const claim of claims.unavailable) {
      const holders = claim.status?.reservedFor ?? [];
      if (holders.some(h => h.uid !== pod.pod.metadata.uid)) continue;
      // Where it is now no node will do; somewhere else one might.
      this.#writer.deallocate(claim).catch(error => this.#warn('deallocating a claim failed', claim, error));
      return { status: unschedulable(name, 'deallocation of ResourceClaim completed') };
    }
    return { status: unschedulable(name, 'still not schedulable') };
  }

  #warn(what: string, claim: ResourceClaim, error: unknown): void {
    this.#handle.log.warn(what, { claim: keyOf(claim), error: messageOf(error) });
  }

  preScore(state: CycleState): Status | undefined {
    return state.read<Claims>(stateKey)?.choices ? undefined : skip;
  }

  /** The earlier the alternatives taken, the better. */
  score(state: CycleState, _pod: PodInfo, node: NodeInfo): number {
    let sum = 0;
    const seen = new Set<string>();
    for (const [i, picks] of (state.read<Claims>(stateKey)?.plans.get(node.name)?.picks ?? []).entries())
      for (const { ask, rank } of picks) {
        if (ask.name === ask.request || seen.has(`${i} ${ask.request}`)) continue;
        seen.add(`${i} ${ask.request}`);
        sum += mostAlternatives - rank;
      }
    return sum;
  }

  normalize(_state: CycleState, _pod: PodInfo, _nodes: readonly NodeInfo[], scores: number[]): void {
    const most = Math.max(...scores);
    if (most > 0) for (let i = 0; i < scores.length; i++) scores[i] = Math.trunc((scores[i]! * 100) / most);
  }

  reserve(state: CycleState, pod: PodInfo, nodeName: string): Status | undefined {
    const claims = state.read<Claims>(stateKey);
    let plan = claims?.plans.get(nodeName);
    if (!claims || !plan) return undefined;
    const { claims: tracker } = this.#dra;
    if (plan.version !== tracker.ledger.version) {
      // Something was taken or given back since: while extenders were asked.
      const node = this.#handle.cluster.node(nodeName);
      const again = node && this.#plan(claims, pod, node);
      if (!again || 'code' in again) return again ?? notEnough;
      plan = again;
      claims.plans.set(nodeName, plan);
    }
    const { clock, random } = this.#handle;
    const context = { node: nodeName, now: formatTime(clock.now()), shareId: () => randomUuid(random) };
    claims.reserved = plan.wanted.map(({ claim, spec }, i) => ({
      uid: claim?.metadata.uid ?? `extended-resources of ${pod.uid}`,
      key: claim ? keyOf(claim) : '',
      allocation: allocationOf(spec, plan.picks[i]!, context),
    }));
    for (const { uid, allocation } of claims.reserved) tracker.reserve(uid, allocation);
    return undefined;
  }

  unreserve(state: CycleState, pod: PodInfo): void {
    const claims = state.read<Claims>(stateKey);
    if (!claims) return;
    for (const { uid, key } of claims.reserved) this.#dra.claims.release(uid, key);
    claims.reserved = [];
    for (const { metadata } of claims.all) {
      const now = this.#dra.claims.get(`${metadata.namespace}/${metadata.name}`);
      if (!now?.status?.allocation || !isReservedFor(now, pod.pod.metadata.uid)) continue;
      this.#writer.unreserve(now, pod.pod.metadata.uid!).catch(e => this.#warn('releasing a claim failed', now, e));
    }
    const { made } = claims;
    claims.made = undefined;
    if (made) this.#writer.remove(made).catch(error => this.#warn('deleting a claim failed', made, error));
  }

  preBindPreFlight(state: CycleState, _pod: PodInfo, nodeName: string): Status | undefined {
    const claims = state.read<Claims>(stateKey);
    return claims && (claims.all.length > 0 || claims.plans.has(nodeName)) ? undefined : skip;
  }

  async preBind(state: CycleState, pod: PodInfo, nodeName: string): Promise<Status | undefined> {
    const claims = state.read<Claims>(stateKey);
    if (!claims) return undefined;
    const plan = claims.plans.get(nodeName);
    const bound: ResourceClaim[] = [];
    for (const claim of claims.all) {
      const own = claims.reserved.find(r => r.uid === claim.metadata.uid);
      const now = this.#dra.claims.get(keyOf(claim));
      if (own || !now || !isReservedFor(now, pod.pod.metadata.uid))
        await this.#writer.bind(claim, pod, own?.allocation);
      if (own) this.#dra.claims.release(own.uid, own.key);
      bound.push(claim);
    }
    const extended = claims.reserved.find(r => !r.key);
    if (extended && plan) {
      const made = await this.#create(pod, plan.extended);
      claims.made = made;
      await this.#writer.bind(made, pod, extended.allocation);
      this.#dra.claims.release(extended.uid, '');
      await this.#writer.tellPod(pod, made, plan.extended);
      bound.push(made);
    }
    return this.#whenReady(pod, nodeName, bound);
  }

  async #create(pod: PodInfo, extended: readonly ExtendedRequest[]): Promise<ResourceClaim> {
    const { metrics } = this.#handle;
    try {
      const made = await this.#writer.create(pod, extended);
      metrics.resourceClaimCreated('success');
      return made;
    } catch (error) {
      metrics.resourceClaimCreated('failure');
      throw error;
    }
  }

  async #whenReady(pod: PodInfo, nodeName: string, bound: readonly ResourceClaim[]): Promise<Status | undefined> {
    const now = () => bound.map(c => this.#dra.claims.get(keyOf(c))).filter(c => c !== undefined);
    const waiting = now().filter(needsBinding);
    if (waiting.length === 0) return undefined;
    const message = `waiting for binding conditions for device on node ${nodeName}`;
    this.#handle.events.event(pod.reference, 'Normal', 'BindingConditionsPending', message, { action: 'Scheduling' });
    const why = await whenReady(this.#handle, waiting, this.#bindingTimeoutMs);
    if (!why) return undefined;
    for (const claim of now().filter(needsBinding))
      await this.#writer.deallocate(claim).catch(error => this.#warn('deallocating a claim failed', claim, error));
    return unschedulable(name, why);
  }

  eventsToRegister(): readonly RegisteredEvent[] {
    return [
      { resource: 'Node', actions: action.add | action.updateNodeLabel | action.updateNodeTaint },
      {
        resource: 'ResourceClaim',
        actions: action.add | action.update | action.delete,
        hint: (pod, old, now) => this.#claimHint(pod, old as ResourceClaim, now as ResourceClaim),
      },
      {
        resource: 'UnscheduledPod',
        actions: action.updatePodGeneratedResourceClaim,
        hint: (pod, _old, now) => ((now as Pod | undefined)?.metadata.uid === pod.metadata.uid ? 'Queue' : 'Skip'),
      },
      { resource: 'DeviceClass', actions: action.add | action.update },
      { resource: 'ResourceSlice', actions: action.add | action.update },
    ];
  }

  /** Devices have become free, or the pod's own claim is not what it was. */
  #claimHint(pod: Pod, old: ResourceClaim | undefined, now: ResourceClaim | undefined): 'Queue' | 'Skip' {
    if (old?.status?.allocation && !now?.status?.allocation) return 'Queue';
    return now && namesClaim(pod, now) && typeof claimsOf(pod, k => this.#dra.claims.get(k)) !== 'string'
      ? 'Queue'
      : 'Skip';
  }
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Of `1m30s`. */
function goDurationMs(text: string): number {
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/([0-9.]+)(ms|s|m|h)/g)) sum += Number(number) * unitMs[unit!]!;
  return sum;
}
