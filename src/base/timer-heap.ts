interface Entry {
  readonly atMs: number;
  readonly order: number;
  /** Absent once cancelled or fired. */
  fn: (() => void) | undefined;
}

// Below this many it does not pay to sweep cancelled entries out.
const leastToSweep = 64;

/** Timers by due time, those of one time in the order they were set. Cancelling costs a constant on average. */
export class TimerHeap {
  #heap: Entry[] = [];
  #order = 0;
  #cancelled = 0;

  /** Timers that are still to fire. */
  get size(): number {
    return this.#heap.length - this.#cancelled;
  }

  add(atMs: number, fn: () => void): { cancel(): void } {
    const entry: Entry = { atMs, order: this.#order++, fn };
    this.#heap.push(entry);
    this.#up(this.#heap.length - 1);
    return { cancel: () => this.#cancel(entry) };
  }

  /** When the next one is due. */
  nextMs(): number | undefined {
    return this.#first()?.atMs;
  }

  /** Takes the next one out. */
  take(): (() => void) | undefined {
    const entry = this.#first();
    if (!entry) return undefined;
    this.#removeFirst();
    const { fn } = entry;
    entry.fn = undefined;
    return fn;
  }

  #cancel(entry: Entry): void {
    if (!entry.fn) return;
    entry.fn = undefined;
    this.#cancelled++;
    // Most timers are cancelled long before they are due: they must not pile up.
    if (this.#cancelled >= leastToSweep && this.#cancelled * 2 > this.#heap.length) this.#sweep();
  }

  #sweep(): void {
    this.#heap = this.#heap.filter(e => e.fn);
    this.#cancelled = 0;
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#down(i);
  }

  #first(): Entry | undefined {
    for (let first = this.#heap[0]; first && !first.fn; first = this.#heap[0]) {
      this.#removeFirst();
      this.#cancelled--;
    }
    return this.#heap[0];
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (!last || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#down(0);
  }

  #up(at: number): void {
    const entry = this.#heap[at]!;
    let i = at;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(entry, this.#heap[parent]!)) break;
      this.#heap[i] = this.#heap[parent]!;
      i = parent;
    }
    this.#heap[i] = entry;
  }

  #down(at: number): void {
    const heap = this.#heap;
    const entry = heap[at]!;
    let i = at;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, entry)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = entry;
  }
}

const before = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
