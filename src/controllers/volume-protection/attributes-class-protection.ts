// volumeattributesclass-protection-controller: a class outlives its use by claims and volumes.
import { coreV1, storageV1 } from '../../api/refs.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/type/core-v1.ts';
import type { VolumeAttributesClass } from '../../api/type/storage-v1.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { protection, setFinalizer } from './finalizer.ts';

const finalizer = 'kubernetes.io/vac-protection';
const byClass = 'attributes-class';

export function attributesClassProtectionController(): Controller {
  return {
    name: 'volumeattributesclass-protection-controller',
    serviceAccount: 'volumeattributesclass-protection-controller',
    watches: [
      {
        resource: storageV1.volumeattributesclasses,
        keys: (c: VolumeAttributesClass) => (protection(c, finalizer) ? [c.metadata.name] : []),
      },
      // Only the end of a use can let a class go.
      {
        resource: coreV1.persistentvolumeclaims,
        keys: (claim: PersistentVolumeClaim, old, _context, deleted) => ended(classesOfClaim, claim, old, deleted),
      },
      {
        resource: coreV1.persistentvolumes,
        keys: (volume: PersistentVolume, old, _context, deleted) => ended(classesOfVolume, volume, old, deleted),
      },
    ],
    indexes: [
      { resource: coreV1.persistentvolumeclaims, name: byClass, values: classesOfClaim },
      { resource: coreV1.persistentvolumes, name: byClass, values: classesOfVolume },
    ],
    writes: ['volumeattributesclasses'],
    create: context => ({ reconcile: name => reconcile(name, context) }),
  };
}

const classesOfVolume = ({ spec }: PersistentVolume): string[] =>
  spec?.volumeAttributesClassName ? [spec.volumeAttributesClassName] : [];

function classesOfClaim({ spec, status }: PersistentVolumeClaim): string[] {
  const names = [
    spec?.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ];
  return [...new Set(names.filter(n => n !== undefined && n !== ''))] as string[];
}

function ended<T>(classes: (object: T) => string[], object: T, old: T | undefined, deleted: boolean): string[] {
  if (deleted) return classes(object);
  if (!old) return [];
  const now = classes(object);
  return classes(old).filter(c => !now.includes(c));
}

async function reconcile(name: string, { lister, client }: ControllerContext): Promise<void> {
  const found = lister(storageV1.volumeattributesclasses).get(name);
  const action = found && protection(found, finalizer);
  if (!found || !action) return;
  if (action === 'add') return setFinalizer(client, storageV1.volumeattributesclasses, found, finalizer, true);
  const known = [coreV1.persistentvolumeclaims, coreV1.persistentvolumes].some(
    resource => lister<PersistentVolumeClaim | PersistentVolume>(resource).byIndex(byClass, name).length > 0,
  );
  // The local copies may lack a use that began just now: before a class goes, the server is asked too.
  if (known || (await isUsed(name, client))) return;
  await setFinalizer(client, storageV1.volumeattributesclasses, found, finalizer, false);
}

async function isUsed(name: string, client: ControllerContext['client']): Promise<boolean> {
  const [claims, volumes] = await Promise.all([
    client.list(coreV1.persistentvolumeclaims),
    client.list(coreV1.persistentvolumes),
  ]);
  return (
    claims.items.some(c => classesOfClaim(c).includes(name)) ||
    volumes.items.some(v => classesOfVolume(v).includes(name))
  );
}
