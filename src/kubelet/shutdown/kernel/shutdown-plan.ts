// Which pods end one after the other when their machine shuts down, and how long each has.
import type { Pod } from '../../../api/type/core-v1.ts';
import { nearNumber } from '../../../base/whole-number.ts';

/** Pods of this priority and above, up to the next group. */
export interface ShutdownGroup {
  readonly priority: number;
  readonly seconds: number;
}

const criticalPriority = 2_000_000_000;

/** Critical pods end last, in the end of the whole time. */
export const groupsOfPeriods = (totalSeconds: number, criticalSeconds: number): readonly ShutdownGroup[] => [
  { priority: 0, seconds: totalSeconds - criticalSeconds },
  { priority: criticalPriority, seconds: criticalSeconds },
];

export const wholeSeconds = (groups: readonly ShutdownGroup[]): number => groups.reduce((sum, g) => sum + g.seconds, 0);

export interface EndingGroup extends ShutdownGroup {
  readonly pods: readonly Pod[];
}

/** In the order in which they end; groups without pods are left out. */
export function endingGroups(groups: readonly ShutdownGroup[], pods: readonly Pod[]): readonly EndingGroup[] {
  const ordered = groups.toSorted((a, b) => a.priority - b.priority);
  // Of a lower priority than any group: those end first.
  const groupOf = ({ spec }: Pod) => ordered.findLast(g => g.priority <= (spec.priority ?? 0)) ?? ordered[0];
  return ordered.map(g => ({ ...g, pods: pods.filter(p => groupOf(p) === g) })).filter(g => g.pods.length > 0);
}

/** No longer than its group has. */
export const graceOf = ({ spec }: Pod, { seconds }: ShutdownGroup): number =>
  Math.min(nearNumber(spec.terminationGracePeriodSeconds) ?? seconds, seconds);
