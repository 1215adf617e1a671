// Sets of completion indexes, kept and written as intervals: `1,3-5,7`.

interface Interval {
  readonly first: number;
  readonly last: number;
}

export class IndexSet {
  readonly #intervals: readonly Interval[];
  /** How many indexes are in it. */
  readonly size: number;

  constructor(intervals: readonly Interval[] = []) {
    this.#intervals = intervals;
    this.size = intervals.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  }

  static of(indexes: Iterable<number>): IndexSet {
    return new IndexSet(merge([...indexes].map(i => ({ first: i, last: i }))));
  }

  /** What the text names below `completions`; parts that make no sense are left out. */
  static parse(text: string | undefined, completions: number): IndexSet {
    const intervals: Interval[] = [];
    for (const part of text ? text.split(',') : []) {
      const match = /^(\d+)(?:-(\d+))?$/.exec(part);
      if (!match) continue;
      const first = Number(match[1]);
      const last = Math.min(Number(match[2] ?? match[1]), completions - 1);
      if (first <= last) intervals.push({ first, last });
    }
    return new IndexSet(merge(intervals));
  }

  has(index: number): boolean {
    let low = 0;
    let high = this.#intervals.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const { first, last } = this.#intervals[middle]!;
      if (index < first) high = middle - 1;
      else if (index > last) low = middle + 1;
      else return true;
    }
    return false;
  }

  union(other: IndexSet): IndexSet {
    if (other.size === 0) return this;
    return new IndexSet(merge([...this.#intervals, ...other.#intervals]));
  }

  /** How many indexes are in both. */
  common(other: IndexSet): number {
    let total = 0;
    let i = 0;
    let j = 0;
    while (i < this.#intervals.length && j < other.#intervals.length) {
      const a = this.#intervals[i]!;
      const b = other.#intervals[j]!;
      total += Math.max(0, Math.min(a.last, b.last) - Math.max(a.first, b.first) + 1);
      if (a.last < b.last) i++;
      else j++;
    }
    return total;
  }

  /** Three or more in a row are written by the first and the last. */
  toString(): string {
    return this.#intervals
      .map(({ first, last }) => (first === last ? `${first}` : `${first}${last - first === 1 ? ',' : '-'}${last}`))
      .join();
  }
}

function merge(intervals: readonly Interval[]): Interval[] {
  const sorted = intervals.toSorted((a, b) => a.first - b.first);
  const out: Interval[] = [];
  for (const next of sorted) {
    const before = out.at(-1);
    if (before && next.first <= before.last + 1)
      out[out.length - 1] = { first: before.first, last: Math.max(before.last, next.last) };
    else out.push(next);
  }
  return out;
}
