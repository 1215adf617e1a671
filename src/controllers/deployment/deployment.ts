// Keeps the ReplicaSets of a Deployment: one for its template, the others on their way out or kept as history.
import { keyOf } from '../../api/meta.ts';
import { appsV1, coreV1 } from '../../api/refs.ts';
import type { Deployment, ReplicaSet } from '../../api/type/apps-v1.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import type { Controller, ControllerContext, Reconciler, Result } from '../../engine/controller.ts';
import { claimObjects, controllerOf } from '../../engine/controller-ref.ts';
import { UnseenCreations } from '../../engine/unseen-creations.ts';
import { isPodFinished } from '../kernel/pod.ts';
import { indexByController, ownedOrOrphan, ownerKey, ownerKeys } from '../pod-owner.ts';
import { selectsAll, workloadSelector } from '../workload-selector.ts';
import { isRollingUpdate } from './kernel/amount.ts';
import { isScalingEvent, rollbackRevision } from './kernel/revision.ts';
import { rollBack } from './rollback.ts';
import { Round } from './round.ts';

export function deploymentController(): Controller {
  return {
    name: 'deployment-controller',
    queue: 'deployment',
    serviceAccount: 'deployment-controller',
    component: 'deployment-controller',
    watches: [
      { resource: appsV1.deployments, keys: (d: Deployment) => [keyOf(d)] },
      {
        resource: appsV1.replicasets,
        keys: ownerKeys<Deployment>(appsV1.deployments, (d, labels) => workloadSelector(d).matches(labels)),
      },
      { resource: coreV1.pods, keys: recreatedDeployment },
    ],
    indexes: [indexByController(appsV1.replicasets), indexByController(coreV1.pods)],
    writes: ['deployments', 'deployments/status', 'replicasets', 'events'],
    create: context => new DeploymentReconciler(context),
  };
}

/** A pod that has ended may be the last one that a Deployment of strategy Recreate waits for. */
function recreatedDeployment(pod: Pod, old: Pod | undefined, context: ControllerContext, deleted: boolean): string[] {
  if (!deleted && !(old && isPodFinished(pod) && !isPodFinished(old))) return [];
  const namespace = pod.metadata.namespace!;
  const sets = context.lister(appsV1.replicasets);
  const setKey = ownerKey(controllerOf(pod), namespace, appsV1.replicasets, sets);
  const set = setKey ? sets.get(setKey) : undefined;
  const deployments = context.lister(appsV1.deployments);
  const key = set && ownerKey(controllerOf(set), namespace, appsV1.deployments, deployments);
  return key && deployments.get(key)?.spec.strategy?.type === 'Recreate' ? [key] : [];
}

class DeploymentReconciler implements Reconciler {
  readonly #context: ControllerContext;

  /** Without them a template changed at once would get all its pods beside those of the one before. */
  readonly #unseen: UnseenCreations<ReplicaSet>;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#unseen = new UnseenCreations(context, appsV1.replicasets);
  }

  async reconcile(key: string): Promise<Result | undefined> {
    const deployment = this.#context.lister(appsV1.deployments).get(key);
    if (!deployment) return undefined;
    if (selectsAll(deployment)) return this.#refuse(deployment);
    const round = new Round(this.#context, deployment, await this.#claim(deployment), this.#unseen);
    if (deployment.metadata.deletionTimestamp) return round.tellCounts();
    round.tellPause();
    if (deployment.spec.paused) return round.scale();
    if (rollbackRevision(deployment) !== undefined) {
      await rollBack(this.#context, round);
      return undefined;
    }
    if (isScalingEvent(deployment, round.sets)) return round.scale();
    return isRollingUpdate(deployment) ? round.rollOut() : round.recreate();
  }

  async #claim(deployment: Deployment): Promise<ReplicaSet[]> {
    const selector = workloadSelector(deployment);
    const claimed = await claimObjects(ownedOrOrphan(this.#context.lister(appsV1.replicasets), deployment), {
      client: this.#context.client,
      owner: deployment,
      ownerResource: appsV1.deployments,
      resource: appsV1.replicasets,
      matches: rs => selector.matches(rs.metadata.labels),
    });
    return [...claimed, ...this.#unseen.of(deployment.metadata.uid)];
  }

  async #refuse(d: Deployment): Promise<undefined> {
    const message = 'This deployment is selecting all pods. A non-empty selector is required.';
    this.#context.events.event(referenceTo(d, appsV1.deployments), 'Warning', 'SelectingAll', message);
    const observedGeneration = d.metadata.generation ?? 0;
    if ((d.status?.observedGeneration ?? 0) >= observedGeneration) return undefined;
    await this.#context.client.updateStatus(appsV1.deployments, {
      ...d,
      status: { ...d.status, observedGeneration },
    } as never);
    return undefined;
  }
}
