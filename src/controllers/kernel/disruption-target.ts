import type { Pod, PodCondition } from '../../api/type/core-v1.ts';
import { podCondition } from './pod.ts';

/** The condition that says why the pod is about to be taken away; undefined when it says so already. */
export function disruptionTarget(pod: Pod, reason: string, message: string, now: string): PodCondition | undefined {
  const old = podCondition(pod, 'DisruptionTarget');
  const { generation } = pod.metadata;
  const condition: PodCondition = {
    type: 'DisruptionTarget',
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    status: 'True',
    lastTransitionTime: old?.status === 'True' ? old.lastTransitionTime : now,
    reason,
    message,
  };
  const same =
    old?.status === 'True' &&
    old.reason === reason &&
    old.message === message &&
    old.observedGeneration === condition.observedGeneration;
  return same ? undefined : condition;
}
