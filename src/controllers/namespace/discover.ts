// Asks the server which resources it has: what is not listed here would outlive its namespace.
import { messageOf } from '../../base/assert.ts';
import type { Client } from '../../client/client.ts';
import {
  type ApiGroupList,
  type ApiResourceList,
  type DeletableResource,
  deletableResources,
} from './kernel/api-documents.ts';

export interface Discovered {
  readonly resources: readonly DeletableResource[];
  /** One text a group version that did not answer. */
  readonly errors: readonly string[];
  readonly parseErrors: readonly string[];
}

export async function discoverDeletable(client: Client): Promise<Discovered> {
  const errors: string[] = [];
  const { groups } = (await client.raw('/apis')) as ApiGroupList;
  const asked: { groupVersion: string; path: string }[] = [{ groupVersion: 'v1', path: '/api/v1' }];
  for (const { versions, preferredVersion } of groups) {
    const preferred = preferredVersion?.groupVersion;
    const ordered = versions.toSorted(
      (a, b) => Number(b.groupVersion === preferred) - Number(a.groupVersion === preferred),
    );
    for (const { groupVersion } of ordered) asked.push({ groupVersion, path: `/apis/${groupVersion}` });
  }
  const lists = await Promise.all(
    asked.map(async ({ groupVersion, path }) => {
      try {
        return (await client.raw(path)) as ApiResourceList;
      } catch (error) {
        errors.push(`${groupVersion}: ${messageOf(error)}`);
        return undefined;
      }
    }),
  );
  return { ...deletableResources(lists.filter(l => l !== undefined)), errors: errors.sort() };
}
