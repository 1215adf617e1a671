// Which claims a pod uses.
import type { PersistentVolumeClaim, Pod } from '../../../api/type/core-v1.ts';

/** Keys of the claims the pod names, those made for it included. */
export function claimKeysOf(pod: Pod): string[] {
  const { namespace, name } = pod.metadata;
  const keys: string[] = [];
  for (const volume of pod.spec?.volumes ?? []) {
    if (volume.persistentVolumeClaim) keys.push(`${namespace}/${volume.persistentVolumeClaim.claimName}`);
    else if (volume.ephemeral) keys.push(`${namespace}/${name}-${volume.name}`);
  }
  return keys;
}

/** A pod without a node does not use anything yet: no kubelet would start it with a claim that is being deleted. */
export function usesClaim(pod: Pod, claim: PersistentVolumeClaim): boolean {
  if (!pod.spec?.nodeName || pod.metadata.namespace !== claim.metadata.namespace) return false;
  const { name } = claim.metadata;
  return (pod.spec.volumes ?? []).some(
    v =>
      v.persistentVolumeClaim?.claimName === name ||
      (v.ephemeral !== undefined &&
        `${pod.metadata.name}-${v.name}` === name &&
        claim.metadata.ownerReferences?.some(o => o.controller && o.uid === pod.metadata.uid)),
  );
}
