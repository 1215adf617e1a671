// The claims that a pod names, by itself or by template, and what may be wrong with them.
import type { Pod, PodResourceClaim } from '../../../api/type/core-v1.ts';
import type { ResourceClaim } from '../../../api/type/resource-v1.ts';

/** Keeps an allocated claim until its devices are free. */
export const allocationFinalizer = 'resource.kubernetes.io/delete-protection';

/** Why the pod cannot have its claims, or all of them. */
export function claimsOf(pod: Pod, get: (key: string) => ResourceClaim | undefined): ResourceClaim[] | string {
  const { namespace, name, uid } = pod.metadata;
  const out: ResourceClaim[] = [];
  for (const entry of pod.spec.resourceClaims ?? []) {
    const claimName = claimNameOf(pod, entry);
    if (claimName === undefined) return `pod ${namespace}/${name}: ResourceClaim not created yet`;
    // None was needed.
    if (claimName === '') continue;
    const claim = get(`${namespace}/${claimName}`);
    if (!claim) return `resourceclaim "${claimName}" not found`;
    if (claim.metadata.deletionTimestamp) return `resourceclaim "${claimName}" is being deleted`;
    const owner = claim.metadata.ownerReferences?.find(o => o.controller);
    if (entry.resourceClaimTemplateName && owner?.uid !== uid)
      return `ResourceClaim ${namespace}/${claimName} was not created for pod ${namespace}/${name} (pod is not owner)`;
    out.push(claim);
  }
  return out;
}

/** '' when the pod turned out to need none; undefined before it has been made. */
function claimNameOf(pod: Pod, entry: PodResourceClaim): string | undefined {
  if (entry.resourceClaimName) return entry.resourceClaimName;
  const status = pod.status?.resourceClaimStatuses?.find(s => s.name === entry.name);
  return status && (status.resourceClaimName ?? '');
}

export const namesClaim = (pod: Pod, { metadata }: ResourceClaim): boolean =>
  pod.metadata.namespace === metadata.namespace &&
  (pod.spec.resourceClaims ?? []).some(entry => claimNameOf(pod, entry) === metadata.name);

export const isReservedFor = (claim: ResourceClaim, uid: string | undefined): boolean =>
  claim.status?.reservedFor?.some(r => r.uid === uid) === true;
