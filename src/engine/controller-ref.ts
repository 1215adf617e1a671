// Who controls an object: the owner reference with `controller: true`, and its adoption and release.
import type { KubeObject, ObjectKey } from '../api/meta.ts';
import { apiVersionOf, type ResourceRef } from '../api/ref.ts';
import { isInvalid, isNotFound } from '../api/status.ts';
import type { OwnerReference } from '../api/type/meta-v1.ts';
import type { Client } from '../client/client.ts';

export function controllerOf(object: KubeObject): OwnerReference | undefined {
  const references = object.metadata.ownerReferences;
  if (references) for (const reference of references) if (reference.controller) return reference;
  return undefined;
}

export function isControlledBy(object: KubeObject, owner: KubeObject): boolean {
  return controllerOf(object)?.uid === owner.metadata.uid;
}

/** The reference by which `owner`, an object of `resource`, controls another object. */
export function controllerRef(owner: KubeObject, resource: ResourceRef): OwnerReference {
  return {
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

export interface ClaimOptions<T extends KubeObject, O extends KubeObject> {
  readonly client: Client;
  readonly owner: O;
  readonly ownerResource: ResourceRef<O>;
  /** What `objects` are. */
  readonly resource: ResourceRef<T>;
  /** Does the owner's selector choose this object? */
  matches(object: T): boolean;
  /** Finalizers that an adopted object gets besides. */
  readonly finalizers?: readonly string[];
  /** Told of each object that was adopted or released, as it is since. */
  wrote?(object: T): void;
}

/**
 * The objects that belong to the owner: those it controls and selects, and orphans it selects, which it adopts. What it
 * controls and no longer selects it releases. Rejects when adopting or releasing failed for a reason other than that
 * the object is gone, after having tried all.
 */
export async function claimObjects<T extends KubeObject, O extends KubeObject>(
  objects: readonly T[],
  options: ClaimOptions<T, O>,
): Promise<T[]> {
  const canAdopt = ownerStillThere(options);
  const claimed: T[] = [];
  const errors: unknown[] = [];
  for (const object of objects) {
    try {
      // Nearly always it is the owner's own: without waiting a tick for each of thousands.
      if (isOwnSelected(object, options) || (await claim(object, options, canAdopt))) claimed.push(object);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, errors.map(e => (e as Error).message).join(', '));
  return claimed;
}

const isOwnSelected = <T extends KubeObject, O extends KubeObject>(object: T, o: ClaimOptions<T, O>): boolean =>
  isControlledBy(object, o.owner) && o.matches(object);

async function claim<T extends KubeObject, O extends KubeObject>(
  object: T,
  options: ClaimOptions<T, O>,
  canAdopt: () => Promise<void>,
): Promise<boolean> {
  const { owner, matches } = options;
  const ref = controllerOf(object);
  if (ref) {
    if (ref.uid !== owner.metadata.uid) return false;
    if (matches(object)) return true;
    if (!owner.metadata.deletionTimestamp) await release(object, options);
    return false;
  }
  if (owner.metadata.deletionTimestamp || object.metadata.deletionTimestamp || !matches(object)) return false;
  if (owner.metadata.namespace && owner.metadata.namespace !== object.metadata.namespace) return false;
  await canAdopt();
  return adopt(object, options);
}

async function adopt<T extends KubeObject, O extends KubeObject>(
  object: T,
  { client, owner, ownerResource, resource, finalizers, wrote }: ClaimOptions<T, O>,
): Promise<boolean> {
  const metadata = {
    ownerReferences: [controllerRef(owner, ownerResource)],
    uid: object.metadata.uid,
    ...(finalizers ? { finalizers } : {}),
  };
  try {
    const adopted = await client.patch(resource, keyIn(object), { type: 'strategic', body: { metadata } });
    wrote?.(adopted);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

async function release<T extends KubeObject, O extends KubeObject>(
  object: T,
  { client, owner, resource, finalizers, wrote }: ClaimOptions<T, O>,
): Promise<void> {
  const metadata = {
    ownerReferences: [{ $patch: 'delete', uid: owner.metadata.uid }],
    uid: object.metadata.uid,
    ...(finalizers ? { '$deleteFromPrimitiveList/finalizers': finalizers } : {}),
  };
  try {
    const released = await client.patch(resource, keyIn(object), { type: 'strategic', body: { metadata } });
    wrote?.(released);
  } catch (error) {
    // Gone, or a new object of the same name (its uid cannot be patched), or without owner references already.
    if (!isNotFound(error) && !isInvalid(error)) throw error;
  }
}

/** Asks the API server, not the cache, once, and only when there is something to adopt. */
function ownerStillThere<T extends KubeObject, O extends KubeObject>(options: ClaimOptions<T, O>): () => Promise<void> {
  let asked: Promise<void> | undefined;
  const { client, owner, ownerResource } = options;
  const ask = async () => {
    const fresh = await client.get(ownerResource, keyIn(owner));
    const name = owner.metadata.namespace ? `${owner.metadata.namespace}/${owner.metadata.name}` : owner.metadata.name;
    if (fresh.metadata.uid !== owner.metadata.uid)
      throw new Error(
        `original ${ownerResource.kind} ${name} is gone: got uid ${fresh.metadata.uid}, wanted ${owner.metadata.uid}`,
      );
    if (fresh.metadata.deletionTimestamp)
      throw new Error(`${name} has just been deleted at ${fresh.metadata.deletionTimestamp}`);
  };
  return () => {
    asked ??= ask();
    return asked;
  };
}

function keyIn(object: KubeObject): ObjectKey {
  const { name, namespace } = object.metadata;
  return namespace ? { namespace, name } : { name };
}
