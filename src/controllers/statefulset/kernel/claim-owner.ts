// Who owns a claim, by the set's retention policy: what owns it takes it along when it goes.
import { semanticEqual } from '../../../api/rule/record.ts';
import type { StatefulSet } from '../../../api/type/apps-v1.ts';
import type { PersistentVolumeClaim, Pod } from '../../../api/type/core-v1.ts';
import type { OwnerReference } from '../../../api/type/meta-v1.ts';
import { isInRange } from './identity.ts';

type Refs = readonly OwnerReference[];

const policyOf = (set: StatefulSet) => {
  const { whenDeleted = 'Retain', whenScaled = 'Retain' } = set.spec.persistentVolumeClaimRetentionPolicy ?? {};
  return { whenDeleted, whenScaled };
};

const refTo = (object: StatefulSet | Pod, apiVersion: string, kind: string): OwnerReference => ({
  apiVersion,
  kind,
  name: object.metadata.name,
  uid: object.metadata.uid,
});

/** The references the claim should have; undefined when they are as they should be. */
export function wantedOwners(
  claim: PersistentVolumeClaim,
  set: StatefulSet,
  pod: Pod,
  ordinal: number,
): Refs | undefined {
  const { whenDeleted, whenScaled } = policyOf(set);
  const refs = claim.metadata.ownerReferences ?? [];
  // Another controller's claim is not ours to delete.
  const mine = !hasOtherController(claim, set, pod);
  const isScaledDown = !isInRange(set, ordinal);
  const bySet = mine && whenDeleted === 'Delete' && !(whenScaled === 'Delete' && isScaledDown);
  const byPod = mine && whenScaled === 'Delete' && isScaledDown;
  const next: OwnerReference[] = refs.filter(r => r.uid !== set.metadata.uid && r.uid !== pod.metadata.uid);
  if (bySet) next.push({ ...refTo(set, 'apps/v1', 'StatefulSet'), controller: true, blockOwnerDeletion: true });
  if (byPod) next.push(refTo(pod, 'v1', 'Pod'));
  const sorted = (list: Refs) => list.toSorted((a, b) => (a.uid < b.uid ? -1 : 1));
  return semanticEqual(sorted(refs), sorted(next)) ? undefined : next;
}

export const hasOtherController = (claim: PersistentVolumeClaim, set: StatefulSet, pod: Pod): boolean =>
  (claim.metadata.ownerReferences ?? []).some(
    r => r.controller && r.uid !== set.metadata.uid && r.uid !== pod.metadata.uid,
  );

/** Belongs to a former pod of the name, and is about to go with it. */
export function isStale(claim: PersistentVolumeClaim, set: StatefulSet, podName: string): boolean {
  if (policyOf(set).whenScaled !== 'Delete') return false;
  return (claim.metadata.ownerReferences ?? []).some(
    r => r.kind === 'Pod' && r.apiVersion === 'v1' && r.name === podName,
  );
}
