// What an aggregated server says it serves, as one entry of this server's own discovery.

export interface RemoteVersion {
  readonly group: string;
  readonly version: string;
  readonly groupPriority: number;
  readonly versionPriority: number;
  /** Entries of aggregated discovery, from the last answer. */
  readonly resources: readonly object[];
  /** The server answers at present. */
  readonly fresh: boolean;
}

interface ApiResource {
  readonly name: string;
  readonly singularName?: string;
  readonly namespaced?: boolean;
  readonly group?: string;
  readonly version?: string;
  readonly kind: string;
  readonly verbs?: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
}

/** From an APIResourceList to entries of aggregated discovery. */
export function aggregatedEntries(group: string, version: string, list: unknown): object[] {
  const all = ((list as { resources?: readonly ApiResource[] }).resources ?? []).filter(r => r?.name);
  const subresources = new Map<string, object[]>();
  for (const r of all) {
    const slash = r.name.indexOf('/');
    if (slash < 0) continue;
    const parent = r.name.slice(0, slash);
    const entries = subresources.get(parent) ?? [];
    entries.push({ subresource: r.name.slice(slash + 1), responseKind: kindOf(r), verbs: r.verbs ?? [] });
    subresources.set(parent, entries);
  }
  return all
    .filter(r => !r.name.includes('/'))
    .map(r => ({
      resource: r.name,
      responseKind: kindOf(r),
      scope: r.namespaced ? 'Namespaced' : 'Cluster',
      singularResource: r.singularName ?? '',
      verbs: r.verbs ?? [],
      ...(r.shortNames?.length ? { shortNames: r.shortNames } : {}),
      ...(r.categories?.length ? { categories: r.categories } : {}),
      ...(subresources.has(r.name) ? { subresources: subresources.get(r.name) } : {}),
    }));

  function kindOf(r: ApiResource) {
    return { group: r.group || group, version: r.version || version, kind: r.kind };
  }
}
