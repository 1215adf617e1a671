// persistentvolume-protection-controller: a volume outlives its being bound.
import { coreV1 } from '../../api/refs.ts';
import type { PersistentVolume } from '../../api/type/core-v1.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { protection, setFinalizer } from './finalizer.ts';

const finalizer = 'kubernetes.io/pv-protection';

export function volumeProtectionController(): Controller {
  return {
    name: 'persistentvolume-protection-controller',
    queue: 'pvprotection',
    serviceAccount: 'pv-protection-controller',
    watches: [
      {
        resource: coreV1.persistentvolumes,
        keys: (v: PersistentVolume) => (protection(v, finalizer) ? [v.metadata.name] : []),
      },
    ],
    writes: ['persistentvolumes'],
    create: context => ({ reconcile: name => reconcile(name, context) }),
  };
}

async function reconcile(name: string, context: ControllerContext): Promise<void> {
  const volume = context.lister(coreV1.persistentvolumes).get(name);
  const action = volume && protection(volume, finalizer);
  if (!volume || !action) return;
  const bound = volume.status?.phase === 'Bound';
  if (action === 'add') await setFinalizer(context.client, coreV1.persistentvolumes, volume, finalizer, true);
  else if (!bound) await setFinalizer(context.client, coreV1.persistentvolumes, volume, finalizer, false);
}
