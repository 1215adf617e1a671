import type { ResourceRef } from '../api/ref.ts';
import type { APIGroupList, APIResourceList } from '../api/type/meta-v1.ts';
import type { Client } from './client.ts';

/**
 * Whether the server's discovery says that it has no such resource, as one of another version does; false when it does
 * not answer as an API server would: a 404 alone may come from whatever stands before it.
 */
export async function isUnserved(client: Client, resource: ResourceRef): Promise<boolean> {
  const { group, version } = resource;
  if (!group) return false;
  try {
    const { groups } = (await client.raw('/apis')) as APIGroupList;
    if (!groups.some(g => g.name === 'apps')) return false;
    if (!groups.some(g => g.name === group && g.versions.some(v => v.version === version))) return true;
    const { resources } = (await client.raw(`/apis/${group}/${version}`)) as APIResourceList;
    return !resources.some(r => r.name === resource.resource);
  } catch {
    return false;
  }
}
