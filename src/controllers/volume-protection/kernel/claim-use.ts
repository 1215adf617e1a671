// Which claims a pod uses.
import type { PersistentVolumeClaim, Pod } from '../../../api/type/core-v1.ts';
import { claimNamesOf } from '../../kernel/pod-claim.ts';

/** A pod without a node does not use anything yet: no kubelet would start it with a claim that is being deleted. */
export function usesClaim(pod: Pod, { metadata }: PersistentVolumeClaim): boolean {
  if (!pod.spec?.nodeName || pod.metadata.namespace !== metadata.namespace) return false;
  const owned = () => metadata.ownerReferences?.some(o => o.controller && o.uid === pod.metadata.uid);
  return claimNamesOf(pod).some(({ name, ofPod }) => name === metadata.name && (!ofPod || owned()));
}
