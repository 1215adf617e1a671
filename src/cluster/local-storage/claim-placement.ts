// Chooses a node for claims that wait for no pod, and takes back a choice whose node is gone: the scheduler then chooses
// anew. Runs in the control plane, for a node that is gone cannot say so.
import { keyOf, parseKey } from '../../api/meta.ts';
import { coreV1, storageV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { Node, PersistentVolumeClaim } from '../../api/type/core-v1.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import {
  canHaveVolumes,
  localProvisioner,
  nodeForVolume,
  selectedNode,
  volumeNameOf,
  waitsForVolume,
} from './kernel/local-volume.ts';

export const claimPlacementAccount = 'local-storage-placement-controller';

export function claimPlacementController(): Controller {
  return {
    name: claimPlacementAccount,
    serviceAccount: claimPlacementAccount,
    component: localProvisioner,
    watches: [
      {
        resource: coreV1.persistentvolumeclaims,
        keys: (claim: PersistentVolumeClaim, _old, _context, deleted) =>
          !deleted && waitsForVolume(claim) ? [keyOf(claim)] : [],
      },
      {
        resource: coreV1.nodes,
        keys: (node: Node, old, context, deleted) => {
          const same =
            old && canHaveVolumes(old) === canHaveVolumes(node) && old.metadata.labels === node.metadata.labels;
          if (same && !deleted) return [];
          return context.lister(coreV1.persistentvolumeclaims).list().filter(waitsForVolume).map(keyOf);
        },
      },
    ],
    reads: [storageV1.storageclasses, coreV1.persistentvolumes],
    writes: ['persistentvolumeclaims', 'events'],
    // One after the other: each counts the volumes that are there.
    workers: 1,
    create: context => ({ reconcile: key => place(context, key) }),
  };
}

async function place(context: ControllerContext, key: string): Promise<void> {
  const { lister } = context;
  const claim = lister(coreV1.persistentvolumeclaims).get(key);
  if (!claim || !waitsForVolume(claim) || lister(coreV1.persistentvolumes).get(volumeNameOf(claim))) return;
  const storageClass = lister(storageV1.storageclasses).get(claim.spec?.storageClassName ?? '');
  if (!storageClass) return;
  const chosen = claim.metadata.annotations?.[selectedNode];
  if (chosen !== undefined) {
    if (await exists(context, chosen)) return;
    fail(context, claim, `failed to get target node: node ${JSON.stringify(chosen)} not found`);
  }
  if (storageClass.volumeBindingMode === 'WaitForFirstConsumer') {
    if (chosen !== undefined) await select(context, claim, null);
    return;
  }
  const node = nodeForVolume(lister(coreV1.nodes).list(), lister(coreV1.persistentvolumes).list(), storageClass);
  if (node !== undefined) await select(context, claim, node);
  else if (chosen !== undefined) await select(context, claim, null);
  else {
    const why = 'no node is ready for it';
    fail(context, claim, `failed to provision volume with StorageClass "${storageClass.metadata.name}": ${why}`);
  }
}

/** The local copy may not have a new node yet. */
async function exists({ client, lister }: ControllerContext, node: string): Promise<boolean> {
  if (lister(coreV1.nodes).get(node)) return true;
  try {
    await client.get(coreV1.nodes, { name: node });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

/** Fails with a conflict when the claim has changed: somebody else may have chosen. */
async function select({ client }: ControllerContext, claim: PersistentVolumeClaim, node: string | null): Promise<void> {
  const { uid, resourceVersion } = claim.metadata;
  const body = { metadata: { uid, resourceVersion, annotations: { [selectedNode]: node } } };
  await client.patch(coreV1.persistentvolumeclaims, parseKey(keyOf(claim)), { type: 'merge', body });
}

function fail({ events }: ControllerContext, claim: PersistentVolumeClaim, message: string): void {
  events.event(referenceTo(claim, coreV1.persistentvolumeclaims), 'Warning', 'ProvisioningFailed', message);
}
