import { cloneDeep, type Draft, type KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { isNotFound } from '../api/status.ts';
import type { Client } from '../client/client.ts';

/** Resolves with what was written; undefined when the object is gone, whose status concerns nobody. */
export async function writeStatus<T extends KubeObject & { readonly status?: unknown }>(
  client: Client,
  resource: ResourceRef<T>,
  object: T,
  status: NonNullable<T['status']>,
): Promise<T | undefined> {
  try {
    return await client.updateStatus(resource, { ...cloneDeep(object), status } as Draft<T>);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
