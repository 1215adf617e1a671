// The server's discovery documents: which resources there are.
import { messageOf } from '../base/assert.ts';
import type { Client } from '../client/client.ts';

export interface ApiResourceList {
  readonly groupVersion: string;
  readonly resources?: readonly {
    readonly name: string;
    readonly kind: string;
    readonly namespaced: boolean;
    readonly verbs: readonly string[];
    readonly group?: string;
    readonly version?: string;
  }[];
}

interface ApiGroupList {
  readonly groups: readonly {
    readonly name: string;
    readonly versions: readonly { readonly groupVersion: string; readonly version: string }[];
    readonly preferredVersion?: { readonly groupVersion: string };
  }[];
}

export interface FetchedLists {
  /** The core group first; of each group the preferred version first. */
  readonly lists: readonly ApiResourceList[];
  /** Group versions that did not answer, with the reason. */
  readonly failed: ReadonlyMap<string, string>;
}

/** Rejects when not even the list of groups can be had. */
export async function fetchResourceLists(client: Client): Promise<FetchedLists> {
  const failed = new Map<string, string>();
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
        failed.set(groupVersion, messageOf(error));
        return undefined;
      }
    }),
  );
  return { lists: lists.filter(l => l !== undefined), failed };
}
