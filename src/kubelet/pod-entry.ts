// How a pod comes to run on this node: it is decided on once, and counts from then on when others are.
import type { Pod } from '../api/type/core-v1.ts';
import type { Rejection } from './kernel/admission.ts';
import type { ObservedPod } from './kernel/observed.ts';
import type { WorkerContext } from './worker-context.ts';

export class PodEntry {
  readonly #c: Pick<WorkerContext, 'rejection' | 'statuses'>;
  #decided = false;
  #taken = false;

  constructor(context: Pick<WorkerContext, 'rejection' | 'statuses'>) {
    this.#c = context;
  }

  /** Why the pod may not run here; undefined when it may, or was asked about before. */
  async decide(pod: Pod, observed: ObservedPod): Promise<Rejection | undefined> {
    if (this.#decided) return undefined;
    this.#decided = true;
    this.#taken = observed.containers.length > 0 || pod.status?.startTime !== undefined;
    if (this.#taken) return undefined;
    return this.#c.rejection(pod, () => {
      this.#taken = true;
    });
  }

  /** A pod of before this kubelet counts before it is looked at; none does that is over. */
  counts(pod: Pod): boolean {
    if (!this.#taken && !pod.status?.startTime) return false;
    return !isOver(pod.status?.phase) && !isOver(this.#c.statuses.current(pod).phase);
  }
}

const isOver = (phase: string | undefined) => phase === 'Succeeded' || phase === 'Failed';
