// The documents of single groups for this server's own controllers: what only other servers serve is among them, so
// that nothing of it is taken for gone. Clients from outside get it by the document of all groups alone.
import { type GroupEntry, nameOf, type ResourceEntry } from './merge-discovery.ts';

interface ListedGroup {
  readonly name: string;
  readonly versions: readonly { readonly groupVersion: string; readonly version: string }[];
}

interface ListedResource {
  readonly name: string;
}

/** `own`: this server's document at `path`, if there is one; `groups`: what all servers serve. */
export function withOthers(own: object | undefined, path: string, groups: readonly GroupEntry[]): object | undefined {
  const [, prefix, group = '', version, more] = path.split('/');
  if (more !== undefined) return own;
  if (prefix === 'api') return group ? withResources(own, groups, '', group) : own;
  if (prefix !== 'apis') return own;
  if (version) return withResources(own, groups, group, version);
  const entry = groups.find(g => nameOf(g) === group);
  if (group) return entry ? withVersions(own as ListedGroup | undefined, entry) : own;
  const listed = (own as { groups?: readonly ListedGroup[] } | undefined)?.groups ?? [];
  const others = groups.filter(g => !listed.some(({ name }) => name === nameOf(g)));
  const known = listed.map(one => withVersions(one, groups.find(g => nameOf(g) === one.name) ?? { versions: [] }));
  return { ...own, groups: [...known, ...others.map(g => groupOf(g))] };
}

function withVersions(own: ListedGroup | undefined, group: GroupEntry): object {
  if (!own) return { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(group) };
  const others = groupOf(group).versions.filter(v => !own.versions.some(({ version }) => version === v.version));
  return { ...own, versions: [...own.versions, ...others] };
}

function groupOf(group: GroupEntry) {
  const name = nameOf(group);
  const versions = group.versions.map(({ version }) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions, preferredVersion: versions[0] };
}

function withResources(
  own: object | undefined,
  groups: readonly GroupEntry[],
  group: string,
  version: string,
): object | undefined {
  const entries = groups.find(g => nameOf(g) === group)?.versions.find(v => v.version === version)?.resources;
  if (!entries) return own;
  const groupVersion = group ? `${group}/${version}` : version;
  const list = own ?? { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: [] };
  const { resources } = list as { resources: readonly ListedResource[] };
  const known = new Set(resources.map(({ name }) => name.split('/')[0]));
  const others = entries.filter(({ resource }) => !known.has(resource)).flatMap(listedOf);
  return others.length ? { ...list, resources: [...resources, ...others] } : own;
}

function listedOf(entry: ResourceEntry): object[] {
  const { resource, scope, singularResource, responseKind, verbs, shortNames, categories, subresources = [] } = entry;
  const namespaced = scope === 'Namespaced';
  const same = { ...(shortNames ? { shortNames } : {}), ...(categories ? { categories } : {}) };
  return [
    { name: resource, singularName: singularResource, namespaced, kind: responseKind?.kind, verbs, ...same },
    ...subresources.map(sub => ({
      ...{ name: `${resource}/${sub.subresource}`, singularName: '', namespaced },
      ...{ kind: sub.responseKind?.kind, verbs: sub.verbs },
    })),
  ];
}
