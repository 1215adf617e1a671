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
  const errors = [...failed].map(([groupVersion, why]) => `${groupVersion}: ${why}`);
  return { ...deletableResources(lists), errors: errors.sort() };
}
