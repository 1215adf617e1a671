// Which pods nobody else will ever take away.
import { keyOf, parseTime } from '../../../api/meta.ts';
import type { Node, Pod } from '../../../api/type/core-v1.ts';
import { isNodeReady, isOutOfService } from '../../kernel/node.ts';
import { isPodFailed, isPodFinished } from '../../kernel/pod.ts';

const isEvicted = (pod: Pod): boolean => isPodFailed(pod) && pod.status?.reason === 'Evicted';

/** Evicted ones first, then the oldest. */
function byEvictionAndAge(a: Pod, b: Pod): number {
  if (isEvicted(a) !== isEvicted(b)) return isEvicted(a) ? -1 : 1;
  const age = (parseTime(a.metadata.creationTimestamp) ?? 0) - (parseTime(b.metadata.creationTimestamp) ?? 0);
  if (age !== 0) return age;
  return keyOf(a) < keyOf(b) ? -1 : 1;
}

/** What has ended beyond `threshold`; none for a threshold of 0. */
export function surplusFinished(pods: readonly Pod[], threshold: number): readonly Pod[] {
  if (threshold <= 0) return [];
  const finished = pods.filter(isPodFinished);
  const surplus = finished.length - threshold;
  return surplus > 0 ? finished.sort(byEvictionAndAge).slice(0, surplus) : [];
}

/** Being deleted on a node that an operator has declared dead. */
export function stuckOnDeadNodes(pods: readonly Pod[], node: (name: string) => Node | undefined): readonly Pod[] {
  return pods.filter(p => p.metadata.deletionTimestamp && isDead(node(p.spec?.nodeName ?? ''))).sort(byEvictionAndAge);
}

const isDead = (node: Node | undefined): boolean => node !== undefined && isOutOfService(node) && !isNodeReady(node);

/** Being deleted without ever having come to a node. */
export const unscheduledTerminating = (pods: readonly Pod[]): readonly Pod[] =>
  pods.filter(p => p.metadata.deletionTimestamp && !p.spec?.nodeName).sort(byEvictionAndAge);

export const isOrphan = (pod: Pod, node: (name: string) => Node | undefined): boolean =>
  !!pod.spec?.nodeName && !node(pod.spec.nodeName);
