import { cloneDeep, type Draft, type KubeObject } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { isNotFound } from '../../api/status.ts';
import type { Client } from '../../client/client.ts';

export const hasFinalizer = ({ metadata }: KubeObject, finalizer: string): boolean =>
  metadata.finalizers?.includes(finalizer) ?? false;

/** What to do about a finalizer that keeps an object while it is used. */
export function protection(object: KubeObject, finalizer: string): 'add' | 'removeIfUnused' | undefined {
  if (!object.metadata.deletionTimestamp) return hasFinalizer(object, finalizer) ? undefined : 'add';
  return hasFinalizer(object, finalizer) ? 'removeIfUnused' : undefined;
}

/** Adds or removes it; of an object that is gone there is nothing to change. */
export async function setFinalizer<T extends KubeObject>(
  client: Client,
  resource: ResourceRef<T>,
  object: T,
  finalizer: string,
  wanted: boolean,
): Promise<void> {
  const draft = cloneDeep(object) as Draft<KubeObject>;
  const others = (object.metadata.finalizers ?? []).filter(f => f !== finalizer);
  draft.metadata = { ...draft.metadata, finalizers: wanted ? [...others, finalizer] : others };
  try {
    await client.update(resource, draft as Draft<T>);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
