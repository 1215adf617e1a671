import { parseTime } from '../../../api/meta.ts';
import type { Pod, PodCondition } from '../../../api/type/core-v1.ts';
import { isPodFinished, podCondition } from '../../kernel/pod.ts';

const staleMs = 120_000;

/**
 * Milliseconds until the pod's DisruptionTarget condition is taken back because the pod is not being deleted after all;
 * undefined when there is nothing to take back. A kubelet's own may take as long as it likes.
 */
export function staleInMs(pod: Pod, nowMs: number): number | undefined {
  const condition = podCondition(pod, 'DisruptionTarget');
  if (condition?.status !== 'True' || condition.reason === 'TerminationByKubelet') return undefined;
  if (pod.metadata.deletionTimestamp || isPodFinished(pod)) return undefined;
  return Math.max(0, (parseTime(condition.lastTransitionTime) ?? 0) + staleMs - nowMs);
}

export const takenBack = (pod: Pod, now: string): PodCondition => ({
  type: 'DisruptionTarget',
  ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
  status: 'False',
  lastTransitionTime: now,
});
