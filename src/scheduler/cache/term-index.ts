import { labelOf } from '../label.ts';
import type { AffinityTerm, PodInfo } from '../pod-info.ts';
import type { NodeInfo } from './node-info.ts';

export type TermKind = 'required' | 'requiredAnti' | 'preferred' | 'preferredAnti';

/** A term of placed pods, with how many have it (or the sum of its weights) in each domain of its topology. */
export interface PlacedTerm {
  readonly term: AffinityTerm;
  readonly sums: ReadonlyMap<string, number>;
}

interface Entry {
  readonly term: AffinityTerm;
  readonly perNode: Map<string, number>;
  /** By value of the topology key; absent: to be added up. */
  sums: Map<string, number> | undefined;
}

/**
 * The affinity terms of all placed pods, each distinct one once: a cluster has few, however many pods, and a pod that
 * is to be placed is held against each of them once.
 */
export class TermIndex {
  readonly #kinds: Readonly<Record<TermKind, Map<string, Entry>>> = {
    required: new Map(),
    requiredAnti: new Map(),
    preferred: new Map(),
    preferredAnti: new Map(),
  };
  readonly #node: (name: string) => NodeInfo | undefined;

  constructor(node: (name: string) => NodeInfo | undefined) {
    this.#node = node;
  }

  *of(kind: TermKind): Generator<PlacedTerm> {
    for (const entry of this.#kinds[kind].values()) {
      entry.sums ??= this.#addUp(entry);
      yield entry as PlacedTerm;
    }
  }

  changed(pod: PodInfo, node: NodeInfo, sign: 1 | -1): void {
    for (const t of pod.requiredAffinity) this.#change('required', t, node, sign);
    for (const t of pod.requiredAntiAffinity) this.#change('requiredAnti', t, node, sign);
    for (const { term, weight } of pod.preferredAffinity) this.#change('preferred', term, node, sign * weight);
    for (const { term, weight } of pod.preferredAntiAffinity) this.#change('preferredAnti', term, node, sign * weight);
  }

  /** Nodes came, went or changed their labels. */
  forgetDomains(): void {
    for (const entries of Object.values(this.#kinds)) for (const e of entries.values()) e.sums = undefined;
  }

  #change(kind: TermKind, term: AffinityTerm, node: NodeInfo, by: number): void {
    const id = `${term.topologyKey}|${term.key}`;
    const entries = this.#kinds[kind];
    const entry = entries.getOrInsertComputed(id, () => ({ term, perNode: new Map(), sums: undefined }));
    const amount = (entry.perNode.get(node.name) ?? 0) + by;
    if (amount > 0) entry.perNode.set(node.name, amount);
    else entry.perNode.delete(node.name);
    if (entry.perNode.size === 0) entries.delete(id);
    const value = node.node && labelOf(node.labels, term.topologyKey);
    if (entry.sums && value !== undefined) entry.sums.set(value, (entry.sums.get(value) ?? 0) + by);
  }

  #addUp({ term, perNode }: Entry): Map<string, number> {
    const sums = new Map<string, number>();
    for (const [name, amount] of perNode) {
      const node = this.#node(name);
      const value = node?.node && labelOf(node.labels, term.topologyKey);
      if (value !== undefined) sums.set(value, (sums.get(value) ?? 0) + amount);
    }
    return sums;
  }
}
