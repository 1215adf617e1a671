// Discovery documents, made from the resource table.
import { createHash } from 'node:crypto';
import { apiVersionOf } from '../../api/ref.ts';
import type { Group, Resource, Subresource } from '../../api/resource.ts';
import type { RemoteVersion } from '../aggregation/kernel/remote-discovery.ts';

export interface Served {
  readonly groups: readonly Group[];
  readonly resources: readonly Resource[];
  /** What other servers serve; none of it is in `resources`. */
  readonly remote?: readonly RemoteVersion[];
}

const hashes = new WeakMap<Resource, string | undefined>();

// Controllers ask for all documents twice a minute.
const storageVersionHash = (r: Resource) => hashes.getOrInsertComputed(r, hashOf);

/** base64 of the first 8 bytes of sha256 of `group/version/kind` as stored. */
function hashOf(r: Resource): string | undefined {
  if (!r.storedAs || (r.custom && r.storedAs !== apiVersionOf(r))) return undefined;
  return createHash('sha256')
    .update(`${r.storedAs.includes('/') ? r.storedAs : `/${r.storedAs}`}/${r.kind}`)
    .digest()
    .subarray(0, 8)
    .toString('base64');
}

function responseKind(resource: Resource, sub: Subresource) {
  const [group, version] = sub.apiVersion ? splitVersion(sub.apiVersion) : [resource.group, resource.version];
  return { group, version, kind: sub.kind };
}

function splitVersion(apiVersion: string): [group: string, version: string] {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? ['', apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)];
}

const byName = (a: Resource, b: Resource) => (a.resource < b.resource ? -1 : 1);

const indexes = new WeakMap<readonly Resource[], Map<string, Resource[]>>();

/** Resources by `group/version`. */
function indexOf(resources: readonly Resource[]): ReadonlyMap<string, readonly Resource[]> {
  let index = indexes.get(resources);
  if (!index) {
    index = new Map();
    for (const r of resources) {
      const id = `${r.group}/${r.version}`;
      const list = index.get(id);
      if (list) list.push(r);
      else index.set(id, [r]);
    }
    indexes.set(resources, index);
  }
  return index;
}

function versionsOf({ resources, remote = [] }: Served, group: Group): string[] {
  const elsewhere = remote
    .filter(v => v.group === group.name)
    .map(v => ({ version: v.version, priority: v.versionPriority }));
  return group.versions
    .filter(v => indexOf(resources).has(`${group.name}/${v.version}`))
    .map(({ version, priority }) => ({ version, priority }))
    .concat(elsewhere)
    .toSorted((a, b) => b.priority - a.priority || compareVersions(b.version, a.version))
    .map(v => v.version);
}

const form = /^v(\d+)(?:(alpha|beta)(\d+))?$/;
const stage = (word: string | undefined) => (word === undefined ? 2 : word === 'beta' ? 1 : 0);

/** As Kubernetes orders versions: v2 before v1 before v1beta2 before v1alpha1 before anything else. */
function compareVersions(a: string, b: string): number {
  const x = form.exec(a);
  const y = form.exec(b);
  if (!x || !y) return x ? 1 : y ? -1 : a < b ? 1 : a > b ? -1 : 0;
  return stage(x[2]) - stage(y[2]) || Number(x[1]) - Number(y[1]) || Number(x[3] ?? 0) - Number(y[3] ?? 0);
}

/** Groups of the table and those that only other servers serve. */
function groupsOf({ groups, remote }: Served): readonly Group[] {
  if (!remote?.length) return groups;
  const known = new Set(groups.map(g => g.name));
  const more = new Map<string, Group>();
  for (const { group, groupPriority } of remote) {
    if (known.has(group)) continue;
    const priority = Math.max(groupPriority, more.get(group)?.priority ?? 0);
    more.set(group, { name: group, preferredVersion: '', priority, versions: [] });
  }
  return [...groups, ...more.values()];
}

function servedGroups(served: Served): Group[] {
  return groupsOf(served)
    .filter(g => versionsOf(served, g).length > 0)
    .toSorted((a, b) => b.priority - a.priority || (a.name < b.name ? -1 : 1));
}

/** APIResourceList of one group version; undefined when it is not served. */
export function resourceList(served: Served, group: string, version: string): object | undefined {
  const mine = (indexOf(served.resources).get(`${group}/${version}`) ?? []).toSorted(byName);
  if (mine.length === 0) return undefined;
  const resources = mine.flatMap(r => {
    const hash = storageVersionHash(r);
    const own = {
      name: r.resource,
      singularName: r.singular,
      namespaced: r.namespaced,
      kind: r.kind,
      verbs: r.verbs,
      ...(r.shortNames.length ? { shortNames: r.shortNames } : {}),
      ...(r.categories.length ? { categories: r.categories } : {}),
      ...(hash ? { storageVersionHash: hash } : {}),
    };
    const subs = [...r.subresources.values()].map(s => {
      const k = responseKind(r, s);
      return {
        name: `${r.resource}/${s.name}`,
        singularName: '',
        namespaced: r.namespaced,
        ...(s.apiVersion ? { group: k.group, version: k.version } : {}),
        kind: s.kind,
        verbs: s.verbs,
      };
    });
    // Those of custom resources: status, then scale.
    return [own, ...(r.custom ? subs : subs.toSorted((a, b) => (a.name < b.name ? -1 : 1)))];
  });
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersionOf({ group, version }), resources };
}

/** APIGroup; undefined for the core group and for what is not served. */
export function apiGroup(served: Served, name: string, root = true): object | undefined {
  const group = groupsOf(served).find(g => g.name === name && g.name !== '');
  const versions = group ? versionsOf(served, group) : [];
  if (!group || versions.length === 0) return undefined;
  const entry = (version: string) => ({ groupVersion: `${name}/${version}`, version });
  const preferred = versions.includes(group.preferredVersion) ? group.preferredVersion : versions[0]!;
  return {
    ...(root ? { kind: 'APIGroup', apiVersion: 'v1' } : {}),
    name,
    versions: versions.map(entry),
    preferredVersion: entry(preferred),
  };
}

export function apiGroupList(served: Served): object {
  const groups = servedGroups(served)
    .filter(g => g.name !== '')
    .map(g => apiGroup(served, g.name, false));
  return { kind: 'APIGroupList', apiVersion: 'v1', groups };
}

export function apiVersions(serverAddress: string): object {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  };
}

/** APIGroupDiscoveryList: of the core group (`/api`) or of all others (`/apis`). */
export function aggregatedDiscovery(served: Served, core: boolean): object {
  const items = servedGroups(served)
    .filter(g => (g.name === '') === core)
    .map(g => ({
      metadata: g.name ? { name: g.name } : {},
      versions: versionsOf(served, g).map(v => ({
        version: v,
        ...resourcesOf(served, g.name, v),
      })),
    }));
  return { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items };
}

function resourcesOf({ resources, remote }: Served, group: string, version: string) {
  const elsewhere = remote?.find(v => v.group === group && v.version === version);
  if (elsewhere) return { resources: elsewhere.resources, freshness: elsewhere.fresh ? 'Current' : 'Stale' };
  const mine = indexOf(resources).get(`${group}/${version}`) ?? [];
  return { resources: mine.toSorted(byName).map(aggregatedResource), freshness: 'Current' };
}

function aggregatedResource(r: Resource): object {
  const subresources = [...r.subresources.values()]
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(s => ({ subresource: s.name, responseKind: responseKind(r, s), verbs: s.verbs }));
  return {
    resource: r.resource,
    responseKind: { group: r.group, version: r.version, kind: r.kind },
    scope: r.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: r.singular,
    verbs: r.verbs,
    ...(r.shortNames.length ? { shortNames: r.shortNames } : {}),
    ...(r.categories.length ? { categories: r.categories } : {}),
    ...(subresources.length ? { subresources } : {}),
  };
}
