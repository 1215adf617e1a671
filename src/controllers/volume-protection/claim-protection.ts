// persistentvolumeclaim-protection-controller: a claim outlives the pods that use it.
import { keyOf, parseKey } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import type { PersistentVolumeClaim, Pod } from '../../api/type/core-v1.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { claimKeysOf } from '../kernel/pod-claim.ts';
import { protection, setFinalizer } from './finalizer.ts';
import { usesClaim } from './kernel/claim-use.ts';

const finalizer = 'kubernetes.io/pvc-protection';
const byClaim = 'claim';

export function claimProtectionController(): Controller {
  return {
    name: 'persistentvolumeclaim-protection-controller',
    queue: 'pvcprotection',
    serviceAccount: 'pvc-protection-controller',
    watches: [
      {
        resource: coreV1.persistentvolumeclaims,
        keys: (c: PersistentVolumeClaim) => (protection(c, finalizer) ? [keyOf(c)] : []),
      },
      {
        resource: coreV1.pods,
        // Only the end of a use can let a claim go.
        keys: (pod: Pod, old: Pod | undefined, _context, deleted) => {
          if (deleted) return claimKeysOf(pod);
          return old && old.metadata.uid !== pod.metadata.uid ? claimKeysOf(old) : [];
        },
      },
    ],
    indexes: [{ resource: coreV1.pods, name: byClaim, values: claimKeysOf }],
    writes: ['persistentvolumeclaims'],
    create: context => ({ reconcile: key => reconcile(key, context) }),
  };
}

async function reconcile(key: string, context: ControllerContext): Promise<void> {
  const claim = context.lister(coreV1.persistentvolumeclaims).get(key);
  const action = claim && protection(claim, finalizer);
  if (!claim || !action) return;
  if (action === 'add') await setFinalizer(context.client, coreV1.persistentvolumeclaims, claim, finalizer, true);
  else if (!(await isUsed(key, claim, context)))
    await setFinalizer(context.client, coreV1.persistentvolumeclaims, claim, finalizer, false);
}

/** The local copy may lack a pod that was let in just now: before a claim goes, the server is asked too. */
async function isUsed(key: string, claim: PersistentVolumeClaim, context: ControllerContext): Promise<boolean> {
  const known = context.lister(coreV1.pods).byIndex(byClaim, key);
  if (known.some(pod => usesClaim(pod, claim))) return true;
  const { namespace } = parseKey(key);
  const { items } = await context.client.list(coreV1.pods, { namespace: namespace! });
  return items.some(pod => usesClaim(pod, claim));
}
