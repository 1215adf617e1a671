// What discovery says that the garbage collector needs: resources to watch, and where to find an owner of some kind.
import type { ResourceRef } from '../../../api/ref.ts';
import type { ApiResourceList } from '../../api-resources.ts';

export interface Collectable {
  /** By `plural.group`: what can be listed, watched and deleted, each once in its preferred version. */
  readonly watched: ReadonlyMap<string, ResourceRef<any>>;
  /** By `Kind.group`. */
  readonly byKind: ReadonlyMap<string, ResourceRef<any>>;
}

// Events come and go by the thousand, own nothing and are not owned.
const ignored = new Set(['events.', 'events.events.k8s.io']);
const needed = ['list', 'watch', 'delete'];

/** `lists` of a group in order of preference. */
export function collectable(lists: readonly ApiResourceList[]): Collectable {
  const watched = new Map<string, ResourceRef<any>>();
  const byKind = new Map<string, ResourceRef<any>>();
  for (const { groupVersion, resources = [] } of lists) {
    const slash = groupVersion.indexOf('/');
    const group = slash < 0 ? '' : groupVersion.slice(0, slash);
    const version = groupVersion.slice(slash + 1);
    for (const { name, kind, namespaced, verbs } of resources) {
      if (name.includes('/')) continue;
      const resource = { group, version, resource: name, kind, namespaced };
      const kindId = `${kind}.${group}`;
      if (verbs.includes('get') && !byKind.has(kindId)) byKind.set(kindId, resource);
      const id = `${name}.${group}`;
      if (needed.every(v => verbs.includes(v)) && !ignored.has(id) && !watched.has(id)) watched.set(id, resource);
    }
  }
  return { watched, byKind };
}
