/** Keys by the time they fall due; a key is held once, with its earliest time. */
export class DelayHeap {
  readonly #heap: { key: string; dueMs: number; order: number }[] = [];
  // What is valid in the heap: an entry whose time differs from this was replaced by an earlier one.
  readonly #due = new Map<string, number>();
  #order = 0;

  get size(): number {
    return this.#due.size;
  }

  /** True when the key was not already due as early. */
  add(key: string, dueMs: number): boolean {
    const known = this.#due.get(key);
    if (known !== undefined && known <= dueMs) return false;
    this.#due.set(key, dueMs);
    this.#heap.push({ key, dueMs, order: this.#order++ });
    this.#up(this.#heap.length - 1);
    return true;
  }

  /** When the next key falls due. */
  nextDueMs(): number | undefined {
    this.#dropStale();
    return this.#heap[0]?.dueMs;
  }

  /** Takes one key that is due at `nowMs`. */
  take(nowMs: number): string | undefined {
    this.#dropStale();
    const first = this.#heap[0];
    if (!first || first.dueMs > nowMs) return undefined;
    this.#due.delete(first.key);
    this.#removeFirst();
    return first.key;
  }

  clear(): void {
    this.#heap.length = 0;
    this.#due.clear();
  }

  #dropStale(): void {
    for (let first = this.#heap[0]; first && this.#due.get(first.key) !== first.dueMs; first = this.#heap[0])
      this.#removeFirst();
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (last && this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#down(0);
    }
  }

  #less(i: number, j: number): boolean {
    const a = this.#heap[i]!;
    const b = this.#heap[j]!;
    return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
  }

  #swap(i: number, j: number): void {
    const a = this.#heap[i]!;
    this.#heap[i] = this.#heap[j]!;
    this.#heap[j] = a;
  }

  #up(at: number): void {
    for (let i = at; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (!this.#less(i, parent)) return;
      this.#swap(i, parent);
      i = parent;
    }
  }

  #down(at: number): void {
    for (let i = at; ; ) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2])
        if (child < this.#heap.length && this.#less(child, least)) least = child;
      if (least === i) return;
      this.#swap(i, least);
      i = least;
    }
  }
}
