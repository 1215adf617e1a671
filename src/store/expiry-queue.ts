export interface Expiry {
  readonly atMs: number;
  readonly key: string;
  readonly revision: number;
}

/** What falls due first comes out first (a binary heap). Entries of values since replaced stay until due; the taker checks. */
export class ExpiryQueue {
  readonly #heap: Expiry[] = [];

  /** When the next entry falls due. */
  get nextMs(): number | undefined {
    return this.#heap[0]?.atMs;
  }

  push(expiry: Expiry): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(expiry);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent]!.atMs <= expiry.atMs) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = expiry;
  }

  /** Takes the first entry if it is due. */
  takeDue(nowMs: number): Expiry | undefined {
    const first = this.#heap[0];
    if (!first || first.atMs > nowMs) return undefined;
    const last = this.#heap.pop()!;
    if (this.#heap.length > 0) this.#sink(last);
    return first;
  }

  #sink(expiry: Expiry): void {
    const heap = this.#heap;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.atMs < heap[child]!.atMs) child++;
      if (heap[child]!.atMs >= expiry.atMs) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = expiry;
  }
}
