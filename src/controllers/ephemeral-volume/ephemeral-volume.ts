// ephemeral-volume-controller: makes the claims that pods carry the template of.
import { type Draft, keyOf } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import type { PersistentVolumeClaim, Pod, Volume } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { controllerOf } from '../../engine/controller-ref.ts';

export function ephemeralVolumeController(): Controller {
  return {
    name: 'ephemeral-volume-controller',
    queue: 'ephemeral_volume',
    serviceAccount: 'ephemeral-volume-controller',
    component: 'ephemeral_volume',
    watches: [
      {
        resource: coreV1.pods,
        // A pod's volumes never change.
        keys: (pod: Pod, old) =>
          !old && !pod.metadata.deletionTimestamp && ephemeralOf(pod).length ? [keyOf(pod)] : [],
      },
      {
        resource: coreV1.persistentvolumeclaims,
        // A claim that is gone must come again, as long as its pod lives.
        keys: (claim: PersistentVolumeClaim, _old, _context, deleted) => {
          const owner = deleted ? controllerOf(claim) : undefined;
          return owner?.kind === 'Pod' ? [`${claim.metadata.namespace}/${owner.name}`] : [];
        },
      },
    ],
    writes: ['persistentvolumeclaims', 'events'],
    create: context => ({ reconcile: key => reconcile(key, context) }),
  };
}

const ephemeralOf = (pod: Pod): Volume[] => (pod.spec.volumes ?? []).filter(v => v.ephemeral);

async function reconcile(key: string, context: ControllerContext): Promise<void> {
  const pod = context.lister(coreV1.pods).get(key);
  if (!pod || pod.metadata.deletionTimestamp) return;
  for (const volume of ephemeralOf(pod)) await provide(pod, volume, context);
}

async function provide(pod: Pod, volume: Volume, context: ControllerContext): Promise<void> {
  const { client, lister, events, metrics } = context;
  const { namespace, name, uid } = pod.metadata;
  const claimName = `${name}-${volume.name}`;
  const found = lister(coreV1.persistentvolumeclaims).get(`${namespace}/${claimName}`);
  if (found) {
    if (controllerOf(found)?.uid === uid) return;
    const message = `PVC ${namespace}/${claimName} was not created for pod ${namespace}/${name} (pod is not owner)`;
    events.event(pod, 'Warning', 'FailedBinding', message);
    throw new Error(message);
  }
  const template = volume.ephemeral?.volumeClaimTemplate;
  const { labels, annotations } = template?.metadata ?? {};
  const claim = {
    metadata: {
      name: claimName,
      namespace,
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name, uid, controller: true, blockOwnerDeletion: true }],
    },
    spec: template?.spec,
  } as Draft<PersistentVolumeClaim>;
  const count = (name: string, help: string) => metrics.counter(`ephemeral_volume_controller_${name}`, help).inc({});
  count('create_total', 'Number of PersistentVolumeClaim creation requests');
  try {
    await client.create(coreV1.persistentvolumeclaims, claim);
  } catch (error) {
    count('create_failures_total', 'Number of PersistentVolumeClaim creation requests that failed');
    const message = `create PVC ${claimName}: ${messageOf(error)}`;
    events.event(pod, 'Warning', 'FailedBinding', message);
    throw new Error(message, { cause: error });
  }
}
