/** One after the other for each key, side by side where keys differ. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Runs when everything asked for earlier under any of these keys has ended. */
  async run<T>(keys: readonly string[], action: () => Promise<T>): Promise<T> {
    const before = keys.map(k => this.#tails.get(k));
    const mine = Promise.all(before).then(action);
    // Failures are the caller's; who waits only waits.
    const ended = mine.then(
      () => {},
      () => {},
    );
    for (const key of keys) this.#tails.set(key, ended);
    try {
      return await mine;
    } finally {
      for (const key of keys) if (this.#tails.get(key) === ended) this.#tails.delete(key);
    }
  }
}
