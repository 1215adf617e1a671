import type { NodeInfo } from '../../cache/node-info.ts';
import type { NodeCounts } from '../../cache/pod-counter.ts';
import type { ClusterView, StateData } from '../../framework.ts';
import { labelOf } from '../../label.ts';
import type { PodInfo } from '../../pod-info.ts';
import { type Constraint, counts, hasAllLabels, includesAll, isIncluded } from './constraint.ts';

/** What one constraint contributes: pods in the domain times weight, less what maxSkew lets pass. */
interface Weighed {
  readonly constraint: Constraint;
  readonly perNode: NodeCounts;
  /** By domain; unused when each node is a domain. */
  readonly domains: ReadonlyMap<string, number>;
  readonly weight: number;
}

const noCounts: ReadonlyMap<string, number> = new Map();

/** Few pods in a node's domains are good. */
export class ScoreState implements StateData {
  readonly #weighed: readonly Weighed[];
  /** Lacks labels that the constraints need. */
  readonly #ignored: ReadonlySet<NodeInfo>;

  constructor(
    pod: PodInfo,
    constraints: readonly Constraint[],
    nodes: readonly NodeInfo[],
    cluster: Pick<ClusterView, 'node' | 'count' | 'countByDomain'>,
    needsAll: boolean,
  ) {
    const ignored = new Set<NodeInfo>();
    if (needsAll) for (const n of nodes) if (!hasAllLabels(constraints, n.labels)) ignored.add(n);
    this.#ignored = ignored;
    this.#weighed = constraints.map(constraint => {
      const { perNode } = constraint;
      const domains = perNode ? undefined : this.#domains(pod, constraint, constraints, nodes, cluster, needsAll);
      const size = domains ? domains.size : nodes.length - ignored.size;
      const onNodes = perNode ? cluster.count(constraint.countKey, [pod.namespace], counts(constraint)) : noCounts;
      return { constraint, perNode: onNodes, domains: domains ?? noCounts, weight: Math.log(size + 2) };
    });
  }

  /** Pods in each of the domains that the nodes are in. */
  #domains(
    pod: PodInfo,
    constraint: Constraint,
    constraints: readonly Constraint[],
    nodes: readonly NodeInfo[],
    cluster: Pick<ClusterView, 'node' | 'count' | 'countByDomain'>,
    needsAll: boolean,
  ): ReadonlyMap<string, number> {
    const { countKey, topologyKey } = constraint;
    const domains = new Map<string, number>();
    for (const n of nodes) if (!this.#ignored.has(n)) domains.set(labelOf(n.labels, topologyKey) ?? '', 0);
    if (includesAll(constraint, pod.pod) && (!needsAll || constraints.length === 1)) {
      const sums = cluster.countByDomain(countKey, [pod.namespace], counts(constraint), topologyKey);
      for (const domain of domains.keys()) domains.set(domain, sums.get(domain) ?? 0);
      return domains;
    }
    for (const [name, count] of cluster.count(countKey, [pod.namespace], counts(constraint))) {
      const node = cluster.node(name);
      if (!node || (needsAll && !hasAllLabels(constraints, node.labels))) continue;
      const domain = labelOf(node.labels, topologyKey) ?? '';
      const sum = domains.get(domain);
      if (sum !== undefined && isIncluded(constraint, pod.pod, node.node!)) domains.set(domain, sum + count);
    }
    return domains;
  }

  score(node: NodeInfo): number {
    if (this.#ignored.has(node)) return 0;
    let sum = 0;
    for (const { constraint, perNode, domains, weight } of this.#weighed) {
      const domain = labelOf(node.labels, constraint.topologyKey);
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
