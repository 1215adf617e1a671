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

// Keys that are new are put in their places together: an eighth of what it costs to do so one by one.
const mostFresh = 2048;
const splitKeys = 384;

/** A set of strings in UTF-8 order: short sorted runs, so that an insertion moves few keys. */
export class SortedKeys {
  readonly #chunks: string[][] = [];
  /** In no place yet. */
  readonly #fresh = new Set<string>();
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
    this.#fresh.add(key);
    if (this.#fresh.size >= mostFresh) this.#settle();
  }

  #settle(): void {
    if (this.#fresh.size === 0) return;
    const keys = [...this.#fresh];
    // Without a function it is their order of units, found natively.
    if (this.#compare === compareUnits) keys.sort();
    else keys.sort(this.#compare);
    this.#fresh.clear();
    for (let from = 0; from < keys.length; ) {
      const at = this.#chunkOf(keys[from]!);
      const next = this.#chunks[at + 1]?.[0];
      let to = next === undefined ? keys.length : from + 1;
      while (to < keys.length && this.#compare(keys[to]!, next!) < 0) to++;
      const run = this.#merged(this.#chunks[at] ?? [], keys.slice(from, to));
      this.#chunks.splice(at, 1, ...(run.length > chunkKeys ? split(run) : [run]));
      from = to;
    }
  }

  #merged(old: readonly string[], more: readonly string[]): string[] {
    const out: string[] = [];
    let i = 0;
    for (const key of more) {
      while (i < old.length && this.#compare(old[i]!, key) < 0) out.push(old[i++]!);
      out.push(key);
    }
    while (i < old.length) out.push(old[i++]!);
    return out;
  }

  delete(key: string): void {
    if (this.#fresh.delete(key)) this.#size--;
    else if (this.#chunks.length > 0) this.#remove(key);
  }

  #remove(key: string): void {
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
    this.#settle();
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

function split(run: readonly string[]): string[][] {
  const length = Math.ceil(run.length / Math.ceil(run.length / splitKeys));
  const parts: string[][] = [];
  for (let i = 0; i < run.length; i += length) parts.push(run.slice(i, i + length));
  return parts;
}
