/** Pods whose tracking finalizer has been taken away, by the key of their job, until the informer shows it. */
export class FinalizerRemovals {
  readonly #byKey = new Map<string, Set<string>>();

  expect(key: string, uids: Iterable<string>): void {
    const set = this.#byKey.get(key) ?? new Set();
    for (const uid of uids) set.add(uid);
    this.#byKey.set(key, set);
  }

  /** Seen, or failed. */
  end(key: string, uid: string): void {
    const set = this.#byKey.get(key);
    if (set?.delete(uid) && set.size === 0) this.#byKey.delete(key);
  }

  /** A copy: what is awaited now. */
  pending(key: string): ReadonlySet<string> {
    return new Set(this.#byKey.get(key));
  }

  forget(key: string): void {
    this.#byKey.delete(key);
  }
}
