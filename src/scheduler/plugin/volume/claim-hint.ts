import type { PersistentVolumeClaim } from '../../../api/type/core-v1.ts';
import type { QueueingHint } from '../../cluster-event.ts';
import { podInfoOf } from '../../pod-info.ts';

/** The claim that came or changed is one of the pod's. */
export const usesClaim: QueueingHint = (pod, _old, now) => {
  const claim = now as PersistentVolumeClaim | undefined;
  const same = claim?.metadata.namespace === pod.metadata.namespace;
  return same && podInfoOf(pod).claims.includes(claim!.metadata.name!) ? 'Queue' : 'Skip';
};
