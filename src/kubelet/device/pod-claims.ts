// Which ResourceClaims a pod uses, and which part of them each of its containers.
import type { Container, Pod } from '../../api/type/core-v1.ts';
import type { ResourceClaim } from '../../api/type/resource-v1.ts';

export interface PodClaim {
  /** In the pod; undefined: of its extended resources. */
  readonly reference: string | undefined;
  /** Of the object. */
  readonly name: string;
  /** It was made for this pod and no other. */
  readonly generated: boolean;
}

/** Throws while a claim of the pod is yet to be made. */
export function claimsOfPod(pod: Pod): readonly PodClaim[] {
  const { namespace, name: podName } = pod.metadata;
  const out: PodClaim[] = [];
  for (const claim of pod.spec.resourceClaims ?? []) {
    if (claim.resourceClaimName) out.push({ reference: claim.name, name: claim.resourceClaimName, generated: false });
    else {
      const made = pod.status?.resourceClaimStatuses?.find(s => s.name === claim.name);
      if (!made)
        throw new Error(
          `pod claim ${claim.name}: pod ${JSON.stringify(`${namespace}/${podName}`)}: ResourceClaim not created yet`,
        );
      // Nothing was needed.
      if (made.resourceClaimName) out.push({ reference: claim.name, name: made.resourceClaimName, generated: true });
    }
  }
  const extended = pod.status?.extendedResourceClaimStatus?.resourceClaimName;
  if (extended) out.push({ reference: undefined, name: extended, generated: true });
  return out;
}

export interface ContainerClaim {
  readonly claimName: string;
  /** Undefined: all of the claim. */
  readonly request: string | undefined;
  /** As a status names it. */
  readonly label: string;
}

/** Claims that a container has a part of, as far as they are made. */
export function claimsOfContainer(pod: Pod, container: Container): readonly ContainerClaim[] {
  const out: ContainerClaim[] = [];
  for (const { name, request } of container.resources?.claims ?? []) {
    const claimName =
      pod.spec.resourceClaims?.find(c => c.name === name)?.resourceClaimName ??
      pod.status?.resourceClaimStatuses?.find(s => s.name === name)?.resourceClaimName;
    if (claimName) out.push({ claimName, request, label: `claim:${name}${request ? `/${request}` : ''}` });
  }
  const extended = pod.status?.extendedResourceClaimStatus;
  for (const m of extended?.requestMappings ?? [])
    if (m.containerName === container.name)
      out.push({ claimName: extended!.resourceClaimName, request: m.requestName, label: m.resourceName });
  return out;
}

/** Why the pod may not use the claim; undefined when it may. */
export function claimProblem(pod: Pod, { name, generated }: PodClaim, claim: ResourceClaim): string | undefined {
  const { namespace, name: podName, uid } = pod.metadata;
  if (generated && !claim.metadata.ownerReferences?.some(o => o.controller && o.uid === uid))
    return `ResourceClaim ${namespace}/${name} was not created for pod ${namespace}/${podName} (pod is not owner)`;
  if (!claim.status?.reservedFor?.some(r => r.uid === uid))
    return `pod ${podName} (${uid}) is not allowed to use ResourceClaim ${name} (${claim.metadata.uid})`;
  if (!claim.status.allocation) return `ResourceClaim ${namespace}/${name} is not allocated`;
  return undefined;
}
