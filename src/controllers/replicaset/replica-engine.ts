// Keeps the number of pods of a ReplicaSet or ReplicationController.

import { nothing, type Selector } from '../../api/label-selector.ts';
import { formatTime, type KubeObject, parseTime } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { coreV1 } from '../../api/refs.ts';
import type { ReplicaSetStatus } from '../../api/type/apps-v1.ts';
import type { Pod, PodTemplateSpec } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { exponentialBuckets, type HistogramMetric } from '../../base/metrics.ts';
import type { Controller, ControllerContext, Reconciler, Result } from '../../engine/controller.ts';
import { claimObjects, controllerOf, controllerRef, isControlledBy } from '../../engine/controller-ref.ts';
import { OwnWrites } from '../../engine/own-writes.ts';
import {
  byLabels,
  isPodActive,
  isPodFinished,
  isPodReady,
  isPodTerminating,
  nextAvailableMs,
  podCondition,
} from '../kernel/pod.ts';
import { podFromTemplate } from '../kernel/pod-template.ts';
import { type Failure, OwnedPods } from '../owned-pods.ts';
import { controlledBy, controllerIndex, indexByController, ownedOrOrphan, ownerKeys } from '../pod-owner.ts';
import { writeStatus } from '../write-status.ts';
import { replicaStatus } from './kernel/replica-status.ts';
import { chooseVictims } from './kernel/victims.ts';

/** What ReplicaSets and ReplicationControllers have in common. */
export interface Replicated extends KubeObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly minReadySeconds?: number;
    readonly template?: PodTemplateSpec;
  };
  readonly status?: ReplicaSetStatus;
}

export interface ReplicaOptions {
  /** StaleControllerConsistencyReplicaSet: does nothing about an owner whose last writes are not in sight. Default true. */
  readonly waitsForOwnWrites?: boolean | undefined;
}

export interface ReplicaKind<O extends Replicated> extends ReplicaOptions {
  readonly name: string;
  readonly queue: string;
  readonly serviceAccount: string;
  readonly component: string;
  readonly resource: ResourceRef<O>;
  selectorOf(owner: O): Selector;
  /** The kind counts terminating replicas. */
  readonly tellsTerminating: boolean;
}

// Pods created or deleted in one round, so that one owner does not starve the others.
const burst = 500;

export function replicaController<O extends Replicated>(kind: ReplicaKind<O>): Controller {
  const selectors = new WeakMap<O, Selector>();
  const selectorOf = (owner: O): Selector => {
    let selector = selectors.get(owner);
    if (!selector) {
      try {
        selector = kind.selectorOf(owner);
        // An empty selector would take every pod of the namespace.
        if (selector.empty) selector = nothing();
      } catch {
        selector = nothing();
      }
      selectors.set(owner, selector);
    }
    return selector;
  };
  const cached = { ...kind, selectorOf };
  return {
    name: kind.name,
    queue: kind.queue,
    serviceAccount: kind.serviceAccount,
    component: kind.component,
    watches: [
      { resource: kind.resource, keys: (o: O) => [`${o.metadata.namespace}/${o.metadata.name}`] },
      {
        resource: coreV1.pods,
        keys: ownerKeys<O, Pod>(kind.resource, (owner, labels) => selectorOf(owner).matches(labels), countsOtherwise),
      },
    ],
    indexes: [indexByController(coreV1.pods), indexByController(kind.resource)],
    writes: [`${kind.resource.resource}/status`, 'pods', 'events'],
    create: context => new ReplicaReconciler(cached, context),
  };
}

/** Of thousands of changes of a great ReplicaSet's pods it need not look at those of addresses and containers. */
function countsOtherwise(pod: Pod, old: Pod): boolean {
  if (pod.metadata.uid !== old.metadata.uid || pod.metadata.deletionTimestamp !== old.metadata.deletionTimestamp)
    return true;
  const [now, before] = [podCondition(pod, 'Ready'), podCondition(old, 'Ready')];
  return (
    isPodFinished(pod) !== isPodFinished(old) ||
    isPodReady(pod) !== isPodReady(old) ||
    (now?.status === 'True' && now.lastTransitionTime !== before?.lastTransitionTime)
  );
}

class ReplicaReconciler<O extends Replicated> implements Reconciler {
  readonly #kind: ReplicaKind<O>;
  readonly #context: ControllerContext;
  readonly #writes: OwnWrites;
  readonly #pods: OwnedPods<O>;
  readonly #ageRatio: HistogramMetric;

  constructor(kind: ReplicaKind<O>, context: ControllerContext) {
    this.#kind = kind;
    this.#context = context;
    this.#writes = new OwnWrites(context, 'replicaset', kind.waitsForOwnWrites);
    this.#pods = new OwnedPods(context, kind.resource, this.#writes);
    this.#ageRatio = context.metrics.histogram(
      'replicaset_controller_sorting_deletion_age_ratio',
      "The ratio of chosen deleted pod's ages to the current youngest pod's age (at the time). Should be <2. The intent of this metric is to measure the rough efficacy of the LogarithmicScaleDown feature gate's effect on the sorting (and deletion) of pods when a replicaset scales down. This only considers Ready pods when calculating and reporting.",
      [],
      exponentialBuckets(0.25, 2, 6),
    );
  }

  async reconcile(key: string): Promise<Result | undefined> {
    const { clock } = this.#context;
    const owner = this.#context.lister(this.#kind.resource).get(key);
    if (!owner) {
      this.#pods.expectations.forget(key);
      this.#writes.forget(key);
      return undefined;
    }
    const staleMs = this.#writes.waitMs(key);
    if (staleMs !== undefined) return { requeueAfterMs: staleMs };
    const mayAct = this.#pods.expectations.satisfied(key);
    const active: Pod[] = [];
    let terminating = 0;
    for (const pod of ownedOrOrphan(this.#context.lister(coreV1.pods), owner)) {
      if (isPodActive(pod)) active.push(pod);
      else if (isPodTerminating(pod) && isControlledBy(pod, owner)) terminating++;
    }
    const pods = await this.#claim(owner, active);
    const failure = mayAct && !owner.metadata.deletionTimestamp ? await this.#manage(key, owner, pods) : undefined;
    await this.#writeStatus(owner, pods, terminating, failure);
    if (failure) throw failure.error;
    const wait = nextAvailableMs(pods, owner.spec?.minReadySeconds ?? 0, clock.now());
    return wait === undefined ? undefined : { requeueAfterMs: wait };
  }

  #claim(owner: O, pods: readonly Pod[]): Promise<Pod[]> {
    const selector = this.#kind.selectorOf(owner);
    return claimObjects(pods, {
      client: this.#context.client,
      owner,
      ownerResource: this.#kind.resource,
      resource: coreV1.pods,
      matches: byLabels(labels => selector.matches(labels)),
      wrote: pod => this.#writes.wrote(owner, coreV1.pods, pod),
    });
  }

  async #manage(key: string, owner: O, pods: readonly Pod[]): Promise<Failure> {
    const excess = pods.length - (owner.spec?.replicas ?? 1);
    if (excess < 0) return this.#create(key, owner, Math.min(-excess, burst));
    if (excess > 0) return this.#delete(key, owner, pods, Math.min(excess, burst));
    return undefined;
  }

  #create(key: string, owner: O, count: number): Promise<Failure> {
    this.#pods.expect(key, count, []);
    const ref = controllerRef(owner, this.#kind.resource);
    const { namespace } = owner.metadata;
    return this.#pods.create(key, owner, count, () => podFromTemplate(owner.spec?.template, namespace!, ref));
  }

  #delete(key: string, owner: O, pods: readonly Pod[], count: number): Promise<Failure> {
    const victims = chooseVictims(pods, this.#related(owner), count, this.#context.clock.now());
    this.#tellAges(pods, victims);
    this.#pods.expect(key, 0, victims);
    return this.#pods.delete(key, owner, victims);
  }

  /** How much older than the youngest ready pod those are that go, of the ready ones. */
  #tellAges(pods: readonly Pod[], victims: readonly Pod[]): void {
    const now = this.#context.clock.now();
    const age = ({ metadata }: Pod) => now - (parseTime(metadata.creationTimestamp) ?? now);
    const youngest = Math.min(...pods.filter(isPodReady).map(age));
    // Of one second: no ratio.
    if (!(youngest > 0)) return;
    for (const pod of victims.filter(isPodReady)) this.#ageRatio.observe({}, age(pod) / youngest);
  }

  /** The pods of all that has the same controller (a Deployment's ReplicaSets): those to spread among. */
  #related(owner: O): Pod[] {
    const { uid } = controllerOf(owner) ?? {};
    const siblings = uid ? this.#context.lister(this.#kind.resource).byIndex(controllerIndex, uid) : [owner];
    const pods = this.#context.lister(coreV1.pods);
    return siblings.flatMap(s => [...controlledBy(pods, s)]);
  }

  async #writeStatus(owner: O, pods: readonly Pod[], terminating: number, failure: Failure): Promise<void> {
    const nowMs = this.#context.clock.now();
    const { spec, metadata } = owner;
    const status = replicaStatus({
      old: owner.status,
      generation: metadata.generation,
      wanted: spec?.replicas ?? 1,
      templateLabels: spec?.template?.metadata?.labels,
      minReadySeconds: spec?.minReadySeconds ?? 0,
      pods,
      terminating: this.#kind.tellsTerminating ? terminating : undefined,
      failure: failure && messageOf(failure.error),
      nowMs,
      now: formatTime(nowMs),
    });
    if (status === owner.status || !status) return;
    const written = await writeStatus(this.#context.client, this.#kind.resource, owner, status);
    this.#writes.wrote(owner, this.#kind.resource, written);
  }
}
