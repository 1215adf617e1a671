// What queueing hints have in common.
import type { Node, Pod } from '../api/type/core-v1.ts';
import type { QueueingHint } from './cluster-event.ts';

/** The event is about this very pod. */
export const isSame = (pod: Pod, other: unknown): boolean =>
  (other as Pod | undefined)?.metadata.uid === pod.metadata.uid;

/** For events about nodes: the pod can use it now, and could not before. */
export function nodeHint(usable: (pod: Pod, node: Node) => boolean): QueueingHint {
  return (pod, old, now) => {
    if (!now || !usable(pod, now as Node)) return 'Skip';
    return old && usable(pod, old as Node) ? 'Skip' : 'Queue';
  };
}
