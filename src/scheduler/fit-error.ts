// Why a pod went nowhere, in the words of the FailedScheduling event and the PodScheduled condition.
import type { NodeStatuses } from './framework.ts';
import { Status } from './status.ts';

/** No nodes at all. */
export const noNodesMessage = 'no nodes available to schedule pods';

export interface Diagnosis {
  readonly nodeCount: number;
  readonly statuses: NodeStatuses;
  /** Plugins that rejected the pod on some node, or altogether. */
  readonly unschedulablePlugins: ReadonlySet<string>;
  readonly pendingPlugins: ReadonlySet<string>;
  /** Of a rejection before any node was looked at. */
  readonly preFilterMessage: string;
}

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). no new claims to deallocate, preemption: …` */
export function fitMessage(d: Pick<Diagnosis, 'nodeCount' | 'statuses' | 'preFilterMessage'>, postFilter = ''): string {
  let message = `0/${d.nodeCount} nodes are available:`;
  if (d.preFilterMessage) message += ` ${d.preFilterMessage}.`;
  else {
    const reasons = countReasons(d.statuses, d.nodeCount);
    if (reasons.length) message += ` ${reasons.join(', ')}.`;
  }
  return postFilter ? `${message} ${postFilter}` : message;
}

/** A rejection by the one node that was chosen, in the same words; a failure stays what it is. */
export function refusedOn(node: string, status: Status): Status {
  if (!status.isRejected) return status;
  const statuses = { explicit: new Map([[node, status]]), absent: undefined };
  return new Status(status.code, [fitMessage({ nodeCount: 1, statuses, preFilterMessage: '' })], status.plugin);
}

/** Filters share their statuses: there are few, however many nodes, and the same one comes many times in a row. */
export function* runsOf(statuses: readonly Status[]): Generator<[Status, number]> {
  for (let from = 0, to = 0; from < statuses.length; from = to) {
    const status = statuses[from]!;
    while (to < statuses.length && statuses[to] === status) to++;
    yield [status, to - from];
  }
}

function countReasons(all: NodeStatuses, nodeCount: number): string[] {
  const { absent } = all;
  const told = all.rejections?.statuses ?? [...all.explicit.values()];
  const counts = new Map<string, number>();
  const add = (status: Status, times: number) => {
    for (const reason of status.reasons) counts.set(reason, (counts.get(reason) ?? 0) + times);
  };
  for (const [status, n] of runsOf(told)) add(status, n);
  if (absent && told.length < nodeCount) add(absent, nodeCount - told.length);
  return [...counts].map(([reason, n]) => `${n} ${reason}`).sort();
}
