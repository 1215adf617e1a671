// Asks the server which resources it has: what is not listed here would outlive its namespace.
import type { Client } from '../../client/client.ts';
import { fetchResourceLists } from '../api-resources.ts';
import { type DeletableResource, deletableResources } from './kernel/api-documents.ts';

export interface Discovered {
  readonly resources: readonly DeletableResource[];
  /** One text a group version that did not answer. */
  readonly errors: readonly string[];
  readonly parseErrors: readonly string[];
}

export async function discoverDeletable(client: Client): Promise<Discovered> {
  const { lists, failed } = await fetchResourceLists(client);
  // What an aggregated server does not answer for, the discovery document of all groups calls stale.
  const errors = [...failed.keys()].map(gv => `${gv}: stale GroupVersion discovery: ${gv}`);
  return { ...deletableResources(lists), errors: errors.sort() };
}
