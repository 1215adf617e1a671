import type { NodeInfo } from '../../cache/node-info.ts';
import type { NodeCounts } from '../../cache/pod-counter.ts';
import type { StateData } from '../../framework.ts';
import type { PodInfo } from '../../pod-info.ts';
import { type Constraint, hasAllLabels, isIncluded } from './constraint.ts';

/** How many pods each domain of a constraint has. */
class Domains {
  readonly counts: Map<string, number>;
  #least: number | undefined;

  constructor(counts: Map<string, number> = new Map()) {
    this.counts = counts;
  }

  /** `by` may be 0, to have the domain there. */
  add(domain: string, by: number): void {
    this.counts.set(domain, (this.counts.get(domain) ?? 0) + by);
    this.#least = undefined;
  }

  /** Of the emptiest domain; 0 when there are fewer domains than wanted. */
  least(minDomains: number): number {
    if (this.counts.size < minDomains) return 0;
    if (this.#least === undefined) {
      this.#least = Number.POSITIVE_INFINITY;
      for (const n of this.counts.values()) if (n < this.#least) this.#least = n;
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

  static of(
    pod: PodInfo,
    constraints: readonly Constraint[],
    nodes: readonly NodeInfo[],
    perNode: readonly NodeCounts[],
  ): FilterState {
    const domains = constraints.map(() => new Domains());
    for (const node of nodes) {
      if (!hasAllLabels(constraints, node.labels)) continue;
      for (let i = 0; i < constraints.length; i++) {
        const c = constraints[i]!;
        if (isIncluded(c, pod.pod, node.node!))
          domains[i]!.add(node.labels[c.topologyKey]!, perNode[i]!.get(node.name) ?? 0);
      }
    }
    return new FilterState(
      constraints,
      domains,
      constraints.map(c => (c.selector.matches(pod.labels) ? 1 : 0)),
    );
  }

  clone(): FilterState {
    const domains = this.#domains.map(d => new Domains(new Map(d.counts)));
    return new FilterState(this.#constraints, domains, this.#self);
  }

  /** `other` comes to the node (1) or leaves it (-1). */
  change(pod: PodInfo, other: PodInfo, node: NodeInfo, by: 1 | -1): void {
    if (other.namespace !== pod.namespace || !node.node || !hasAllLabels(this.#constraints, node.labels)) return;
    for (let i = 0; i < this.#constraints.length; i++) {
      const c = this.#constraints[i]!;
      if (other.terminating || !c.selector.matches(other.labels) || !isIncluded(c, pod.pod, node.node)) continue;
      this.#domains[i]!.add(node.labels[c.topologyKey]!, by);
    }
  }

  check(_pod: PodInfo, node: NodeInfo): 'unlabelled' | 'skewed' | undefined {
    for (let i = 0; i < this.#constraints.length; i++) {
      const c = this.#constraints[i]!;
      const domain = node.labels[c.topologyKey];
      if (domain === undefined) return 'unlabelled';
      const domains = this.#domains[i]!;
      const skew = (domains.counts.get(domain) ?? 0) + this.#self[i]! - domains.least(c.minDomains);
      if (skew > c.maxSkew) return 'skewed';
    }
    return undefined;
  }
}
