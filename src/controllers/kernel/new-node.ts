import { parseTime } from '../../api/meta.ts';
import type { Node } from '../../api/type/core-v1.ts';

const settleMs = 3000;

/**
 * Milliseconds to leave a new node alone. Who makes a node by hand writes its status next, over the version it was given:
 * a controller's write in between, some milliseconds after the first, would have that refused.
 */
export function leaveAloneMs(node: Node, nowMs: number): number {
  if (node.status?.conditions?.length) return 0;
  return Math.max(0, (parseTime(node.metadata.creationTimestamp) ?? 0) + settleMs - nowMs);
}
