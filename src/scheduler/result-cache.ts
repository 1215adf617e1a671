// Filter results and scores of plugins that look at nothing but the node and what they sign the pod with: kept for all
// pods with the same signature until the node changes. With thousands of like pods, a cycle recomputes one node.
import type { NodeInfo } from './cache/node-info.ts';
import type { PodInfo } from './pod-info.ts';
import type { Status } from './status.ts';

const keptSignatures = 64;

/** Good while the node has this generation, these pods are nominated to it, and the pod has this priority. */
export interface Beside {
  readonly generation: number;
  readonly nominated: readonly PodInfo[];
  readonly priority: number;
  readonly status: Status | undefined;
}

/** Of one signature. Places are node slots. */
export class SignedResults {
  /** Generation of the node that the status or scores are of; 0: none. */
  filtered = new Float64Array(0);
  statuses: (Status | undefined)[] = [];
  scored = new Float64Array(0);
  /** Weighted sum of the plugins that do not normalize. */
  plain = new Float64Array(0);
  /** One a plugin that normalizes. */
  raw: Float64Array[] = [];
  /** Of nodes with nominated pods, by slot: what the filters say with those in place. */
  readonly beside = new Map<number, Beside>();
  nodesGeneration = -1;

  reserve(slots: number, rawCount: number): void {
    if (slots <= this.filtered.length && rawCount === this.raw.length) return;
    const size = Math.max(64, slots + (slots >> 2));
    const grow = (from: Float64Array | undefined) => {
      const to = new Float64Array(size);
      if (from) to.set(from);
      return to;
    };
    this.filtered = grow(this.filtered);
    while (this.statuses.length < size) this.statuses.push(undefined);
    this.scored = grow(this.scored);
    this.plain = grow(this.plain);
    this.raw = Array.from({ length: rawCount }, (_, i) => grow(this.raw[i]));
  }

  clear(): void {
    this.filtered.fill(0);
    this.scored.fill(0);
    this.beside.clear();
    this.nodesGeneration = -1;
  }

  /** Scores depend on where images are, which nodes' own generations do not tell. */
  at(nodesGeneration: number): void {
    if (this.nodesGeneration === nodesGeneration) return;
    this.nodesGeneration = nodesGeneration;
    this.scored.fill(0);
  }

  status(node: NodeInfo, compute: () => Status | undefined): Status | undefined {
    if (this.filtered[node.slot] === node.generation) return this.statuses[node.slot];
    const status = compute();
    this.filtered[node.slot] = node.generation;
    this.statuses[node.slot] = status;
    return status;
  }
}

export class ResultCache {
  readonly #bySignature = new Map<string, SignedResults>();
  #last: { signature: string; results: SignedResults } | undefined;

  get(signature: string): SignedResults {
    if (this.#last?.signature === signature) return this.#last.results;
    let results = this.#bySignature.get(signature);
    if (results) this.#bySignature.delete(signature);
    else results = this.#bySignature.size < keptSignatures ? new SignedResults() : this.#recycle();
    this.#bySignature.set(signature, results);
    this.#last = { signature, results };
    return results;
  }

  /** The place of the signature that was asked for longest ago: with pods that are all different, new ones are dear. */
  #recycle(): SignedResults {
    const oldest = this.#bySignature.entries().next().value!;
    this.#bySignature.delete(oldest[0]);
    oldest[1].clear();
    return oldest[1];
  }
}
