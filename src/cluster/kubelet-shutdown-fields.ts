// The fields of a KubeletConfiguration that say how pods end before the machine does.
import { featureGates } from '../api/feature-gates.ts';
import { parseDuration } from '../api/scalar.ts';
import { groupsOfPeriods, type ShutdownGroup } from '../kubelet/shutdown/kernel/shutdown-plan.ts';
import { integer, invalid, isMap, milliseconds } from './kubelet-values.ts';

export type ShutdownGiven = Readonly<{
  shutdownGracePeriod?: string;
  shutdownGracePeriodCriticalPods?: string;
  shutdownGracePeriodByPodPriority?: readonly {
    readonly priority?: number;
    readonly shutdownGracePeriodSeconds?: number;
  }[];
  featureGates?: Readonly<Record<string, boolean>>;
}>;

export const shutdownFields: Readonly<Record<string, (value: unknown, name: string) => void>> = {
  shutdownGracePeriod: period,
  shutdownGracePeriodCriticalPods: period,
  shutdownGracePeriodByPodPriority(value, name) {
    if (!Array.isArray(value)) throw invalid(name, value, 'must be a list');
    for (const [i, entry] of value.entries()) {
      if (!isMap(entry)) throw invalid(`${name}[${i}]`, entry, 'must be a map');
      integer(entry.priority ?? 0, `${name}[${i}].priority`, -(2 ** 31));
      integer(
        entry.shutdownGracePeriodSeconds ?? 0,
        `${name}[${i}].shutdownGracePeriodSeconds`,
        0,
        Number.MAX_SAFE_INTEGER,
      );
    }
  },
};

function period(value: unknown, name: string): void {
  const ms = milliseconds(value, name);
  if (ms > 0 && ms < 1000) throw invalid(name, value, 'must be either zero or otherwise >= 1 sec');
}

/** Empty: pods do not end by themselves. Throws what does not go together. */
export function shutdownGroups(given: ShutdownGiven): readonly ShutdownGroup[] {
  const on = featureGates(given.featureGates ?? {});
  const seconds = (text: string | undefined) => (text ? parseDuration(text) / 1e9 : 0);
  const total = seconds(given.shutdownGracePeriod);
  const critical = seconds(given.shutdownGracePeriodCriticalPods);
  const ranges = given.shutdownGracePeriodByPodPriority ?? [];
  if (ranges.length && (total || critical))
    throw new Error(
      'invalid configuration: Cannot specify both shutdownGracePeriodByPodPriority and shutdownGracePeriod at the same time',
    );
  if (critical > total)
    throw new Error(
      `invalid configuration: shutdownGracePeriodCriticalPods (${critical}s) must be <= shutdownGracePeriod (${total}s)`,
    );
  if ((total || critical) && !on('GracefulNodeShutdown'))
    throw new Error(
      'invalid configuration: Specifying shutdownGracePeriod or shutdownGracePeriodCriticalPods requires feature gate GracefulNodeShutdown',
    );
  if (ranges.length && !on('GracefulNodeShutdownBasedOnPodPriority'))
    throw new Error(
      'invalid configuration: Specifying shutdownGracePeriodByPodPriority requires feature gate GracefulNodeShutdownBasedOnPodPriority',
    );
  if (total) return groupsOfPeriods(total, critical);
  return ranges.map(r => ({ priority: r.priority ?? 0, seconds: r.shutdownGracePeriodSeconds ?? 0 }));
}
