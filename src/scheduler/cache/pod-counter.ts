import { labelOf } from '../label.ts';
import type { PodInfo } from '../pod-info.ts';
import type { NodeInfo } from './node-info.ts';

/** Pods of one kind on each node, by node name; nodes without any are absent. */
export type NodeCounts = ReadonlyMap<string, number>;

interface Counted {
  readonly namespaces: readonly string[];
  readonly matches: (pod: PodInfo) => boolean;
  readonly counts: Map<string, number>;
  /** The same by the value of a node label; values that exist, at 0 too. */
  readonly domains: Map<string, Map<string, number>>;
}

const limit = 512;

/**
 * Counts pods that match a question on each node, kept up to date with every change, so that spreading and affinity
 * need not look at all pods for each pod. What was not asked for longest is forgotten.
 */
export class PodCounter {
  readonly #all = new Map<string, Counted>();
  readonly #byNamespace = new Map<string, Set<Counted>>();

  /** `matches` is asked only about pods in `namespaces`; the same key, the same question. */
  ask(
    key: string,
    namespaces: readonly string[],
    matches: (pod: PodInfo) => boolean,
    nodes: Iterable<NodeInfo>,
  ): NodeCounts {
    let counted = this.#all.get(key);
    if (counted) {
      this.#all.delete(key);
    } else {
      counted = { namespaces, matches, counts: new Map(), domains: new Map() };
      for (const ns of namespaces) this.#byNamespace.getOrInsertComputed(ns, () => new Set()).add(counted);
      for (const node of nodes)
        for (const pod of node.pods.values())
          if (namespaces.includes(pod.namespace) && matches(pod)) bump(counted.counts, node.name, 1);
    }
    this.#all.set(key, counted);
    if (this.#all.size > limit) this.#forget(this.#all.keys().next().value!);
    return counted.counts;
  }

  /** What `ask` counts, by the value of a label of the nodes; nodes without it count nowhere. */
  askByDomain(
    key: string,
    namespaces: readonly string[],
    matches: (pod: PodInfo) => boolean,
    label: string,
    nodes: () => Iterable<NodeInfo>,
  ): ReadonlyMap<string, number> {
    const counts = this.ask(key, namespaces, matches, nodes());
    const { domains } = this.#all.get(key)!;
    let sums = domains.get(label);
    if (!sums) {
      sums = new Map();
      for (const node of nodes()) {
        const value = node.node && labelOf(node.labels, label);
        if (value !== undefined) sums.set(value, (sums.get(value) ?? 0) + (counts.get(node.name) ?? 0));
      }
      domains.set(label, sums);
    }
    return sums;
  }

  /** Nodes came, went or changed their labels. */
  forgetDomains(): void {
    for (const c of this.#all.values()) if (c.domains.size) c.domains.clear();
  }

  changed(pod: PodInfo, node: NodeInfo, by: 1 | -1): void {
    const asked = this.#byNamespace.get(pod.namespace);
    if (!asked) return;
    for (const c of asked) {
      if (!c.matches(pod)) continue;
      bump(c.counts, node.name, by);
      for (const [label, sums] of c.domains) {
        const value = node.node && labelOf(node.labels, label);
        if (value !== undefined) sums.set(value, (sums.get(value) ?? 0) + by);
      }
    }
  }

  #forget(key: string): void {
    const counted = this.#all.get(key)!;
    this.#all.delete(key);
    for (const ns of counted.namespaces) {
      const set = this.#byNamespace.get(ns)!;
      set.delete(counted);
      if (set.size === 0) this.#byNamespace.delete(ns);
    }
  }
}

function bump(counts: Map<string, number>, node: string, by: number): void {
  const next = (counts.get(node) ?? 0) + by;
  if (next > 0) counts.set(node, next);
  else counts.delete(node);
}
