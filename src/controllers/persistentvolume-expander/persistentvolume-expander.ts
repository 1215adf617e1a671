// persistentvolume-expander-controller: every volume that can grow here is grown by its driver; says who is waited for.
import { keyOf } from '../../api/meta.ts';
import { parseQuantity } from '../../api/quantity.ts';
import { coreV1 } from '../../api/refs.ts';
import type { PersistentVolumeClaim } from '../../api/type/core-v1.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';

export function volumeExpanderController(): Controller {
  return {
    name: 'persistentvolume-expander-controller',
    queue: 'volume_expand',
    serviceAccount: 'expand-controller',
    component: 'volume_expand',
    watches: [
      {
        resource: coreV1.persistentvolumeclaims,
        keys: (claim: PersistentVolumeClaim, old: PersistentVolumeClaim | undefined, _context, deleted) =>
          !deleted && wantsMore(claim) && (!old || !wantsMore(old) || sizes(old) !== sizes(claim))
            ? [keyOf(claim)]
            : [],
      },
    ],
    reads: [coreV1.persistentvolumes],
    writes: ['events'],
    create: context => ({ reconcile: async key => tell(key, context) }),
  };
}

const sizes = ({ spec, status }: PersistentVolumeClaim): string =>
  `${spec?.resources?.requests?.storage} ${status?.capacity?.storage}`;

function wantsMore({ spec, status }: PersistentVolumeClaim): boolean {
  const wanted = spec?.resources?.requests?.storage;
  const has = status?.capacity?.storage;
  return status?.phase === 'Bound' && !!wanted && !!has && parseQuantity(wanted).compare(parseQuantity(has)) > 0;
}

function tell(key: string, { lister, events }: ControllerContext): void {
  const claim = lister(coreV1.persistentvolumeclaims).get(key);
  if (!claim || !wantsMore(claim)) return;
  const volume = lister(coreV1.persistentvolumes).get(claim.spec?.volumeName ?? '');
  if (!volume || volume.spec?.claimRef?.uid !== claim.metadata.uid) return;
  const type = volume.spec?.csi ? 'Normal' : 'Warning';
  events.event(claim, type, 'ExternalExpanding', 'waiting for an external controller to expand this PVC');
}
