// What APIServices and the servers behind them say is served, for this server's own discovery.

/** A group version as its APIService has it. */
export interface RegisteredVersion {
  /** Of the APIService. */
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly groupPriority: number;
  readonly versionPriority: number;
  /** Another server serves it. */
  readonly remote?: {
    /** Entries of aggregated discovery, from the last answer; undefined while the server does not answer. */
    readonly resources: readonly object[] | undefined;
  };
}

interface ApiResource {
  readonly name: string;
  readonly singularName?: string;
  readonly namespaced?: boolean;
  readonly group?: string;
  readonly version?: string;
  readonly kind?: string;
  readonly verbs?: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
}

/** From an APIResourceList to entries of aggregated discovery. Kinds say no more of their group than the list does. */
export function aggregatedEntries(list: unknown): object[] {
  const all = ((list as { resources?: readonly ApiResource[] } | null)?.resources ?? []).filter(r => r?.name);
  const subresources = new Map<string, object[]>();
  const scopes = new Map<string, string>();
  for (const r of all) {
    const slash = r.name.indexOf('/');
    if (slash < 0) continue;
    const parent = r.name.slice(0, slash);
    const entries = subresources.get(parent) ?? [];
    entries.push({ subresource: r.name.slice(slash + 1), responseKind: kindOf(r), verbs: r.verbs ?? null });
    subresources.set(parent, entries);
    if (!scopes.has(parent)) scopes.set(parent, scopeOf(r));
  }
  const whole = all.filter(r => !r.name.includes('/'));
  const named = new Set(whole.map(r => r.name));
  const entries: object[] = whole.map(r => ({
    resource: r.name,
    responseKind: kindOf(r),
    scope: scopeOf(r),
    singularResource: r.singularName ?? '',
    verbs: r.verbs ?? null,
    ...(r.shortNames?.length ? { shortNames: r.shortNames } : {}),
    ...(r.categories?.length ? { categories: r.categories } : {}),
    ...(subresources.has(r.name) ? { subresources: subresources.get(r.name) } : {}),
  }));
  // Subresources of what is not listed itself.
  for (const [resource, found] of subresources)
    if (!named.has(resource))
      entries.push({
        resource,
        responseKind: { group: '', version: '', kind: '' },
        scope: scopes.get(resource),
        singularResource: '',
        verbs: null,
        subresources: found,
      });
  return entries;
}

const scopeOf = (r: ApiResource) => (r.namespaced ? 'Namespaced' : 'Cluster');
const kindOf = (r: ApiResource) => ({ group: r.group ?? '', version: r.version ?? '', kind: r.kind ?? '' });

const aggregatedType = /;\s*as=APIGroupDiscoveryList\b/;
/** What to accept for a document of all groups at once. */
export const aggregatedAccept = ['v2', 'v2beta1']
  .map(version => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`)
  .join(',');

interface GroupDiscovery {
  readonly metadata?: { readonly name?: string };
  readonly versions?: readonly { readonly version?: string; readonly resources?: readonly object[] }[];
}

/** What an answer to `aggregatedAccept` says of one group version; undefined when it is another document. */
export function entriesOf(contentType: string, content: unknown, group: string, version: string): object[] | undefined {
  if (!aggregatedType.test(contentType)) return undefined;
  const items = (content as { items?: readonly GroupDiscovery[] } | null)?.items ?? [];
  const found = items.find(i => i.metadata?.name === group)?.versions?.find(v => v.version === version);
  return found ? [...(found.resources ?? [])] : undefined;
}
