/** What was met last, at most two times `capacity`. */
export class Recent<T> {
  readonly #capacity: number;
  #young = new Map<string, T>();
  #old = new Map<string, T>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** What was met under `key`, or else what `make` makes. */
  of(key: string, make: () => T): T {
    const young = this.#young.get(key);
    if (young) return young;
    const known = this.#old.get(key) ?? make();
    this.#young.set(key, known);
    if (this.#young.size >= this.#capacity) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    return known;
  }
}
