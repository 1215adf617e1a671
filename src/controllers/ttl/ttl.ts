// ttl-controller: tells each kubelet, by an annotation of its Node, how long it may cache what pods refer to.
import { coreV1 } from '../../api/refs.ts';
import type { Node } from '../../api/type/core-v1.ts';
import type { Controller, ControllerContext, Result } from '../../engine/controller.ts';
import { leaveAloneMs } from '../kernel/new-node.ts';
import { TtlStep } from './kernel/ttl-step.ts';

const annotation = 'node.alpha.kubernetes.io/ttl';

export function ttlController(): Controller {
  return {
    name: 'ttl-controller',
    serviceAccount: 'ttl-controller',
    watches: [
      { resource: coreV1.nodes, keys: (n: Node, _old, _context, deleted) => (deleted ? [] : [n.metadata.name]) },
    ],
    writes: ['nodes'],
    create(context) {
      const step = new TtlStep();
      context.observe(coreV1.nodes, { onAdd: () => step.add(), onDelete: () => step.remove() });
      return { reconcile: key => reconcile(key, step, context) };
    },
  };
}

/** Nodes learn of a new step when they change the next time, as kubelets do all the time. */
async function reconcile(name: string, step: TtlStep, context: ControllerContext): Promise<Result | undefined> {
  const node = context.lister(coreV1.nodes).get(name);
  const wanted = String(step.seconds);
  if (!node || node.metadata.annotations?.[annotation] === wanted) return;
  const requeueAfterMs = leaveAloneMs(node, context.clock.now());
  if (requeueAfterMs > 0) return { requeueAfterMs };
  const body = { metadata: { annotations: { [annotation]: wanted } } };
  await context.client.patch(coreV1.nodes, { name }, { type: 'strategic', body });
  return undefined;
}
