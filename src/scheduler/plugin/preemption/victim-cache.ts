// What preemption found out about a node, kept for like pods until the node changes.
import type { NodeInfo } from '../../cache/node-info.ts';
import type { PodInfo } from '../../pod-info.ts';
import type { Status } from '../../status.ts';
import type { Candidate } from './victims.ts';

type Result = Candidate | Status;

interface Known {
  readonly generation: number;
  readonly nominated: readonly PodInfo[];
  readonly result: Result;
}

const keptKinds = 16;

/** Of pods that the filters cannot tell apart and that have the same priority. */
export class NodeResults {
  readonly #bySlot: (Known | undefined)[] = [];

  /** `nominated`: the pods that are, to this node. */
  get(node: NodeInfo, nominated: readonly PodInfo[], compute: () => Result): Result {
    const { slot, generation } = node;
    const known = this.#bySlot[slot];
    if (known?.generation === generation && known.nominated === nominated) return known.result;
    const result = compute();
    this.#bySlot[slot] = { generation, nominated, result };
    return result;
  }
}

/** Good only where nothing but node and signature decides: no budgets, local filters alone, the pod not nominated. */
export class VictimCache {
  readonly #kinds = new Map<string, NodeResults>();

  of(pod: PodInfo): NodeResults | undefined {
    if (pod.signature === undefined) return undefined;
    const kind = `${pod.priority} ${pod.signature}`;
    const results = this.#kinds.get(kind) ?? new NodeResults();
    this.#kinds.delete(kind);
    this.#kinds.set(kind, results);
    if (this.#kinds.size > keptKinds) this.#kinds.delete(this.#kinds.keys().next().value!);
    return results;
  }
}
