import type { Random } from '../../../base/random.ts';

/** A fixed number of slots, each free or taken. */
export class Bitmap {
  readonly size: number;
  readonly #words: Uint32Array;
  #taken = 0;

  constructor(size: number) {
    this.size = size;
    this.#words = new Uint32Array(Math.ceil(size / 32));
  }

  get free(): number {
    return this.size - this.#taken;
  }

  has(slot: number): boolean {
    return (this.#words[slot >>> 5]! & (1 << (slot & 31))) !== 0;
  }

  /** False when it is taken already. */
  take(slot: number): boolean {
    if (this.has(slot)) return false;
    this.#words[slot >>> 5]! |= 1 << (slot & 31);
    this.#taken++;
    return true;
  }

  release(slot: number): void {
    if (!this.has(slot)) return;
    this.#words[slot >>> 5]! &= ~(1 << (slot & 31));
    this.#taken--;
  }

  /**
   * Takes a free slot: at random from `reserved` on, and from the slots before only when those are all taken. Undefined
   * when none is free.
   */
  takeAny(reserved: number, random: Random): number | undefined {
    const slot = this.#freeFrom(reserved, this.size, random) ?? this.#freeFrom(0, reserved, random);
    if (slot !== undefined) this.take(slot);
    return slot;
  }

  // The first free slot in [low, high) at or after a random one, going round.
  #freeFrom(low: number, high: number, random: Random): number | undefined {
    if (high <= low || this.free === 0) return undefined;
    const start = low + Math.floor(random.next() * (high - low));
    return this.#scan(start, high) ?? this.#scan(low, start);
  }

  #scan(low: number, high: number): number | undefined {
    for (let slot = low; slot < high; ) {
      // A full word has nothing to look at.
      if ((slot & 31) === 0 && slot + 32 <= high && this.#words[slot >>> 5] === 0xffffffff) slot += 32;
      else if (this.has(slot)) slot++;
      else return slot;
    }
    return undefined;
  }
}
