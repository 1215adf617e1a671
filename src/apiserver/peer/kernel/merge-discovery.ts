// What several servers serve, as one document: the order of the servers' names decides where they do not agree.

interface KindEntry {
  readonly group?: string;
  readonly version?: string;
  readonly kind?: string;
}

interface SubresourceEntry {
  readonly subresource: string;
  readonly responseKind?: KindEntry;
  readonly verbs?: readonly string[] | null;
}

export interface ResourceEntry {
  readonly resource: string;
  readonly scope?: string;
  readonly singularResource?: string;
  readonly responseKind?: KindEntry;
  readonly verbs?: readonly string[] | null;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly subresources?: readonly SubresourceEntry[];
}

export interface VersionEntry {
  readonly version: string;
  readonly resources?: readonly ResourceEntry[];
  readonly freshness?: string;
}

/** An item of an APIGroupDiscoveryList. */
export interface GroupEntry {
  readonly metadata?: { readonly name?: string };
  readonly versions: readonly VersionEntry[];
}

export const nameOf = ({ metadata }: GroupEntry): string => metadata?.name ?? '';

/** Of servers by name, this one among them. */
export function mergeGroups(servers: ReadonlyMap<string, readonly GroupEntry[]>): GroupEntry[] {
  const lists = [...servers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, groups]) => groups);
  const merged = new Map<string, GroupEntry>();
  for (const group of lists.flat()) {
    const known = merged.get(nameOf(group));
    merged.set(nameOf(group), known ? { ...known, versions: mergeVersions(known.versions, group.versions) } : group);
  }
  return inOrder(lists.map(groups => groups.map(nameOf))).map(name => merged.get(name)!);
}

function mergeVersions(some: readonly VersionEntry[], more: readonly VersionEntry[]): VersionEntry[] {
  return mergeBy(
    some,
    more,
    v => v.version,
    (a, b) => {
      const resources = mergeBy(a.resources ?? [], b.resources ?? [], r => r.resource, mergeResource);
      return { ...a, ...(resources.length ? { resources } : {}) };
    },
  );
}

/** Its kind, scope and names are those of the first. */
function mergeResource(a: ResourceEntry, b: ResourceEntry): ResourceEntry {
  if (JSON.stringify(a) === JSON.stringify(b)) return a;
  const verbs = [...new Set([...(a.verbs ?? []), ...(b.verbs ?? [])])].sort();
  const subresources = new Map([...(a.subresources ?? []), ...(b.subresources ?? [])].map(s => [s.subresource, s]));
  const sorted = [...subresources.values()].sort((x, y) => (x.subresource < y.subresource ? -1 : 1));
  return { ...a, verbs, ...(sorted.length ? { subresources: sorted } : {}) };
}

function mergeBy<T>(
  some: readonly T[],
  more: readonly T[],
  keyOf: (entry: T) => string,
  merge: (a: T, b: T) => T,
): T[] {
  const merged = new Map(some.map(entry => [keyOf(entry), entry]));
  for (const entry of more) {
    const known = merged.get(keyOf(entry));
    merged.set(keyOf(entry), known ? merge(known, entry) : entry);
  }
  return inOrder([some.map(keyOf), more.map(keyOf)]).map(key => merged.get(key)!);
}

/**
 * All names in an order that every list agrees with, by name where nothing else decides. Where lists contradict each
 * other, the first that has all names is the order; without one it is by name.
 */
function inOrder(lists: readonly (readonly string[])[]): string[] {
  const names = [...new Set(lists.flat())].sort();
  const sorted = sortedByAll(names, lists);
  return sorted.length === names.length ? sorted : [...(lists.find(list => list.length === names.length) ?? names)];
}

/** Ends early when lists contradict each other. */
function sortedByAll(names: readonly string[], lists: readonly (readonly string[])[]): string[] {
  const before = new Map(names.map(name => [name, new Set<string>()]));
  for (const list of lists) for (let i = 1; i < list.length; i++) before.get(list[i]!)!.add(list[i - 1]!);
  const sorted: string[] = [];
  for (;;) {
    const next = names.find(name => before.has(name) && before.get(name)!.size === 0);
    if (next === undefined) return sorted;
    sorted.push(next);
    before.delete(next);
    for (const others of before.values()) others.delete(next);
  }
}
