import type { Lister } from './informer.ts';

/** Objects by key, with an array of them that lives until the next change. */
class Bucket<T> {
  readonly map = new Map<string, T>();
  #array: readonly T[] | undefined;

  get array(): readonly T[] {
    this.#array ??= [...this.map.values()];
    return this.#array;
  }

  set(key: string, object: T): void {
    this.map.set(key, object);
    this.#array = undefined;
  }

  delete(key: string): void {
    this.map.delete(key);
    this.#array = undefined;
  }
}

interface Index<T> {
  readonly values: (object: T) => readonly string[];
  readonly buckets: Map<string, Bucket<T>>;
}

const none: readonly never[] = [];

/**
 * The copy behind a lister: objects by key, with indexes kept on each change. Arrays handed out are never changed
 * afterwards. Index functions must give the same values for the same object each time.
 */
export class IndexedStore<T extends { metadata: { namespace?: string } }> implements Lister<T> {
  readonly #all = new Bucket<T>();
  readonly #indexes = new Map<string, Index<T>>();
  readonly #namespaces: Index<T> = { values: o => [o.metadata.namespace ?? ''], buckets: new Map() };

  get size(): number {
    return this.#all.map.size;
  }

  get(key: string): T | undefined {
    return this.#all.map.get(key);
  }

  list(namespace?: string): readonly T[] {
    if (!namespace) return this.#all.array;
    return this.#namespaces.buckets.get(namespace)?.array ?? none;
  }

  byIndex(name: string, value: string): readonly T[] {
    const index = this.#indexes.get(name);
    if (!index) throw new Error(`no index ${JSON.stringify(name)}`);
    return index.buckets.get(value)?.array ?? none;
  }

  keys(): IterableIterator<string> {
    return this.#all.map.keys();
  }

  /** Adding a name again is no change: same name, same function. */
  addIndex(name: string, values: (object: T) => readonly string[]): void {
    if (this.#indexes.has(name)) return;
    const index: Index<T> = { values, buckets: new Map() };
    this.#indexes.set(name, index);
    for (const [key, object] of this.#all.map) insert(index, key, object, undefined);
  }

  /** Returns what was there before. */
  set(key: string, object: T): T | undefined {
    const old = this.#all.map.get(key);
    this.#all.set(key, object);
    insert(this.#namespaces, key, object, old);
    for (const index of this.#indexes.values()) insert(index, key, object, old);
    return old;
  }

  /** Returns what was there before. */
  delete(key: string): T | undefined {
    const old = this.#all.map.get(key);
    if (old === undefined) return undefined;
    this.#all.delete(key);
    remove(this.#namespaces, key, this.#namespaces.values(old), none);
    for (const index of this.#indexes.values()) remove(index, key, index.values(old), none);
    return old;
  }
}

function insert<T>(index: Index<T>, key: string, object: T, old: T | undefined): void {
  const values = index.values(object);
  if (old !== undefined) remove(index, key, index.values(old), values);
  for (const value of values) {
    index.buckets.getOrInsertComputed(value, () => new Bucket()).set(key, object);
  }
}

function remove<T>(index: Index<T>, key: string, values: readonly string[], except: readonly string[]): void {
  for (const value of values) {
    if (except.includes(value)) continue;
    const bucket = index.buckets.get(value);
    if (!bucket) continue;
    bucket.delete(key);
    if (bucket.map.size === 0) index.buckets.delete(value);
  }
}
