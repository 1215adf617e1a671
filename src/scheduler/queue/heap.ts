/** A binary heap whose members can be found, replaced and taken out by key. */
export class KeyedHeap<T> {
  readonly #items: T[] = [];
  readonly #at = new Map<string, number>();
  readonly #key: (item: T) => string;
  readonly #less: (a: T, b: T) => boolean;

  constructor(key: (item: T) => string, less: (a: T, b: T) => boolean) {
    this.#key = key;
    this.#less = less;
  }

  get size(): number {
    return this.#items.length;
  }

  get(key: string): T | undefined {
    const at = this.#at.get(key);
    return at === undefined ? undefined : this.#items[at];
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  values(): readonly T[] {
    return this.#items;
  }

  /** Adds, or replaces what has the same key. */
  set(item: T): void {
    const key = this.#key(item);
    const known = this.#at.get(key);
    const at = known ?? this.#items.length;
    this.#place(item, at);
    this.#down(this.#up(at));
  }

  pop(): T | undefined {
    const first = this.#items[0];
    if (first !== undefined) this.delete(this.#key(first));
    return first;
  }

  delete(key: string): T | undefined {
    const at = this.#at.get(key);
    if (at === undefined) return undefined;
    const item = this.#items[at]!;
    const last = this.#items.pop()!;
    this.#at.delete(key);
    if (at < this.#items.length) {
      this.#place(last, at);
      this.#down(this.#up(at));
    }
    return item;
  }

  #place(item: T, at: number): void {
    this.#items[at] = item;
    this.#at.set(this.#key(item), at);
  }

  #swap(i: number, j: number): void {
    const a = this.#items[i]!;
    this.#place(this.#items[j]!, i);
    this.#place(a, j);
  }

  #up(from: number): number {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#less(this.#items[at]!, this.#items[parent]!)) break;
      this.#swap(at, parent);
      at = parent;
    }
    return at;
  }

  #down(from: number): void {
    for (let at = from; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < this.#items.length && this.#less(this.#items[child]!, this.#items[least]!)) least = child;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }
}
