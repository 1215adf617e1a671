// node-ipam-controller: gives each node its part of the cluster's pod CIDR.
import { apiVersionOf } from '../../api/ref.ts';
import { coreV1 } from '../../api/refs.ts';
import { StatusError } from '../../api/status.ts';
import type { Node } from '../../api/type/core-v1.ts';
import type { Controller, ControllerContext, Result } from '../../engine/controller.ts';
import { leaveAloneMs } from '../kernel/new-node.ts';
import { NodeCidrs, type PodCidrOptions } from './kernel/node-cidrs.ts';

const updateTries = 3;

/** Throws when the CIDRs make no sense. */
export function nodeIpamController(options: PodCidrOptions): Controller {
  new NodeCidrs(options);
  return {
    name: 'node-ipam-controller',
    serviceAccount: 'node-controller',
    component: 'cidrAllocator',
    watches: [
      {
        resource: coreV1.nodes,
        // A node that has CIDRs was counted at the start, or got them here, or came with them.
        keys: (node: Node, old, _context, deleted) =>
          !deleted && (!old || podCidrsOf(node).length === 0) ? [node.metadata.name] : [],
      },
    ],
    writes: ['nodes', 'events'],
    workers: 30,
    create: context => new RangeAllocator(context, new NodeCidrs(options)),
  };
}

function podCidrsOf(node: Node): readonly string[] {
  return node.spec?.podCIDRs ?? (node.spec?.podCIDR ? [node.spec.podCIDR] : []);
}

class RangeAllocator {
  readonly #context: ControllerContext;
  readonly #cidrs: NodeCidrs;
  /** By UID of the node: given in this term, perhaps not to be seen in the lister yet. */
  readonly #given = new Map<string, readonly string[]>();

  constructor(context: ControllerContext, cidrs: NodeCidrs) {
    this.#context = context;
    this.#cidrs = cidrs;
    tellUsage(context, cidrs);
    for (const node of context.lister(coreV1.nodes).list()) cidrs.occupy(node.metadata.name, podCidrsOf(node));
    context.observe(coreV1.nodes, {
      onDelete: node => {
        const { uid } = node.metadata;
        cidrs.release(this.#given.get(uid!) ?? podCidrsOf(node));
        this.#given.delete(uid!);
      },
    });
  }

  async reconcile(name: string): Promise<Result | undefined> {
    const node = this.#node(name);
    if (!node) return;
    const existing = podCidrsOf(node);
    if (node.metadata.deletionTimestamp) this.#cidrs.release(existing);
    else if (existing.length > 0) this.#cidrs.occupy(name, existing);
    else if (!this.#given.has(node.metadata.uid!)) {
      const requeueAfterMs = leaveAloneMs(node, this.#context.clock.now());
      if (requeueAfterMs > 0) return { requeueAfterMs };
      await this.#allocate(node);
    }
    return undefined;
  }

  #node(name: string): Node | undefined {
    return this.#context.lister(coreV1.nodes).get(name);
  }

  async #allocate(node: Node): Promise<void> {
    const allocated = this.#cidrs.allocate();
    if ('failure' in allocated) {
      this.#tell(node, 'CIDRNotAvailable');
      throw new Error(allocated.failure);
    }
    await this.#assign(node, allocated.podCidrs);
  }

  async #assign(node: Node, podCidrs: readonly string[]): Promise<void> {
    const uid = node.metadata.uid!;
    this.#given.set(uid, podCidrs);
    for (let tries = 1; ; tries++) {
      try {
        await this.#patch(node, podCidrs);
        return;
      } catch (error) {
        if (tries < updateTries) continue;
        this.#tell(node, 'CIDRAssignmentFailed');
        // When the node was deleted meanwhile they have been released already. After a time-out the write may have
        // happened all the same: better to lose CIDRs than to give them twice.
        const timedOut = error instanceof StatusError && error.reason === 'ServerTimeout';
        if (this.#given.delete(uid) && !timedOut) this.#cidrs.release(podCidrs);
        throw error;
      }
    }
  }

  #patch(node: Node, podCidrs: readonly string[]): Promise<Node> {
    const { name, uid } = node.metadata;
    const body = { metadata: { uid }, spec: { podCIDR: podCidrs[0], podCIDRs: podCidrs } };
    return this.#context.client.patch(coreV1.nodes, { name }, { type: 'strategic', body });
  }

  #tell(node: Node, status: 'CIDRNotAvailable' | 'CIDRAssignmentFailed'): void {
    const { name, uid } = node.metadata;
    const about = { kind: 'Node', apiVersion: apiVersionOf(coreV1.nodes), name, uid };
    this.#context.events.event(about, 'Normal', status, `Node ${name} status is now: ${status}`);
  }
}

/** Of a later term of leadership, which tells last, the figures count. */
function tellUsage({ metrics }: ControllerContext, cidrs: NodeCidrs): void {
  const [labels, prefix] = [['clusterCIDR'], 'node_ipam_controller_'];
  const counter = (name: string, help: string) => metrics.counter(prefix + name, help, labels);
  const gauge = (name: string, help: string) => metrics.gauge(prefix + name, help, labels);
  const allocations = counter('cidrset_cidrs_allocations_total', 'Counter measuring total number of CIDR allocations.');
  const releases = counter('cidrset_cidrs_releases_total', 'Counter measuring total number of CIDR releases.');
  const usage = gauge('cidrset_usage_cidrs', 'Gauge measuring percentage of allocated CIDRs.');
  // As Kubernetes spells it.
  const most = gauge('cirdset_max_cidrs', 'Maximum number of CIDRs that can be allocated.');
  const told = new Map<string, { readonly allocations: number; readonly releases: number }>();
  metrics.onCollect(() => {
    for (const set of cidrs.usage) {
      const label = { clusterCIDR: set.cidr };
      const before = told.get(set.cidr);
      allocations.inc(label, set.allocations - (before?.allocations ?? 0));
      releases.inc(label, set.releases - (before?.releases ?? 0));
      told.set(set.cidr, { allocations: set.allocations, releases: set.releases });
      usage.set(label, (set.size - set.free) / set.size);
      most.set(label, set.size);
    }
  });
}
