// An immutable sorted map: writes copy the path to a leaf and share the rest, so that a snapshot is a reference.
// One level of leaves under an array of their first keys is enough up to some 100,000 entries: a write copies one leaf
// (at most 2 * leafSize slots) and the array of leaves.

const leafSize = 64;

interface Leaf<V> {
  readonly keys: readonly string[];
  readonly values: readonly V[];
}

interface Branch<V> {
  /** First key of each leaf. */
  readonly first: readonly string[];
  readonly leaves: readonly Leaf<V>[];
  readonly size: number;
}

const branchSize = 128;

/** Keys compare by UTF-16 code units, which for the ASCII keys of a store is their byte order. */
export class SortedTree<V> {
  static readonly #empty = new SortedTree<never>([], [], 0);

  readonly #first: readonly string[];
  readonly #branches: readonly Branch<V>[];
  readonly size: number;

  private constructor(first: readonly string[], branches: readonly Branch<V>[], size: number) {
    this.#first = first;
    this.#branches = branches;
    this.size = size;
  }

  static empty<V>(): SortedTree<V> {
    return SortedTree.#empty as SortedTree<V>;
  }

  /** From entries sorted by key, without duplicates. */
  static from<V>(entries: readonly (readonly [string, V])[]): SortedTree<V> {
    const branches: Branch<V>[] = [];
    for (let i = 0; i < entries.length; i += leafSize * (branchSize / 2)) {
      const leaves: Leaf<V>[] = [];
      const chunk = entries.slice(i, i + leafSize * (branchSize / 2));
      for (let j = 0; j < chunk.length; j += leafSize) {
        const part = chunk.slice(j, j + leafSize);
        leaves.push({ keys: part.map(e => e[0]), values: part.map(e => e[1]) });
      }
      branches.push({ first: leaves.map(l => l.keys[0]!), leaves, size: chunk.length });
    }
    return new SortedTree(
      branches.map(b => b.first[0]!),
      branches,
      entries.length,
    );
  }

  get(key: string): V | undefined {
    const branch = this.#branches[floor(this.#first, key)];
    const leaf = branch?.leaves[floor(branch.first, key)];
    if (!leaf) return undefined;
    const i = lowerBound(leaf.keys, key);
    return leaf.keys[i] === key ? leaf.values[i] : undefined;
  }

  set(key: string, value: V): SortedTree<V> {
    if (this.#branches.length === 0) return SortedTree.from([[key, value]]);
    const b = Math.max(0, floor(this.#first, key));
    const branch = this.#branches[b]!;
    const l = Math.max(0, floor(branch.first, key));
    const leaf = branch.leaves[l]!;
    const i = lowerBound(leaf.keys, key);
    if (leaf.keys[i] === key) {
      const leaves = branch.leaves.with(l, { keys: leaf.keys, values: leaf.values.with(i, value) });
      return new SortedTree(
        this.#first,
        this.#branches.with(b, { first: branch.first, leaves, size: branch.size }),
        this.size,
      );
    }
    const grown: Leaf<V> = { keys: inserted(leaf.keys, i, key), values: inserted(leaf.values, i, value) };
    const parts = grown.keys.length <= 2 * leafSize ? [grown] : halve(grown);
    const leaves = branch.leaves.toSpliced(l, 1, ...parts);
    const first = leaves.map(x => x.keys[0]!);
    const half = leaves.length >> 1;
    const branches =
      leaves.length <= 2 * branchSize
        ? [{ first, leaves, size: branch.size + 1 }]
        : [branchOf(leaves.slice(0, half)), branchOf(leaves.slice(half))];
    const all = this.#branches.toSpliced(b, 1, ...branches);
    return new SortedTree(
      all.map(x => x.first[0]!),
      all,
      this.size + 1,
    );
  }

  delete(key: string): SortedTree<V> {
    const b = floor(this.#first, key);
    const branch = this.#branches[b];
    if (!branch) return this;
    const l = floor(branch.first, key);
    const leaf = branch.leaves[l];
    if (!leaf) return this;
    const i = lowerBound(leaf.keys, key);
    if (leaf.keys[i] !== key) return this;
    const smaller: Leaf<V> = { keys: leaf.keys.toSpliced(i, 1), values: leaf.values.toSpliced(i, 1) };
    const leaves = branch.leaves.toSpliced(l, 1, ...(smaller.keys.length ? [smaller] : []));
    const all = this.#branches.toSpliced(b, 1, ...(leaves.length ? [branchOf(leaves)] : []));
    return new SortedTree(
      all.map(x => x.first[0]!),
      all,
      this.size - 1,
    );
  }

  /** With these values; undefined deletes. Many changes cost what looking at all entries does. */
  changed(changes: ReadonlyMap<string, V | undefined>): SortedTree<V> {
    if (changes.size < this.size >> 4) {
      let tree: SortedTree<V> = this;
      for (const [key, value] of changes) tree = value === undefined ? tree.delete(key) : tree.set(key, value);
      return tree;
    }
    const entries: (readonly [string, V])[] = [];
    const put = (key: string, value: V | undefined) => value !== undefined && entries.push([key, value]);
    const keys = [...changes.keys()].sort();
    let i = 0;
    this.scan('', undefined, (value, key) => {
      while (i < keys.length && keys[i]! < key) put(keys[i]!, changes.get(keys[i++]!));
      if (keys[i] === key) put(key, changes.get(keys[i++]!));
      else entries.push([key, value]);
      return undefined;
    });
    while (i < keys.length) put(keys[i]!, changes.get(keys[i++]!));
    return SortedTree.from(entries);
  }

  /** Values of keys that start with `prefix` and follow `after`, in order, until `visit` returns false. */
  scan(prefix: string, after: string | undefined, visit: (value: V, key: string) => boolean | undefined): void {
    const from = after !== undefined && after >= prefix ? after : prefix;
    const exclusive = from === after;
    for (let b = Math.max(0, floor(this.#first, from)); b < this.#branches.length; b++) {
      const { leaves, first } = this.#branches[b]!;
      for (let l = Math.max(0, floor(first, from)); l < leaves.length; l++) {
        const { keys, values } = leaves[l]!;
        for (let i = lowerBound(keys, from); i < keys.length; i++) {
          const key = keys[i]!;
          if (exclusive && key === after) continue;
          if (!key.startsWith(prefix)) return;
          if (visit(values[i]!, key) === false) return;
        }
      }
    }
  }

  /** How many keys start with `prefix` and follow `after`. */
  count(prefix: string, after?: string): number {
    let n = 0;
    this.scan(prefix, after, () => {
      n++;
      return undefined;
    });
    return n;
  }
}

function branchOf<V>(leaves: readonly Leaf<V>[]): Branch<V> {
  let size = 0;
  for (const l of leaves) size += l.keys.length;
  return { first: leaves.map(l => l.keys[0]!), leaves, size };
}

function halve<V>(leaf: Leaf<V>): Leaf<V>[] {
  const mid = leaf.keys.length >> 1;
  return [
    { keys: leaf.keys.slice(0, mid), values: leaf.values.slice(0, mid) },
    { keys: leaf.keys.slice(mid), values: leaf.values.slice(mid) },
  ];
}

function inserted<T>(list: readonly T[], at: number, value: T): T[] {
  const out = list.slice();
  out.splice(at, 0, value);
  return out;
}

/** Index of the last element not above `key`; -1 when all are. */
function floor(list: readonly string[], key: string): number {
  let lo = 0;
  let hi = list.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (list[mid]! <= key) lo = mid + 1;
    else hi = mid;
  }
  return lo - 1;
}

/** Index of the first element not below `key`. */
function lowerBound(list: readonly string[], key: string): number {
  let lo = 0;
  let hi = list.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (list[mid]! < key) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}
