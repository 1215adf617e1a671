import type { NodeCondition } from '../../api/type/core-v1.ts';

export interface Pressure {
  readonly memory: boolean;
  readonly disk: boolean;
  readonly pid: boolean;
}

type Bare = Pick<NodeCondition, 'type' | 'status' | 'reason' | 'message'>;

export function nodeConditions(pressure: Pressure, notReady: readonly string[]): readonly Bare[] {
  const bare = (
    type: string,
    bad: boolean,
    reasons: readonly [string, string],
    messages: readonly [string, string],
  ): Bare => ({
    type,
    status: bad ? 'True' : 'False',
    reason: reasons[bad ? 1 : 0],
    message: messages[bad ? 1 : 0],
  });
  return [
    bare(
      'MemoryPressure',
      pressure.memory,
      ['KubeletHasSufficientMemory', 'KubeletHasInsufficientMemory'],
      ['kubelet has sufficient memory available', 'kubelet has insufficient memory available'],
    ),
    bare(
      'DiskPressure',
      pressure.disk,
      ['KubeletHasNoDiskPressure', 'KubeletHasDiskPressure'],
      ['kubelet has no disk pressure', 'kubelet has disk pressure'],
    ),
    bare(
      'PIDPressure',
      pressure.pid,
      ['KubeletHasSufficientPID', 'KubeletHasInsufficientPID'],
      ['kubelet has sufficient PID available', 'kubelet has insufficient PID available'],
    ),
    notReady.length
      ? {
          type: 'Ready',
          status: 'False',
          reason: 'KubeletNotReady',
          message: notReady.length === 1 ? notReady[0]! : `[${notReady.join(', ')}]`,
        }
      : { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' },
  ];
}

/** The event that a condition's new status means. */
export function eventOf(type: string, status: string): string | undefined {
  const bad = status === 'True';
  switch (type) {
    case 'MemoryPressure':
      return bad ? 'NodeHasInsufficientMemory' : 'NodeHasSufficientMemory';
    case 'DiskPressure':
      return bad ? 'NodeHasDiskPressure' : 'NodeHasNoDiskPressure';
    case 'PIDPressure':
      return bad ? 'NodeHasInsufficientPID' : 'NodeHasSufficientPID';
    case 'Ready':
      return bad ? 'NodeReady' : 'NodeNotReady';
    default:
      return undefined;
  }
}

/** With times: a heartbeat for all, a transition where the status has changed. */
export function timedConditions(
  old: readonly NodeCondition[] | undefined,
  next: readonly Bare[],
  now: string,
): readonly NodeCondition[] {
  return next.map(c => {
    const before = old?.find(o => o.type === c.type);
    return {
      type: c.type,
      status: c.status,
      lastHeartbeatTime: now,
      lastTransitionTime: before?.status === c.status ? (before.lastTransitionTime ?? now) : now,
      reason: c.reason ?? '',
      message: c.message ?? '',
    };
  });
}
