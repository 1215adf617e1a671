interface Used<V> {
  readonly key: string;
  value: V;
  older: Used<V> | undefined;
  newer: Used<V> | undefined;
}

/** Keeps what was used last: a chain, since to take out of a map and put in again costs three times as much. */
export class Lru<V> {
  readonly #capacity: number;
  readonly #map = new Map<string, Used<V>>();
  #newest: Used<V> | undefined;
  #oldest: Used<V> | undefined;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get(key: string): V | undefined {
    const used = this.#map.get(key);
    if (used) this.#use(used);
    return used?.value;
  }

  set(key: string, value: V): void {
    const known = this.#map.get(key);
    if (known) known.value = value;
    const used = known ?? { key, value, older: undefined, newer: undefined };
    if (!known) this.#map.set(key, used);
    this.#use(used);
    if (this.#map.size > this.#capacity) this.#drop();
  }

  #use(used: Used<V>): void {
    if (used === this.#newest) return;
    this.#unlink(used);
    used.older = this.#newest;
    used.newer = undefined;
    if (this.#newest) this.#newest.newer = used;
    this.#newest = used;
    this.#oldest ??= used;
  }

  #drop(): void {
    const used = this.#oldest!;
    this.#unlink(used);
    this.#map.delete(used.key);
  }

  #unlink(used: Used<V>): void {
    if (used.newer) used.newer.older = used.older;
    if (used.older) used.older.newer = used.newer;
    if (used === this.#oldest) this.#oldest = used.newer;
  }
}
