// Which claims pods want and have, and who may still hold one.
import type { Pod } from '../../../api/type/core-v1.ts';
import type { ResourceClaim } from '../../../api/type/resource-v1.ts';
import { isPodFinished } from '../../kernel/pod.ts';

/** Says which entry of its pod's claims a claim was made for. */
export const podClaimAnnotation = 'resource.kubernetes.io/pod-claim-name';
/** Keeps an allocated claim until its devices are free. */
export const allocationFinalizer = 'resource.kubernetes.io/delete-protection';

export type PodClaim = NonNullable<Pod['spec']['resourceClaims']>[number];

export const podClaims = (pod: Pod): readonly PodClaim[] => pod.spec.resourceClaims ?? [];

/** Whether a pod may still use its claims. One that leaves without ever having had a node will not. */
export const isUsing = (pod: Pod): boolean =>
  !isPodFinished(pod) && !(pod.metadata.deletionTimestamp && !pod.spec.nodeName);

/** A name's beginning that leaves room for five random characters, as long as a label may be. */
export function generatedPrefix(pod: string, claim: string): string {
  const longest = 63 - 5;
  const text = `${pod}-${claim}-`;
  if (text.length <= longest) return text;
  const half = Math.floor((longest - 2) / 2);
  return `${pod.slice(0, half)}-${claim.slice(0, longest - 2 - Math.min(half, pod.length))}-`;
}

/** What a claim's entry in the pod's status says, or the claim named in the spec; undefined: not made yet. */
export function claimNameOf(pod: Pod, claim: PodClaim): string | null | undefined {
  if (claim.resourceClaimName) return claim.resourceClaimName;
  const status = pod.status?.resourceClaimStatuses?.find(s => s.name === claim.name);
  if (!status) return undefined;
  // An entry without a name: none was needed.
  return status.resourceClaimName ?? null;
}

/** The holders of a claim that still are what they were. */
export function validHolders(
  claim: ResourceClaim,
  podOf: (name: string) => Pod | undefined,
): NonNullable<NonNullable<ResourceClaim['status']>['reservedFor']> {
  return (claim.status?.reservedFor ?? []).filter(({ apiGroup, resource, name, uid }) => {
    if (apiGroup || resource !== 'pods') return true;
    const pod = podOf(name);
    return pod !== undefined && pod.metadata.uid === uid && isUsing(pod);
  });
}
