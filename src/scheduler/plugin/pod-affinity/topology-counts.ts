import { labelOf } from '../../label.ts';

type Labels = Readonly<Record<string, string>>;

interface Shared {
  readonly key: string;
  readonly sums: ReadonlyMap<string, number>;
  readonly factor: number;
}

/**
 * A number for each topology domain, by label key and the label's value: sums that the cluster keeps, which are only
 * referred to, and changes of its own on top.
 */
export class TopologyCounts {
  readonly #shared: Shared[];
  readonly #own: Map<string, Map<string, number>>;
  #nothing: boolean | undefined;

  constructor(shared: readonly Shared[] = [], own: ReadonlyMap<string, ReadonlyMap<string, number>> = new Map()) {
    this.#shared = [...shared];
    this.#own = new Map([...own].map(([key, values]) => [key, new Map(values)]));
  }

  clone(): TopologyCounts {
    return new TopologyCounts(this.#shared, this.#own);
  }

  /** Counts these in, as they are now and will be. */
  share(key: string, sums: ReadonlyMap<string, number>, factor = 1): void {
    this.#shared.push({ key, sums, factor });
    this.#nothing = undefined;
  }

  /** To the domain that the node is in; a node without the label is in none. */
  add(key: string, labels: Labels, by: number): void {
    const value = labelOf(labels, key);
    if (value === undefined) return;
    const values = this.#own.getOrInsertComputed(key, () => new Map());
    values.set(value, (values.get(value) ?? 0) + by);
    this.#nothing = undefined;
  }

  get(key: string, labels: Labels): number {
    const value = labelOf(labels, key);
    return value === undefined ? 0 : this.#at(key, value);
  }

  #at(key: string, value: string): number {
    let sum = this.#own.get(key)?.get(value) ?? 0;
    for (const s of this.#shared) if (s.key === key) sum += s.factor * (s.sums.get(value) ?? 0);
    return sum;
  }

  /** Nothing has ever been put in. */
  get untouched(): boolean {
    return this.#shared.length === 0 && this.#own.size === 0;
  }

  /** All domains are at 0. */
  get empty(): boolean {
    this.#nothing ??= this.#isEmpty();
    return this.#nothing;
  }

  #isEmpty(): boolean {
    for (const { key, sums } of this.#shared)
      for (const [value, n] of sums) if (n && this.#at(key, value)) return false;
    for (const [key, values] of this.#own) for (const value of values.keys()) if (this.#at(key, value)) return false;
    return true;
  }

  /** Is any domain of the node above 0? */
  anyAt(labels: Labels): boolean {
    for (const s of this.#shared) if (this.get(s.key, labels) > 0) return true;
    for (const key of this.#own.keys()) if (this.get(key, labels) > 0) return true;
    return false;
  }

  /** Over all domains of the node. */
  sumAt(labels: Labels): number {
    let sum = 0;
    for (const { key, sums, factor } of this.#shared) {
      const value = labelOf(labels, key);
      if (value !== undefined) sum += factor * (sums.get(value) ?? 0);
    }
    for (const [key, values] of this.#own) sum += values.get(labelOf(labels, key) ?? '') ?? 0;
    return sum;
  }
}
