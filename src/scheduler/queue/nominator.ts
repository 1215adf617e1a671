import type { NominatedPods } from '../framework.ts';
import type { PodInfo } from '../pod-info.ts';

const none: readonly PodInfo[] = [];

/** Which pods have been promised a place on which node. */
export class Nominator implements NominatedPods {
  readonly #byNode = new Map<string, readonly PodInfo[]>();
  readonly #nodeOf = new Map<string, string>();

  /** Never changed: a change makes a new array. */
  on(node: string): readonly PodInfo[] {
    return this.#byNode.get(node) ?? none;
  }

  nodeOf(uid: string): string | undefined {
    return this.#nodeOf.get(uid);
  }

  /** Nodes with such pods. */
  get nodes(): Iterable<string> {
    return this.#byNode.keys();
  }

  get size(): number {
    return this.#nodeOf.size;
  }

  nominate(pod: PodInfo, node: string): void {
    this.forget(pod.uid);
    if (!node) return;
    this.#nodeOf.set(pod.uid, node);
    this.#byNode.set(node, [...this.on(node), pod]);
  }

  /** The same pod, changed: an update that does not speak of a nomination keeps the one in memory. */
  update(pod: PodInfo, old: PodInfo | undefined): void {
    const told = pod.pod.status?.nominatedNodeName ?? '';
    const toldBefore = old?.pod.status?.nominatedNodeName ?? '';
    const kept = told === '' && toldBefore === '' ? this.#nodeOf.get(pod.uid) : undefined;
    this.nominate(pod, kept ?? told);
  }

  forget(uid: string): void {
    const node = this.#nodeOf.get(uid);
    if (node === undefined) return;
    this.#nodeOf.delete(uid);
    const left = this.#byNode.get(node)!.filter(p => p.uid !== uid);
    if (left.length) this.#byNode.set(node, left);
    else this.#byNode.delete(node);
  }
}
