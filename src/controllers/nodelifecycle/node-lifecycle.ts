// node-lifecycle-controller: finds nodes that have gone silent, says so in their status, taints them and marks their
// pods not ready. Keys: `node`, for taints and labels that follow from its object, and `namespace/pod`, for a pod that
// came to a node which is not ready.
import { coordinationV1, coreV1 } from '../../api/refs.ts';
import type { Node, Pod } from '../../api/type/core-v1.ts';
import type { Controller, ControllerContext, Result } from '../../engine/controller.ts';
import { leaveAloneMs } from '../kernel/new-node.ts';
import { missingLabels, scheduleTaintChanges } from './kernel/taint.ts';
import { markPodsNotReady } from './mark-pods.ts';
import { NodeMonitor, type NodeMonitorOptions, podsByNode } from './node-monitor.ts';
import { writeTaints } from './write-taints.ts';
import { ZoneTainter } from './zone-tainter.ts';

export type NodeLifecycleOptions = Partial<NodeMonitorOptions>;

/** kube-controller-manager's defaults. */
const defaults: NodeMonitorOptions = {
  periodMs: 5_000,
  graceMs: 50_000,
  startupGraceMs: 60_000,
  evictionQps: 0.1,
  secondaryEvictionQps: 0.01,
  largeClusterThreshold: 50,
  unhealthyThreshold: 0.55,
};

export function nodeLifecycleController(options: NodeLifecycleOptions = {}): Controller {
  return {
    name: 'node-lifecycle-controller',
    serviceAccount: 'node-controller',
    component: 'node-controller',
    watches: [
      { resource: coreV1.nodes, keys: (n: Node, _old, _context, deleted) => (deleted ? [] : [n.metadata.name]) },
      {
        resource: coreV1.pods,
        keys: (p: Pod, old, _context, deleted) =>
          !deleted && p.spec?.nodeName && p.spec.nodeName !== old?.spec?.nodeName
            ? [`${p.metadata.namespace}/${p.metadata.name}`]
            : [],
      },
    ],
    reads: [coordinationV1.leases],
    indexes: [
      { resource: coreV1.pods, name: podsByNode, values: (p: Pod) => (p.spec?.nodeName ? [p.spec.nodeName] : []) },
    ],
    writes: ['nodes', 'nodes/status', 'pods/status', 'events'],
    workers: 8,
    create: context => new NodeLifecycle(context, { ...defaults, ...options }),
  };
}

class NodeLifecycle {
  readonly #context: ControllerContext;
  readonly #tainter: ZoneTainter;
  readonly #monitor: NodeMonitor;

  constructor(context: ControllerContext, options: NodeMonitorOptions) {
    this.#context = context;
    this.#tainter = new ZoneTainter(context, options.evictionQps);
    this.#monitor = new NodeMonitor(context, this.#tainter, options);
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#monitor.run(signal), this.#tainter.run(signal)]);
  }

  async reconcile(key: string): Promise<Result | undefined> {
    if (!key.includes('/')) return this.#reconcileNode(key);
    await this.#reconcilePod(key);
    return undefined;
  }

  async #reconcilePod(key: string): Promise<void> {
    const pod = this.#context.lister(coreV1.pods).get(key);
    const ready = pod && this.#monitor.readyOf(pod.spec?.nodeName ?? '');
    if (ready && ready.status !== 'True') await markPodsNotReady(this.#context, [pod]);
  }

  async #reconcileNode(name: string): Promise<Result | undefined> {
    let node = this.#context.lister(coreV1.nodes).get(name);
    if (!node) return;
    const requeueAfterMs = leaveAloneMs(node, this.#context.clock.now());
    if (requeueAfterMs > 0) return { requeueAfterMs };
    const { add, remove } = scheduleTaintChanges(node);
    if (add.length > 0 || remove.length > 0) node = await writeTaints(this.#context, node, add, remove);
    const labels = missingLabels(node);
    if (labels)
      await this.#context.client.patch(coreV1.nodes, { name }, { type: 'strategic', body: { metadata: { labels } } });
    return undefined;
  }
}
