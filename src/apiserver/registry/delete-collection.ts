import { isNotFound, StatusError } from '../../api/status.ts';
import { type DeleteRequest, deleteObject } from './delete.ts';
import type { Registry, WriteContext } from './registry.ts';
import type { Stored } from './stored.ts';

const parallel = 256;

/** Deletes each of `items`, many at once so that they share commits; what is gone by then is skipped. */
export async function deleteCollection(
  registry: Registry,
  items: readonly Stored[],
  request: DeleteRequest,
  context: WriteContext,
): Promise<void> {
  const asked = { ...context, collection: true };
  let failure: unknown;
  for (let i = 0; i < items.length && !failure; i += parallel) {
    await Promise.all(
      items.slice(i, i + parallel).map(async item => {
        const { name, namespace, uid } = item.object.metadata;
        try {
          const preconditions = { ...request.preconditions, uid: request.preconditions?.uid ?? uid };
          const key = { name, ...(namespace ? { namespace } : {}) };
          await deleteObject(registry, key, { ...request, preconditions }, asked);
        } catch (error) {
          // A namesake made in between was not asked for.
          const replaced = error instanceof StatusError && error.reason === 'Conflict' && !request.preconditions;
          if (!isNotFound(error) && !replaced) failure ??= error;
        }
      }),
    );
  }
  if (failure) throw failure;
}
