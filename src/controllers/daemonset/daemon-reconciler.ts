// One DaemonSet brought in line: history, pods, status.
import { appsV1, coreV1 } from '../../api/refs.ts';
import type { DaemonSet } from '../../api/type/apps-v1.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import type { ControllerContext, Reconciler, Result } from '../../engine/controller.ts';
import { claimObjects, controllerRef } from '../../engine/controller-ref.ts';
import { OwnWrites } from '../../engine/own-writes.ts';
import { nextAvailableMs } from '../kernel/pod.ts';
import { type Failure, OwnedPods } from '../owned-pods.ts';
import { ownedOrOrphan } from '../pod-owner.ts';
import { selectsAll, workloadSelector } from '../workload-selector.ts';
import { writeStatus } from '../write-status.ts';
import { cleanUpHistory, daemonHistory, hashOfRevision } from './daemon-history.ts';
import { FailedBackOff } from './failed-back-off.ts';
import { daemonPod, placementOf } from './kernel/daemon-pod.ts';
import { daemonStatus } from './kernel/daemon-status.ts';
import { groupByNode, type Plan, type PlanInput, planNodes, planUpdate } from './kernel/plan.ts';

// Pods created or deleted in one round.
const burst = 250;

export class DaemonReconciler implements Reconciler {
  readonly #context: ControllerContext;
  readonly #writes: OwnWrites;
  readonly #pods: OwnedPods<DaemonSet>;
  readonly #backOff: FailedBackOff;

  constructor(context: ControllerContext, waitsForOwnWrites: boolean) {
    this.#context = context;
    this.#writes = new OwnWrites(context, 'daemonset', waitsForOwnWrites);
    this.#pods = new OwnedPods(context, appsV1.daemonsets, this.#writes);
    this.#backOff = new FailedBackOff(context.clock);
  }

  async reconcile(key: string): Promise<Result | undefined> {
    const ds = this.#context.lister(appsV1.daemonsets).get(key);
    if (!ds) {
      this.#pods.expectations.forget(key);
      this.#writes.forget(key);
      return undefined;
    }
    if (selectsAll(ds)) {
      const message = 'This daemon set is selecting all pods. A non-empty selector is required.';
      this.#context.events.event(referenceTo(ds, appsV1.daemonsets), 'Warning', 'SelectingAll', message);
      return undefined;
    }
    if (ds.metadata.deletionTimestamp) return undefined;
    const staleMs = this.#writes.waitMs(key);
    if (staleMs !== undefined) return { requeueAfterMs: staleMs };
    const history = await daemonHistory(this.#context, ds, workloadSelector(ds), () => this.#claim(ds));
    const hash = hashOfRevision(history.current);
    // Asked before looking: what is seen afterwards contains all that was awaited.
    const mayAct = this.#pods.expectations.satisfied(key);
    const input = await this.#look(ds, hash);
    const pods = [...input.pods.values()].flat();
    let outcome: Outcome = { failure: undefined };
    if (mayAct) {
      outcome = await this.#act(key, input);
      await cleanUpHistory(this.#context, ds, history.old, pods);
    }
    await this.#writeStatus(input, mayAct);
    if (outcome.failure) throw outcome.failure.error;
    const availableMs = nextAvailableMs(pods, ds.spec.minReadySeconds ?? 0, input.nowMs);
    const next = Math.min(outcome.waitMs ?? Number.POSITIVE_INFINITY, availableMs ?? Number.POSITIVE_INFINITY);
    return next === Number.POSITIVE_INFINITY ? undefined : { requeueAfterMs: next };
  }

  #claim(ds: DaemonSet): Promise<Pod[]> {
    const selector = workloadSelector(ds);
    return claimObjects(ownedOrOrphan(this.#context.lister(coreV1.pods), ds), {
      client: this.#context.client,
      owner: ds,
      ownerResource: appsV1.daemonsets,
      resource: coreV1.pods,
      matches: pod => selector.matches(pod.metadata.labels),
      wrote: pod => this.#writes.wrote(ds, coreV1.pods, pod),
    });
  }

  async #look(ds: DaemonSet, hash: string): Promise<PlanInput> {
    const pods = groupByNode(await this.#claim(ds));
    const nodes = this.#context.lister(coreV1.nodes).list();
    const place = placementOf(ds);
    const placements = new Map(nodes.map(n => [n.metadata.name, place(n)]));
    return { ds, hash, nodes, placements, pods, nowMs: this.#context.clock.now() };
  }

  /** An update goes on when there is a pod wherever one should be; what is done here comes back as events. */
  async #act(key: string, input: PlanInput): Promise<Outcome> {
    const { ds } = input;
    const plan = planNodes(input);
    const { remove, waitMs } = this.#replaceFinished(ds, plan);
    if (plan.create.length + remove.length > 0)
      return { failure: await this.#carryOut(key, input, { ...plan, remove }), waitMs };
    if (ds.spec.updateStrategy?.type === 'OnDelete') return { failure: undefined, waitMs };
    return { failure: await this.#carryOut(key, input, planUpdate(input)), waitMs };
  }

  /** What of the plan is to be deleted now: failed pods wait for their back-off. */
  #replaceFinished(ds: DaemonSet, { remove, failed }: Plan): { remove: Pod[]; waitMs: number | undefined } {
    let waitMs: number | undefined;
    const kept = new Set<Pod>();
    const tell = (type: 'Normal' | 'Warning', reason: string, message: string) =>
      this.#context.events.event(referenceTo(ds, appsV1.daemonsets), type, reason, message);
    for (const pod of remove) {
      const name = `${pod.metadata.namespace}/${pod.metadata.name}`;
      const node = pod.spec?.nodeName ?? '';
      if (failed.includes(pod)) {
        const wait = this.#backOff.waitMs(`${ds.metadata.uid}/${ds.status?.observedGeneration ?? 0}/${node}`);
        if (wait > 0) {
          kept.add(pod);
          waitMs = Math.min(waitMs ?? wait, wait);
        } else
          tell('Warning', 'FailedDaemonPod', `Found failed daemon pod ${name} on node ${node}, will try to kill it`);
      } else if (pod.status?.phase === 'Succeeded')
        tell(
          'Normal',
          'SucceededDaemonPod',
          `Found succeeded daemon pod ${name} on node ${node}, will try to delete it`,
        );
    }
    return { remove: remove.filter(p => !kept.has(p)), waitMs };
  }

  async #carryOut(key: string, { ds, hash }: PlanInput, plan: Plan): Promise<Failure> {
    const create = plan.create.slice(0, burst);
    const remove = plan.remove.slice(0, burst);
    if (create.length + remove.length === 0) return undefined;
    this.#pods.expect(key, create.length, remove);
    const owner = controllerRef(ds, appsV1.daemonsets);
    const created = await this.#pods.create(key, ds, create.length, i => daemonPod(ds, owner, hash, create[i]!));
    const deleted = await this.#pods.delete(key, ds, remove);
    return created ?? deleted;
  }

  async #writeStatus(input: PlanInput, observe: boolean): Promise<void> {
    const status = daemonStatus(input, observe);
    if (!status) return;
    const written = await writeStatus(this.#context.client, appsV1.daemonsets, input.ds, status);
    this.#writes.wrote(input.ds, appsV1.daemonsets, written);
  }
}

interface Outcome {
  failure: Failure;
  /** Milliseconds until a failed pod may be replaced. */
  waitMs?: number | undefined;
}
