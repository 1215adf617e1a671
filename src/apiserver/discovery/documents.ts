// Discovery documents, made from the resource table.
import { createHash } from 'node:crypto';
import { apiVersionOf } from '../../api/ref.ts';
import type { Group, Resource, Subresource } from '../../api/resource.ts';
import type { RegisteredVersion } from '../aggregation/kernel/remote-discovery.ts';
import type { GroupEntry, ResourceEntry } from '../peer/kernel/merge-discovery.ts';

export interface Served {
  readonly groups: readonly Group[];
  readonly resources: readonly Resource[];
  /** What there are APIServices for. */
  readonly registered?: readonly RegisteredVersion[];
  /** Names of APIServices that are no more, though what they were for is served. */
  readonly withdrawn?: ReadonlySet<string>;
}

const hashes = new WeakMap<Resource, string | undefined>();

// Controllers ask for all documents twice a minute.
const storageVersionHash = (r: Resource) => hashes.getOrInsertComputed(r, hashOf);

/** base64 of the first 8 bytes of sha256 of `group/version/kind` as stored. */
function hashOf(r: Resource): string | undefined {
  if (!r.storedAs) return undefined;
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

const form = /^v(\d+)(?:(alpha|beta)(\d+))?$/;
const stage = (word: string | undefined) => (word === undefined ? 2 : word === 'beta' ? 1 : 0);

/** As Kubernetes orders versions: v2 before v1 before v1beta2 before v1alpha1 before anything else. */
function compareVersions(a: string, b: string): number {
  const x = form.exec(a);
  const y = form.exec(b);
  if (!x || !y) return x ? 1 : y ? -1 : a < b ? 1 : a > b ? -1 : 0;
  return stage(x[2]) - stage(y[2]) || Number(x[1]) - Number(y[1]) || Number(x[3] ?? 0) - Number(y[3] ?? 0);
}

const idOf = ({ group, version }: { readonly group: string; readonly version: string }) => `${group}/${version}`;

/** Every group version: as its APIService has it, and as the table has what has none. */
function versionsOf({ groups, resources, registered = [] }: Served): RegisteredVersion[] {
  const known = new Set(registered.map(idOf));
  const index = indexOf(resources);
  const others = groups.flatMap(({ name: group, priority: groupPriority, versions }) =>
    versions
      .map(({ version, priority }) => ({
        ...{ name: `${version}.${group}`, group, version, groupPriority },
        versionPriority: priority,
      }))
      .filter(v => index.has(idOf(v)) && !known.has(idOf(v))),
  );
  return [...registered, ...others];
}

/** By group, groups in the order of these versions, and the versions of each in theirs. */
function inGroups(versions: readonly RegisteredVersion[]): Map<string, RegisteredVersion[]> {
  const found = Map.groupBy(versions, v => v.group);
  for (const mine of found.values())
    mine.sort((a, b) => b.versionPriority - a.versionPriority || compareVersions(b.version, a.version));
  return found;
}

/** The groups of the list there was first: by priority, then by the name of an APIService. */
function listedGroups(served: Served): Map<string, RegisteredVersion[]> {
  const listed = versionsOf(served).filter(v => v.group !== '' && !served.withdrawn?.has(v.name));
  return inGroups(listed.sort((a, b) => b.groupPriority - a.groupPriority || (a.name < b.name ? -1 : 1)));
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
export function apiGroup(served: Served, name: string): object | undefined {
  if (name === '') return undefined;
  const versions = listedGroups(served).get(name) ?? inGroups(versionsOf(served)).get(name);
  return versions && { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(name, versions) };
}

function groupOf(name: string, versions: readonly RegisteredVersion[]): object {
  const entries = versions.map(({ version }) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: entries, preferredVersion: entries[0] };
}

export function apiGroupList(served: Served): object {
  const groups = [...listedGroups(served)].map(([name, versions]) => groupOf(name, versions));
  return { kind: 'APIGroupList', apiVersion: 'v1', groups };
}

export function apiVersions(serverAddress: string): object {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  };
}

export interface AggregatedDiscovery {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: object;
  readonly items: readonly GroupEntry[];
}

/** APIGroupDiscoveryList: of the core group (`/api`) or of all others (`/apis`), by priority, then by name. */
export function aggregatedDiscovery(served: Served, core: boolean): AggregatedDiscovery {
  const index = indexOf(served.resources);
  const shown = versionsOf(served).filter(v => (v.group === '') === core && (v.remote || index.has(idOf(v))));
  const groups = [...inGroups(shown)].map(([name, versions]) => ({
    ...{ name, versions },
    priority: Math.max(...versions.map(v => v.groupPriority)),
  }));
  groups.sort((a, b) => b.priority - a.priority || (a.name < b.name ? -1 : 1));
  const items = groups.map(({ name, versions }) => ({
    metadata: name ? { name } : {},
    versions: versions.map(v => ({ version: v.version, ...resourcesOf(v, index.get(idOf(v)) ?? []) })),
  }));
  return { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items };
}

function resourcesOf({ remote }: RegisteredVersion, mine: readonly Resource[]) {
  if (!remote) return { resources: mine.toSorted(byName).map(aggregatedResource), freshness: 'Current' };
  // Of who does not answer nobody knows anything.
  return remote.resources
    ? { resources: remote.resources as readonly ResourceEntry[], freshness: 'Current' }
    : { freshness: 'Stale' };
}

function aggregatedResource(r: Resource): ResourceEntry {
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
