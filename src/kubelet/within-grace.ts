import type { Pod } from '../api/type/core-v1.ts';
import type { Clock } from '../base/clock.ts';
import { nearNumber } from '../base/whole-number.ts';
import type { PodEvents } from './pod-event.ts';

const leastMs = 10_000;

/** Waits for a pod to end, for half as long again as it is given; then the pod is told and the wait is over. */
export async function withinGrace(
  clock: Clock,
  events: PodEvents,
  pod: Pod,
  graceSeconds: number | undefined,
  ended: Promise<void>,
): Promise<void> {
  const seconds = graceSeconds ?? nearNumber(pod.spec.terminationGracePeriodSeconds) ?? 0;
  const late = Promise.withResolvers<'late'>();
  const timer = clock.after(Math.max(leastMs, seconds * 1500), () => late.resolve('late'));
  const how = await Promise.race([ended, late.promise]).finally(() => timer.cancel());
  if (how !== 'late') return;
  const message = 'Container runtime did not kill the pod within specified grace period.';
  events.pod(pod, 'Warning', 'ExceededGracePeriod', message);
}
