// Which pods this node takes on. For critical ones it makes room.
import type { Pod } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Log } from '../base/log.ts';
import { type AdmissionInput, misfitOf, type Rejection, rejectionOf, shortagesOf } from './kernel/admission.ts';
import { isCritical } from './kernel/critical-pod.ts';
import { victimsFor } from './kernel/preemption.ts';
import type { PodEvents } from './pod-event.ts';
import type { Verdict } from './worker-context.ts';

export interface PodAdmissionOptions {
  readonly log: Log;
  readonly events: PodEvents;
  /** The node as it is now. */
  input(pod: Pod): AdmissionInput;
  /** Resolves when nothing of the pod runs. */
  evict(pod: Pod, verdict: Verdict): Promise<void> | undefined;
  /** A pod went for the lack of a resource. */
  onPreemption(resource: string): void;
}

const preempted: Verdict = {
  phase: 'Failed',
  reason: 'Preempting',
  message: 'Preempted in order to admit critical pod',
  condition: {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'TerminationByKubelet',
    message: 'Pod was preempted by Kubelet to accommodate a critical pod.',
  },
};

export class PodAdmission {
  readonly #o: PodAdmissionOptions;

  constructor(options: PodAdmissionOptions) {
    this.#o = options;
  }

  /** Why the pod may not run here; undefined when it may: `take` is called as soon as that is clear. */
  rejection(pod: Pod, take: () => void): Rejection | undefined | Promise<Rejection | undefined> {
    const input = this.#o.input(pod);
    const rejection = rejectionOf(input);
    if (rejection && isCritical(pod) && !misfitOf(input)) return this.#makeRoom(input, take);
    if (!rejection) take();
    return rejection;
  }

  async #makeRoom(input: AdmissionInput, take: () => void): Promise<Rejection | undefined> {
    const { log, events } = this.#o;
    const { pod, others } = input;
    const lacks = [...shortagesOf(input)];
    const victims = victimsFor(pod, others, lacks);
    if (!victims) {
      const needs = lacks.map(({ name, lacking }) => `(res: ${name}, q: ${lacking}), `).join('');
      return {
        reason: 'UnexpectedAdmissionError',
        message: `Pod was rejected: Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods to preempt: no set of running pods found to reclaim resources: [${needs}]`,
      };
    }
    take();
    await Promise.all(
      victims.map(async victim => {
        const { name, namespace } = victim.metadata;
        log.info('preempting a pod for a critical one', { pod: `${namespace}/${name}`, for: pod.metadata.name });
        events.pod(victim, 'Warning', preempted.reason, preempted.message);
        this.#o.onPreemption(lacks[0]!.name);
        await this.#o.evict(victim, preempted);
      }),
    ).catch(error => log.warn('preempting failed', { error: messageOf(error) }));
    return undefined;
  }
}
