// Bodies of patches to owner references and finalizers: strategic for what knows it, whole lists for the rest.
import type { KubeObject } from '../../../api/meta.ts';
import type { Patch } from '../../../client/client.ts';

/** The references to these uids go. */
export function dropOwners(object: KubeObject, uids: ReadonlySet<string>, strategic: boolean): Patch {
  const { uid, ownerReferences = [], resourceVersion } = object.metadata;
  if (strategic)
    return {
      type: 'strategic',
      body: { metadata: { uid, ownerReferences: [...uids].map(u => ({ $patch: 'delete', uid: u })) } },
    };
  const rest = ownerReferences.filter(o => !uids.has(o.uid));
  return { type: 'merge', body: { metadata: { uid, resourceVersion, ownerReferences: rest.length ? rest : null } } };
}

/** No owner waits for this object any more. */
export function unblockOwners(object: KubeObject, strategic: boolean): Patch {
  const { uid, ownerReferences = [], resourceVersion } = object.metadata;
  if (strategic)
    return {
      type: 'strategic',
      body: {
        metadata: { uid, ownerReferences: ownerReferences.map(o => ({ uid: o.uid, blockOwnerDeletion: false })) },
      },
    };
  const all = ownerReferences.map(o => ({ ...o, blockOwnerDeletion: false }));
  return { type: 'merge', body: { metadata: { uid, resourceVersion, ownerReferences: all } } };
}

/** Only onto the very object that was read: others add and remove finalizers too. */
export function dropFinalizer(object: KubeObject, finalizer: string): Patch {
  const { uid, finalizers = [], resourceVersion } = object.metadata;
  const rest = finalizers.filter(f => f !== finalizer);
  return { type: 'merge', body: { metadata: { uid, resourceVersion, finalizers: rest.length ? rest : null } } };
}
