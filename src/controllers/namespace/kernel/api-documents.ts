// What the server's discovery documents say about namespaced resources.
import type { ResourceRef } from '../../../api/ref.ts';
import type { ApiResourceList } from '../../api-resources.ts';

export interface DeletableResource extends ResourceRef<any> {
  readonly verbs: readonly string[];
}

/** Undefined: not a group version. */
export function parseGroupVersion(text: string): { group: string; version: string } | undefined {
  const parts = text.split('/');
  if (parts.length > 2) return undefined;
  return parts.length === 1 ? { group: '', version: parts[0]! } : { group: parts[0]!, version: parts[1]! };
}

/**
 * Namespaced resources that can be deleted, each once, in its group's preferred version where that has it. `lists` of a
 * group in order of preference. Also gives the group versions that cannot be read.
 */
export function deletableResources(lists: readonly ApiResourceList[]): {
  resources: DeletableResource[];
  parseErrors: string[];
} {
  const found = new Map<string, DeletableResource>();
  const parseErrors: string[] = [];
  for (const list of lists) {
    const parsed = parseGroupVersion(list.groupVersion);
    if (!parsed) {
      parseErrors.push(`unexpected GroupVersion string: ${list.groupVersion}`);
      continue;
    }
    for (const r of list.resources ?? []) {
      const { name, kind, verbs } = r;
      if (!r.namespaced || name.includes('/') || !verbs.includes('delete')) continue;
      const id = `${name}.${parsed.group}`;
      if (!found.has(id)) found.set(id, { ...parsed, resource: name, kind, namespaced: true, verbs });
    }
  }
  return { resources: [...found.values()], parseErrors };
}
