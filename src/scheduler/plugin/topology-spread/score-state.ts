import type { NodeInfo } from '../../cache/node-info.ts';
import type { NodeCounts } from '../../cache/pod-counter.ts';
import type { ClusterView, StateData } from '../../framework.ts';
import type { PodInfo } from '../../pod-info.ts';
import { type Constraint, hasAllLabels, isIncluded } from './constraint.ts';

/** What one constraint contributes: pods in the domain times weight, less what maxSkew lets pass. */
interface Weighed {
  readonly constraint: Constraint;
  readonly perNode: NodeCounts;
  /** By domain; unused when each node is a domain. */
  readonly domains: Map<string, number>;
  readonly weight: number;
}

/** Few pods in a node's domains are good. */
export class ScoreState implements StateData {
  readonly #weighed: readonly Weighed[];
  /** Lacks labels that the constraints need. */
  readonly #ignored: ReadonlySet<NodeInfo>;

  constructor(
    pod: PodInfo,
    constraints: readonly Constraint[],
    nodes: readonly NodeInfo[],
    perNode: readonly NodeCounts[],
    cluster: Pick<ClusterView, 'node'>,
    needsAll: boolean,
  ) {
    const ignored = new Set<NodeInfo>();
    if (needsAll) for (const n of nodes) if (!hasAllLabels(constraints, n.labels)) ignored.add(n);
    this.#ignored = ignored;
    this.#weighed = constraints.map((constraint, i) => {
      const domains = new Map<string, number>();
      if (!constraint.perNode) {
        for (const n of nodes) if (!ignored.has(n)) domains.set(n.labels[constraint.topologyKey] ?? '', 0);
        for (const [name, count] of perNode[i]!) {
          const node = cluster.node(name);
          if (!node || (needsAll && !hasAllLabels(constraints, node.labels))) continue;
          const domain = node.labels[constraint.topologyKey] ?? '';
          const sum = domains.get(domain);
          if (sum !== undefined && isIncluded(constraint, pod.pod, node.node!)) domains.set(domain, sum + count);
        }
      }
      const size = constraint.perNode ? nodes.length - ignored.size : domains.size;
      return { constraint, perNode: perNode[i]!, domains, weight: Math.log(size + 2) };
    });
  }

  score(node: NodeInfo): number {
    if (this.#ignored.has(node)) return 0;
    let sum = 0;
    for (const { constraint, perNode, domains, weight } of this.#weighed) {
      const domain = node.labels[constraint.topologyKey];
      if (domain === undefined) continue;
      const count = (constraint.perNode ? perNode.get(node.name) : domains.get(domain)) ?? 0;
      sum += count * weight + (constraint.maxSkew - 1);
    }
    return Math.round(sum);
  }

  /** The emptiest gets 100; a node that was ignored 0. */
  normalize(nodes: readonly NodeInfo[], scores: number[]): void {
    let [least, most] = [Number.POSITIVE_INFINITY, 0];
    for (let i = 0; i < nodes.length; i++) {
      if (this.#ignored.has(nodes[i]!)) continue;
      if (scores[i]! < least) least = scores[i]!;
      if (scores[i]! > most) most = scores[i]!;
    }
    for (let i = 0; i < nodes.length; i++) {
      if (this.#ignored.has(nodes[i]!)) scores[i] = 0;
      else scores[i] = most === 0 ? 100 : Math.trunc((100 * (most + least - scores[i]!)) / most);
    }
  }
}
