import type { NodeInfo } from '../../cache/node-info.ts';
import type { ClusterView, StateData } from '../../framework.ts';
import { labelOf } from '../../label.ts';
import type { PodInfo } from '../../pod-info.ts';
import { type Constraint, counts, hasAllLabels, includesAll, isIncluded } from './constraint.ts';

/** How many pods each domain of a constraint has. */
class Domains {
  /** Shared with the cluster's own until the first change. */
  #counts: ReadonlyMap<string, number>;
  #own: Map<string, number> | undefined;
  #least: number | undefined;

  constructor(counts: ReadonlyMap<string, number>) {
    this.#counts = counts;
  }

  clone(): Domains {
    this.#own = undefined;
    return new Domains(this.#counts);
  }

  get(domain: string): number {
    return this.#counts.get(domain) ?? 0;
  }

  add(domain: string, by: number): void {
    this.#own ??= new Map(this.#counts);
    this.#counts = this.#own.set(domain, this.get(domain) + by);
    this.#least = undefined;
  }

  /** Of the emptiest domain; 0 when there are fewer domains than wanted. */
  least(minDomains: number): number {
    if (this.#counts.size < minDomains) return 0;
    if (this.#least === undefined) {
      this.#least = Number.POSITIVE_INFINITY;
      for (const n of this.#counts.values()) if (n < this.#least) this.#least = n;
    }
    return this.#least;
  }
}

export class FilterState implements StateData {
  readonly #constraints: readonly Constraint[];
  readonly #domains: readonly Domains[];
  readonly #self: readonly number[];

  private constructor(constraints: readonly Constraint[], domains: readonly Domains[], self: readonly number[]) {
    this.#constraints = constraints;
    this.#domains = domains;
    this.#self = self;
  }

  static of(pod: PodInfo, constraints: readonly Constraint[], cluster: ClusterView): FilterState {
    const self = constraints.map(c => (c.selector.matches(pod.labels) ? 1 : 0));
    const [only] = constraints;
    if (constraints.length === 1 && includesAll(only!, pod.pod)) {
      const sums = cluster.countByDomain(only!.countKey, [pod.namespace], counts(only!), only!.topologyKey);
      return new FilterState(constraints, [new Domains(sums)], self);
    }
    const perNode = constraints.map(c => cluster.count(c.countKey, [pod.namespace], counts(c)));
    const sums = constraints.map(() => new Map<string, number>());
    for (const node of cluster.nodes) {
      if (!hasAllLabels(constraints, node.labels)) continue;
      for (let i = 0; i < constraints.length; i++) {
        const c = constraints[i]!;
        if (!isIncluded(c, pod.pod, node.node!)) continue;
        const domain = labelOf(node.labels, c.topologyKey)!;
        sums[i]!.set(domain, (sums[i]!.get(domain) ?? 0) + (perNode[i]!.get(node.name) ?? 0));
      }
    }
    return new FilterState(
      constraints,
      sums.map(s => new Domains(s)),
      self,
    );
  }

  clone(): FilterState {
    return new FilterState(
      this.#constraints,
      this.#domains.map(d => d.clone()),
      this.#self,
    );
  }

  /** `other` comes to the node (1) or leaves it (-1). */
  change(pod: PodInfo, other: PodInfo, node: NodeInfo, by: 1 | -1): void {
    if (other.namespace !== pod.namespace || !node.node || !hasAllLabels(this.#constraints, node.labels)) return;
    for (let i = 0; i < this.#constraints.length; i++) {
      const c = this.#constraints[i]!;
      if (other.terminating || !c.selector.matches(other.labels) || !isIncluded(c, pod.pod, node.node)) continue;
      this.#domains[i]!.add(labelOf(node.labels, c.topologyKey)!, by);
    }
  }

  check(_pod: PodInfo, node: NodeInfo): 'unlabelled' | 'skewed' | undefined {
    for (let i = 0; i < this.#constraints.length; i++) {
      const c = this.#constraints[i]!;
      const domain = labelOf(node.labels, c.topologyKey);
      if (domain === undefined) return 'unlabelled';
      const domains = this.#domains[i]!;
      const skew = domains.get(domain) + this.#self[i]! - domains.least(c.minDomains);
      if (skew > c.maxSkew) return 'skewed';
    }
    return undefined;
  }
}
