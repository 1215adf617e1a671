// Which CPUs are whose. No I/O: who changes the book saves it.
import { type CpuSet, formatCpus, noCpus, parseCpus, sameCpus } from './cpu-set.ts';
import type { CpuState } from './cpu-state.ts';

export class CpuBook {
  #shared: CpuSet;
  /** By pod and container. Containers of a pod that never run at the same time may hold the same ones. */
  readonly #held = new Map<string, Map<string, CpuSet>>();

  constructor(shared: CpuSet) {
    this.#shared = shared;
  }

  static of(state: CpuState): CpuBook {
    const book = new CpuBook(parseCpus(state.defaultCpuSet));
    for (const [uid, own] of Object.entries(state.entries))
      for (const [container, cpus] of Object.entries(own)) book.#of(uid).set(container, parseCpus(cpus));
    return book;
  }

  toState(policyName: string): CpuState {
    const entries = [...this.#held].map(
      ([uid, own]) => [uid, Object.fromEntries([...own].map(([name, cpus]) => [name, formatCpus(cpus)]))] as const,
    );
    return { policyName, defaultCpuSet: formatCpus(this.#shared), entries: Object.fromEntries(entries) };
  }

  #of(uid: string): Map<string, CpuSet> {
    return this.#held.getOrInsertComputed(uid, () => new Map());
  }

  /** What containers without CPUs of their own run on. */
  get shared(): CpuSet {
    return this.#shared;
  }

  exclusive(uid: string, container: string): CpuSet | undefined {
    return this.#held.get(uid)?.get(container);
  }

  ofPod(uid: string): CpuSet {
    return [...(this.#held.get(uid)?.values() ?? [])].reduce<CpuSet>((all, cpus) => all.union(cpus), noCpus);
  }

  /** All that are somebody's own. */
  get assigned(): CpuSet {
    return [...this.#held.keys()].reduce<CpuSet>((all, uid) => all.union(this.ofPod(uid)), noCpus);
  }

  assign(uid: string, container: string, cpus: CpuSet): void {
    this.#of(uid).set(container, cpus);
    this.#shared = this.#shared.difference(cpus);
  }

  release(uid: string): boolean {
    const cpus = this.ofPod(uid);
    if (!this.#held.delete(uid)) return false;
    this.#shared = this.#shared.union(cpus);
    return true;
  }

  /** Frees what is held by other pods than these. True when that was something. */
  keepOnly(uids: ReadonlySet<string>): boolean {
    return [...this.#held.keys()].filter(uid => !uids.has(uid) && this.release(uid)).length > 0;
  }

  /** Throws, in Kubernetes' words, why the machine and what is reserved of it are not those the book was kept for. */
  verify(all: CpuSet, reserved: CpuSet, strict: boolean): void {
    const { shared } = this;
    const quoted = (cpus: CpuSet) => JSON.stringify(formatCpus(cpus));
    if (strict && !shared.isDisjointFrom(reserved))
      throw new Error(
        `some of strictly reserved cpus: ${quoted(reserved.intersection(shared))} are present in defaultCpuSet: ${quoted(shared)}`,
      );
    if (!strict && !reserved.isSubsetOf(shared))
      throw new Error(`not all reserved cpus: ${quoted(reserved)} are present in defaultCpuSet: ${quoted(shared)}`);
    for (const [uid, own] of this.#held)
      for (const [container, cpus] of own)
        if (!cpus.isDisjointFrom(shared))
          throw new Error(
            `pod: ${uid}, container: ${container} cpuset: ${quoted(cpus)} overlaps with default cpuset ${quoted(shared)}`,
          );
    const known = shared.union(this.assigned).union(strict ? reserved : noCpus);
    if (!sameCpus(known, all))
      throw new Error(`current set of available CPUs ${quoted(all)} doesn't match with CPUs in state ${quoted(known)}`);
  }
}
