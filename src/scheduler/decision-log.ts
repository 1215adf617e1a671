// What was decided about each pod, for those who ask why it is where it is, or nowhere. Bounded.
import type { NodeStatuses } from './framework.ts';
import type { Entry } from './queue/entry.ts';
import type { Status } from './status.ts';

/** Nodes that turned the pod away for the same reasons. */
export interface RejectedNodes {
  readonly count: number;
  readonly reasons: readonly string[];
  readonly plugin: string;
  /** Evicting pods would help. */
  readonly preemptible: boolean;
  /** Some of them. */
  readonly nodes: readonly string[];
}

export interface Decision {
  /** Milliseconds since the epoch: of the first and of the last time in a row. */
  readonly firstMs: number;
  readonly lastMs: number;
  readonly times: number;
  readonly scheduler: string;
  readonly result: 'placed' | 'unschedulable' | 'error';
  readonly message: string;
  /** Where it went. */
  readonly node?: string;
  readonly evaluatedNodes?: number;
  readonly feasibleNodes?: number;
  /** The best nodes' scores, best first. */
  readonly scores?: readonly { readonly node: string; readonly score: number }[];
  readonly rejected?: readonly RejectedNodes[];
  /** What preemption said, and where it made room. */
  readonly preemption?: string;
  readonly nominatedNode?: string;
}

export interface QueueState {
  readonly place: Entry['place'];
  readonly attempts: number;
  readonly addedMs: number;
  readonly backoffUntilMs: number;
  /** The plugin that keeps it out of the queue. */
  readonly gatedBy: string;
  readonly unschedulablePlugins: readonly string[];
}

const maxPods = 10_000;
const decisionsEach = 5;
const examples = 3;

export class DecisionLog {
  readonly #byPod = new Map<string, Decision[]>();

  note(uid: string, nowMs: number, decision: Omit<Decision, 'firstMs' | 'lastMs' | 'times'>): void {
    const list = this.#byPod.get(uid) ?? [];
    this.#byPod.delete(uid);
    this.#byPod.set(uid, list);
    if (this.#byPod.size > maxPods) this.#byPod.delete(this.#byPod.keys().next().value!);
    const last = list.at(-1);
    const again = last?.result === decision.result && last.message === decision.message && last.node === decision.node;
    const { firstMs, times } = again ? last : { firstMs: nowMs, times: 0 };
    if (again) list.pop();
    list.push({ ...decision, firstMs, lastMs: nowMs, times: times + 1 });
    if (list.length > decisionsEach) list.shift();
  }

  /** Oldest first. */
  of(uid: string): readonly Decision[] {
    return this.#byPod.get(uid) ?? [];
  }

  forget(uid: string): void {
    this.#byPod.delete(uid);
  }
}

/** Nodes by what they said, the most numerous first. */
export function groupRejections(all: NodeStatuses, nodeCount: number): RejectedNodes[] {
  type Group = { nodes: string[]; count: number; first: Status };
  const groups = new Map<string, Group>();
  // Filters share their statuses, and the same one comes many times in a row.
  let [last, lastGroup]: [Status | undefined, Group | undefined] = [undefined, undefined];
  const groupOf = (status: Status): Group => {
    const id = `${status.plugin}\0${status.code}\0${status.reasons.join('\0')}`;
    return groups.getOrInsertComputed(id, () => ({ nodes: [], count: 0, first: status }));
  };
  const add = (status: Status, count: number, node?: string) => {
    const group = status === last ? lastGroup! : groupOf(status);
    [last, lastGroup] = [status, group];
    group.count += count;
    if (node !== undefined && group.nodes.length < examples) group.nodes.push(node);
  };
  const { rejections, absent } = all;
  const count = rejections?.statuses.length ?? 0;
  for (let i = 0; i < count; i++) add(rejections!.statuses[i]!, 1, rejections!.nodes[i]!.name);
  if (!rejections) for (const [node, status] of all.explicit) add(status, 1, node);
  const told = rejections?.statuses.length ?? all.explicit.size;
  if (absent && told < nodeCount) add(absent, nodeCount - told);
  return [...groups.values()]
    .sort((a, b) => b.count - a.count)
    .map(({ nodes, count, first }) => ({
      count,
      reasons: first.reasons,
      plugin: first.plugin,
      preemptible: first.code === 'Unschedulable',
      nodes,
    }));
}

export const queueState = (entry: Entry): QueueState => ({
  place: entry.place,
  attempts: entry.attempts,
  addedMs: entry.addedMs,
  backoffUntilMs: entry.backoffUntilMs,
  gatedBy: entry.gatedBy,
  unschedulablePlugins: [...entry.unschedulablePlugins, ...entry.pendingPlugins],
});
