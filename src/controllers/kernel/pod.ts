// What controllers ask of a pod.
import { parseTime } from '../../api/meta.ts';
import type { Pod, PodCondition } from '../../api/type/core-v1.ts';

export function podCondition(pod: Pod, type: string): PodCondition | undefined {
  const conditions = pod.status?.conditions;
  if (conditions) for (const condition of conditions) if (condition.type === type) return condition;
  return undefined;
}

/** What `test` says of a pod's labels; asked once of pods in a row that share them, as those of one template do. */
export function byLabels(test: (labels: Pod['metadata']['labels']) => boolean): (pod: Pod) => boolean {
  let last: Pod['metadata']['labels'];
  let answer: boolean | undefined;
  return ({ metadata: { labels } }) => {
    if (answer === undefined || labels !== last) answer = test(labels);
    last = labels;
    return answer;
  };
}

export const isPodReady = (pod: Pod): boolean => podCondition(pod, 'Ready')?.status === 'True';

export const isPodSucceeded = (pod: Pod): boolean => pod.status?.phase === 'Succeeded';

export const isPodFailed = (pod: Pod): boolean => pod.status?.phase === 'Failed';

/** Its containers have ended and will not run again. */
export const isPodFinished = (pod: Pod): boolean => isPodSucceeded(pod) || isPodFailed(pod);

/** Counts as a replica: neither ended nor being deleted. */
export const isPodActive = (pod: Pod): boolean => !isPodFinished(pod) && !pod.metadata.deletionTimestamp;

/** Being deleted, and not ended yet. */
export const isPodTerminating = (pod: Pod): boolean => !isPodFinished(pod) && !!pod.metadata.deletionTimestamp;

/** Milliseconds since the epoch; undefined when the pod is not ready or does not say since when. */
export function podReadySinceMs(pod: Pod): number | undefined {
  const ready = podCondition(pod, 'Ready');
  return ready?.status === 'True' ? parseTime(ready.lastTransitionTime) : undefined;
}

/** Milliseconds until the pod has been ready for `minReadySeconds`: 0 is available, undefined is not ready. */
export function untilAvailableMs(pod: Pod, minReadySeconds: number, nowMs: number): number | undefined {
  if (!isPodReady(pod)) return undefined;
  if (minReadySeconds <= 0) return 0;
  const since = podReadySinceMs(pod);
  return since === undefined ? undefined : Math.max(0, since + minReadySeconds * 1000 - nowMs);
}

export const isPodAvailable = (pod: Pod, minReadySeconds: number, nowMs: number): boolean =>
  untilAvailableMs(pod, minReadySeconds, nowMs) === 0;

/** How long until the next of these pods becomes available; undefined when none is about to. */
export function nextAvailableMs(pods: readonly Pod[], minReadySeconds: number, nowMs: number): number | undefined {
  let next: number | undefined;
  if (minReadySeconds <= 0) return undefined;
  for (const pod of pods) {
    const wait = untilAvailableMs(pod, minReadySeconds, nowMs);
    if (wait && (next === undefined || wait < next)) next = wait;
  }
  return next;
}
