/** Orders strings as their UTF-8 bytes do: surrogate pairs come after every other UTF-16 code unit. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

function compareUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

// The two orders differ only for keys with such units.
const wide = /[\ud800-\uffff]/;
const chunkKeys = 512;

/** A set of strings in UTF-8 order: short sorted runs, so that an insertion moves few keys. */
export class SortedKeys {
  readonly #chunks: string[][] = [];
  // Comparing natively is several times faster; the first key that needs the real order switches for good. Keys already
  // there keep their places, since both orders agree on them.
  #compare = compareUnits;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds a key that is not there. */
  add(key: string): void {
    if (this.#compare === compareUnits && wide.test(key)) this.#compare = compareUtf8;
    this.#size++;
    if (this.#chunks.length === 0) {
      this.#chunks.push([key]);
      return;
    }
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at]!;
    // Appending is what a load in order and names with counters do.
    if (this.#compare(chunk[chunk.length - 1]!, key) < 0) chunk.push(key);
    else chunk.splice(this.#lowerBound(chunk, key), 0, key);
    if (chunk.length > chunkKeys) this.#split(at, chunk);
  }

  delete(key: string): void {
    if (this.#chunks.length === 0) return;
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at]!;
    const i = this.#lowerBound(chunk, key);
    if (chunk[i] !== key) return;
    this.#size--;
    if (chunk.length === 1) this.#chunks.splice(at, 1);
    else chunk.splice(i, 1);
  }

  /** Visits, in order, keys that start with `prefix` and lie behind `after`, until `visit` returns false. */
  visit(prefix: string, after: string | undefined, visit: (key: string) => boolean): void {
    if (this.#chunks.length === 0) return;
    const from = after !== undefined && this.#compare(after, prefix) >= 0 ? after : prefix;
    let at = this.#chunkOf(from);
    let i = this.#lowerBound(this.#chunks[at]!, from);
    for (; at < this.#chunks.length; at++, i = 0) {
      const chunk = this.#chunks[at]!;
      for (; i < chunk.length; i++) {
        const key = chunk[i]!;
        if (key === after) continue;
        if (!key.startsWith(prefix) || !visit(key)) return;
      }
    }
  }

  // Appended runs stay full: the split leaves the left one nearly so.
  #split(at: number, chunk: string[]): void {
    const last = at === this.#chunks.length - 1;
    this.#chunks.splice(at + 1, 0, chunk.splice(last ? chunkKeys - 32 : chunkKeys / 2));
  }

  // The last run whose first key is not behind `key`.
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#compare(this.#chunks[middle]![0]!, key) <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #lowerBound(chunk: readonly string[], key: string): number {
    let low = 0;
    let high = chunk.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(chunk[middle]!, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
