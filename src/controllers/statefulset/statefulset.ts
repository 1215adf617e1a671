// Keeps the pods of a StatefulSet, each with a name and storage of its own.
import { keyOf } from '../../api/meta.ts';
import { appsV1, coreV1 } from '../../api/refs.ts';
import type { StatefulSet } from '../../api/type/apps-v1.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import type { Controller, ControllerContext, Reconciler, Result } from '../../engine/controller.ts';
import { claimObjects, controllerRef } from '../../engine/controller-ref.ts';
import { OwnWrites } from '../../engine/own-writes.ts';
import { slowStartBatch } from '../../engine/slow-start.ts';
import { nextAvailableMs } from '../kernel/pod.ts';
import { OwnedPods } from '../owned-pods.ts';
import { indexByController, ownedOrOrphan, ownerKeys } from '../pod-owner.ts';
import { workloadSelector } from '../workload-selector.ts';
import { writeStatus } from '../write-status.ts';
import { ordinalIn, statefulPod } from './kernel/identity.ts';
import { type Birth, planSet, type SetPlan } from './kernel/set-plan.ts';
import { setStatus } from './kernel/set-status.ts';
import { cleanUpHistory, type SetHistory, setHistory, templateOf } from './set-history.ts';
import { StatefulPodControl } from './stateful-pod-control.ts';

export interface StatefulSetOptions {
  /** Feature MaxUnavailableStatefulSet: off by default in 1.36. */
  readonly usesMaxUnavailable?: boolean;
  /** StaleControllerConsistencyStatefulSet: does nothing about a set whose last writes are not in sight. Default true. */
  readonly waitsForOwnWrites?: boolean;
}

export function statefulSetController(options: StatefulSetOptions = {}): Controller {
  const selects = (set: StatefulSet, labels: Readonly<Record<string, string>> | undefined) =>
    workloadSelector(set).matches(labels);
  return {
    name: 'statefulset-controller',
    queue: 'statefulset',
    serviceAccount: 'statefulset-controller',
    component: 'statefulset-controller',
    watches: [
      { resource: appsV1.statefulsets, keys: (set: StatefulSet) => [keyOf(set)] },
      { resource: coreV1.pods, keys: ownerKeys<StatefulSet>(appsV1.statefulsets, selects) },
    ],
    reads: [coreV1.persistentvolumeclaims, appsV1.controllerrevisions],
    indexes: [indexByController(coreV1.pods), indexByController(appsV1.controllerrevisions)],
    writes: ['statefulsets/status', 'pods', 'persistentvolumeclaims', 'controllerrevisions', 'events'],
    create: context => new SetReconciler(context, options),
  };
}

// What blocks a pod is not watched.
const blockedMs = 1000;

class SetReconciler implements Reconciler {
  readonly #context: ControllerContext;
  readonly #usesMaxUnavailable: boolean;
  readonly #writes: OwnWrites;
  readonly #control: StatefulPodControl;
  readonly #pods: OwnedPods<StatefulSet>;

  constructor(context: ControllerContext, { usesMaxUnavailable = false, waitsForOwnWrites }: StatefulSetOptions) {
    this.#context = context;
    this.#usesMaxUnavailable = usesMaxUnavailable;
    this.#writes = new OwnWrites(context, 'statefulset', waitsForOwnWrites);
    this.#control = new StatefulPodControl(context, this.#writes);
    this.#pods = new OwnedPods(context, appsV1.statefulsets, this.#writes);
  }

  async reconcile(key: string): Promise<Result | undefined> {
    const set = this.#context.lister(appsV1.statefulsets).get(key);
    if (!set) {
      this.#pods.expectations.forget(key);
      this.#writes.forget(key);
      return undefined;
    }
    const staleMs = this.#writes.waitMs(key);
    if (staleMs !== undefined) return { requeueAfterMs: staleMs };
    // The pods made or deleted last are not in sight yet: their events bring the key back.
    if (!this.#pods.expectations.satisfied(key)) return undefined;
    const pods = await this.#claim(set);
    const history = await setHistory(this.#context, set);
    const round: Round = { key, set, history, pods: [...pods], removed: new Set() };
    const plan = this.#plan(round);
    try {
      await this.#carryOut(round, plan);
    } finally {
      await this.#writeStatus(round);
    }
    await cleanUpHistory(this.#context, set, history, pods);
    const wait = nextAvailableMs(pods, set.spec.minReadySeconds ?? 0, this.#context.clock.now());
    const next = plan.isBlocked ? Math.min(wait ?? blockedMs, blockedMs) : wait;
    return next === undefined ? undefined : { requeueAfterMs: next };
  }

  async #claim(set: StatefulSet): Promise<Pod[]> {
    const selector = workloadSelector(set);
    // Nothing but what bears a name of the set is adopted, nor released.
    const named = ownedOrOrphan(this.#context.lister(coreV1.pods), set).filter(p => ordinalIn(set, p) !== undefined);
    return claimObjects(named, {
      client: this.#context.client,
      owner: set,
      ownerResource: appsV1.statefulsets,
      resource: coreV1.pods,
      matches: pod => selector.matches(pod.metadata.labels),
      wrote: pod => this.#writes.wrote(set, coreV1.pods, pod),
    });
  }

  #plan({ set, history, pods }: Round): SetPlan {
    if (set.metadata.deletionTimestamp)
      return { remove: [], create: [], pending: [], repair: [], condemned: [], isBlocked: false };
    return planSet({
      set,
      pods,
      currentRevision: history.current.metadata.name,
      updateRevision: history.update.metadata.name,
      nowMs: this.#context.clock.now(),
      usesMaxUnavailable: this.#usesMaxUnavailable,
      isStale: name => this.#control.isStale(set, name),
    });
  }

  async #carryOut(round: Round, plan: SetPlan): Promise<void> {
    const { key, set } = round;
    for (const pod of plan.pending) await this.#control.ensureClaims(set, pod.metadata.name, ordinalIn(set, pod)!);
    for (const pod of plan.repair) await this.#control.repair(set, pod);
    for (const pod of plan.condemned) await this.#control.fixOwners(set, pod);
    if (plan.create.length + plan.remove.length === 0) return;
    this.#pods.expect(key, plan.create.length, plan.remove);
    await this.#create(round, plan.create);
    await Promise.all(plan.remove.map(pod => this.#delete(round, pod)));
  }

  async #create(round: Round, births: readonly Birth[]): Promise<void> {
    const { key, set, history } = round;
    const owner = controllerRef(set, appsV1.statefulsets);
    const { successes, error } = await slowStartBatch(births.length, async i => {
      const { ordinal, revision } = births[i]!;
      const from = revision === history.update.metadata.name ? history.update : history.current;
      const draft = statefulPod(set, templateOf(from), owner, ordinal, revision);
      round.pods.push(await this.#control.create(set, draft, ordinal));
    });
    if (successes === births.length) return;
    // Nobody will see what failed, or was not tried; nor is anything deleted now.
    this.#pods.expectations.forget(key);
    throw error;
  }

  async #delete(round: Round, pod: Pod): Promise<void> {
    try {
      await this.#control.delete(round.set, pod);
      round.removed.add(pod.metadata.uid);
    } catch (error) {
      this.#pods.expectations.deletionObserved(round.key, pod.metadata.uid);
      throw error;
    }
  }

  async #writeStatus({ set, history, pods, removed }: Round): Promise<void> {
    const status = setStatus({
      set,
      pods,
      removed,
      currentRevision: history.current.metadata.name,
      updateRevision: history.update.metadata.name,
      collisionCount: history.collisionCount,
      nowMs: this.#context.clock.now(),
    });
    if (!status) return;
    const written = await writeStatus(this.#context.client, appsV1.statefulsets, set, status);
    this.#writes.wrote(set, appsV1.statefulsets, written);
  }
}

interface Round {
  readonly key: string;
  readonly set: StatefulSet;
  readonly history: SetHistory;
  /** With those made in this round. */
  readonly pods: Pod[];
  readonly removed: Set<string>;
}
