// Is a node still alive? Judged by when this controller saw its status or lease change, never by the node's own clock.
import { formatTime } from '../../../api/meta.ts';
import type { Lease } from '../../../api/type/coordination-v1.ts';
import type { Node, NodeCondition } from '../../../api/type/core-v1.ts';

export interface HealthOptions {
  /** How long a node may be silent. */
  readonly graceMs: number;
  /** The same for a node that has not posted a status yet. */
  readonly startupGraceMs: number;
}

/** What is remembered of a node between two looks at it. */
export interface NodeHealth {
  /** Its Ready condition as last seen. */
  readonly ready: NodeCondition | undefined;
  /** When it last gave a sign of life. */
  readonly probeMs: number;
  readonly renewTime: string | undefined;
}

export interface Verdict {
  readonly health: NodeHealth;
  /** Ready as the node posted it; Unknown when it never did. */
  readonly observed: NodeCondition;
  /** Ready as it should be; absent when the node never posted and still has time. */
  readonly current: NodeCondition | undefined;
  /** All conditions as they should be written, when the node has been silent for too long and does not say so. */
  readonly conditions?: readonly NodeCondition[];
}

const silentTypes = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

export function nodeCondition(node: Node, type: string): NodeCondition | undefined {
  return node.status?.conditions?.find(c => c.type === type);
}

export function judgeNode(
  node: Node,
  lease: Lease | undefined,
  known: NodeHealth | undefined,
  nowMs: number,
  options: HealthOptions,
): Verdict {
  const ready = nodeCondition(node, 'Ready');
  const created = node.metadata.creationTimestamp;
  const observed: NodeCondition = ready ?? {
    type: 'Ready',
    status: 'Unknown',
    lastHeartbeatTime: created,
    lastTransitionTime: created,
  };
  const health = withLease(look(node, ready, known, nowMs), lease, known, nowMs);
  if (nowMs <= health.probeMs + (ready ? options.graceMs : options.startupGraceMs))
    return { health, observed, current: ready };
  const conditions = silentConditions(node, formatTime(nowMs));
  const current = conditions.find(c => c.type === 'Ready')!;
  if (ready?.status === 'Unknown') return { health, observed, current };
  return { health: { ...health, ready: current }, observed, current, conditions };
}

function look(node: Node, ready: NodeCondition | undefined, known: NodeHealth | undefined, nowMs: number): NodeHealth {
  if (!known) {
    const createdMs = Date.parse(node.metadata.creationTimestamp ?? '');
    return { ready, probeMs: ready || Number.isNaN(createdMs) ? nowMs : createdMs, renewTime: undefined };
  }
  const alive = !ready !== !known.ready || ready?.lastHeartbeatTime !== known.ready?.lastHeartbeatTime;
  if (alive) return { ...known, ready, probeMs: nowMs };
  return ready === known.ready ? known : { ...known, ready };
}

/** A kubelet that renews its lease is alive, whatever it posts. */
function withLease(
  health: NodeHealth,
  lease: Lease | undefined,
  known: NodeHealth | undefined,
  nowMs: number,
): NodeHealth {
  const renewTime = lease?.spec?.renewTime;
  const last = known?.renewTime;
  if (!renewTime || renewTime === last) return health;
  if (last !== undefined && Date.parse(renewTime) <= Date.parse(last)) return health;
  return { ...health, probeMs: nowMs, renewTime };
}

function silentConditions(node: Node, now: string): NodeCondition[] {
  const conditions = (node.status?.conditions ?? []).map(c =>
    silentTypes.includes(c.type) && c.status !== 'Unknown'
      ? {
          ...c,
          status: 'Unknown',
          reason: 'NodeStatusUnknown',
          message: 'Kubelet stopped posting node status.',
          lastTransitionTime: now,
        }
      : c,
  );
  for (const type of silentTypes) {
    if (conditions.some(c => c.type === type)) continue;
    conditions.push({
      type,
      status: 'Unknown',
      lastHeartbeatTime: node.metadata.creationTimestamp,
      lastTransitionTime: now,
      reason: 'NodeStatusNeverUpdated',
      message: 'Kubelet never posted node status.',
    });
  }
  return conditions;
}
