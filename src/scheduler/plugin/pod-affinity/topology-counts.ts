type Labels = Readonly<Record<string, string>>;

/** A number for each topology domain: by label key, then by the label's value. */
export class TopologyCounts {
  readonly #byKey = new Map<string, Map<string, number>>();

  /** To the domain that the node is in; a node without the label is in none. */
  add(key: string, labels: Labels, by: number): void {
    const value = labels[key];
    if (value === undefined) return;
    const values = this.#byKey.getOrInsertComputed(key, () => new Map());
    const next = (values.get(value) ?? 0) + by;
    if (next === 0) values.delete(value);
    else values.set(value, next);
    if (values.size === 0) this.#byKey.delete(key);
  }

  get(key: string, labels: Labels): number {
    const value = labels[key];
    return value === undefined ? 0 : (this.#byKey.get(key)?.get(value) ?? 0);
  }

  get empty(): boolean {
    return this.#byKey.size === 0;
  }

  /** Is any domain of the node above 0? */
  anyAt(labels: Labels): boolean {
    for (const key of this.#byKey.keys()) if (this.get(key, labels) > 0) return true;
    return false;
  }

  /** Over all domains of the node. */
  sumAt(labels: Labels): number {
    let sum = 0;
    for (const key of this.#byKey.keys()) sum += this.get(key, labels);
    return sum;
  }

  clone(): TopologyCounts {
    const copy = new TopologyCounts();
    for (const [key, values] of this.#byKey) copy.#byKey.set(key, new Map(values));
    return copy;
  }
}
