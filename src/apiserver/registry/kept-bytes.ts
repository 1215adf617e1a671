/** What keeps encoded forms beside an object, and can make them again. */
export interface Keeper {
  /** Bytes it keeps now. */
  readonly keptBytes: number;
  forget(): void;
}

const usualBytes = 4096;

/**
 * How many bytes of encoded forms the caches of a server keep in all. What was just written takes the place of what was
 * kept longest; what is only asked for is kept while there is room, so that a list of more than fits does not push out one
 * half of itself by the other.
 */
export class KeptBytes {
  readonly #budget: number;
  #bytes = 0;
  #queue: Keeper[] = [];
  // So many at the front of the queue are done with, so many behind have nothing any more.
  #gone = 0;
  #empty = 0;

  constructor(budget: number) {
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** For an object of usual size. */
  get hasRoom(): boolean {
    return this.#bytes + usualBytes <= this.#budget;
  }

  /** It keeps so many bytes from now on; others must go for it. */
  insist(keeper: Keeper, bytes: number): void {
    this.#bytes += bytes;
    this.#queue.push(keeper);
    while (this.#bytes > this.#budget && this.#gone < this.#queue.length) {
      const oldest = this.#queue[this.#gone++]!;
      if (oldest.keptBytes === 0) this.#empty--;
      this.#bytes -= oldest.keptBytes;
      oldest.forget();
    }
    this.#tidy();
  }

  /** Whether there is room for it to keep so many bytes more; `first`: it keeps none now. */
  offer(keeper: Keeper, bytes: number, first: boolean): boolean {
    if (this.#bytes + bytes > this.#budget) return false;
    this.#bytes += bytes;
    if (first) this.#queue.push(keeper);
    return true;
  }

  /** It has forgotten all of its bytes by itself. */
  returned(bytes: number): void {
    this.#bytes -= bytes;
    this.#empty++;
    this.#tidy();
  }

  // Not at each step: at the budget every write drops one of a hundred thousand.
  #tidy(): void {
    if ((this.#gone + this.#empty) * 2 <= this.#queue.length + 64) return;
    this.#queue = this.#queue.slice(this.#gone).filter(k => k.keptBytes > 0);
    this.#gone = 0;
    this.#empty = 0;
  }
}
