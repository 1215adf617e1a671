// Whether a volume that nobody on its node needs may be detached.
import type { Node } from '../../../api/type/core-v1.ts';
import { isNodeReady, isOutOfService } from '../../kernel/node.ts';

export interface DetachStep {
  readonly detach: boolean;
  /** Without asking the node whether the volume is in use, and why. */
  readonly forced?: 'timeout' | 'out-of-service';
  /** When to look again. Absent: when the node changes. */
  readonly afterMs?: number;
}

export interface Unneeded {
  /** Absent: it has been deleted. */
  readonly node: Node | undefined;
  /** The node says that it uses the volume, or could say so. */
  readonly inUse: boolean;
  readonly sinceMs: number;
  readonly nowMs: number;
  /** How long a node that is not ready may keep it; undefined: for ever. */
  readonly maxWaitMs: number | undefined;
}

export function detachStep({ node, inUse, sinceMs, nowMs, maxWaitMs }: Unneeded): DetachStep {
  if (node && isOutOfService(node)) return { detach: true, forced: 'out-of-service' };
  const leftMs = maxWaitMs === undefined ? Number.POSITIVE_INFINITY : sinceMs + maxWaitMs - nowMs;
  const healthy = node !== undefined && isNodeReady(node);
  if (!healthy && leftMs <= 0) return { detach: true, forced: 'timeout' };
  if (!inUse) return { detach: true };
  return { detach: false, ...(!healthy && Number.isFinite(leftMs) ? { afterMs: leftMs } : {}) };
}
