// Keeps one pod on each node that a DaemonSet chooses.
import { keyOf } from '../../api/meta.ts';
import { appsV1, coreV1 } from '../../api/refs.ts';
import { semanticEqual } from '../../api/rule/record.ts';
import type { DaemonSet } from '../../api/type/apps-v1.ts';
import type { Node } from '../../api/type/core-v1.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { controllerOf } from '../../engine/controller-ref.ts';
import { indexByController, ownerKeys } from '../pod-owner.ts';
import { workloadSelector } from '../workload-selector.ts';
import { DaemonReconciler } from './daemon-reconciler.ts';
import { type Placement, placementOf } from './kernel/daemon-pod.ts';

export interface DaemonSetOptions {
  /** StaleControllerConsistencyDaemonSet: does nothing about a set whose last writes are not in sight. Default true. */
  readonly waitsForOwnWrites?: boolean;
}

export function daemonSetController({ waitsForOwnWrites = true }: DaemonSetOptions = {}): Controller {
  const selects = (ds: DaemonSet, labels: Readonly<Record<string, string>> | undefined) =>
    workloadSelector(ds).matches(labels);
  const keysOfRevision = ownerKeys<DaemonSet>(appsV1.daemonsets, selects);
  return {
    name: 'daemonset-controller',
    queue: 'daemonset',
    serviceAccount: 'daemon-set-controller',
    component: 'daemonset-controller',
    watches: [
      { resource: appsV1.daemonsets, keys: (ds: DaemonSet) => [keyOf(ds)] },
      { resource: coreV1.pods, keys: ownerKeys<DaemonSet>(appsV1.daemonsets, selects) },
      {
        resource: appsV1.controllerrevisions,
        // What joins a set's revisions changes nothing about the set. A copy of one would go at once if it were looked at.
        keys: (r, old, at, deleted) => (!old && !deleted && controllerOf(r) ? [] : keysOfRevision(r, old, at, deleted)),
      },
      { resource: coreV1.nodes, keys: concernedBy },
    ],
    indexes: [indexByController(coreV1.pods), indexByController(appsV1.controllerrevisions)],
    writes: ['daemonsets/status', 'pods', 'controllerrevisions', 'events'],
    workers: 2,
    create: context => new DaemonReconciler(context, waitsForOwnWrites),
  };
}

const nowhere: Placement = { shouldRun: false, mayStay: false };

/** DaemonSets for which the node counts otherwise than before. */
function concernedBy(node: Node, old: Node | undefined, context: ControllerContext, deleted: boolean): string[] {
  const changed = deleted || !old || !sameForDaemons(node, old);
  if (!changed) return [];
  const keys: string[] = [];
  for (const ds of context.lister(appsV1.daemonsets).list()) {
    const place = placementOf(ds);
    const [now, before] = [deleted ? nowhere : place(node), old ? place(old) : nowhere];
    if (now.shouldRun !== before.shouldRun || now.mayStay !== before.mayStay) keys.push(keyOf(ds));
  }
  return keys;
}

const sameForDaemons = (a: Node, b: Node): boolean =>
  semanticEqual(a.metadata.labels, b.metadata.labels) && semanticEqual(a.spec?.taints, b.spec?.taints);
