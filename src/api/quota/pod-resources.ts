// What a pod asks for and may use at most, as quotas and limit ranges count it.
import type { Quantity } from '../quantity.ts';
import type { Container, Pod } from '../type/core-v1.ts';
import { type Amounts, add, amountsOf, maxInto } from './amounts.ts';

export type Side = 'requests' | 'limits';

/** What quotas count: `statedAmounts` and the pod's overhead. */
export function podAmounts(pod: Pod, side: Side): Map<string, Quantity> {
  const total = statedAmounts(pod, side);
  addOverhead(total, amountsOf(pod.spec.overhead), side);
  return total;
}

/**
 * The most the pod's containers may hold at any time, as limit ranges see it: containers and sidecars together or an init
 * container beside the sidecars before it, whichever is more; the pod's own resources where it states them.
 */
export function statedAmounts({ spec }: Pod, side: Side): Map<string, Quantity> {
  const of = (c: Container) => amountsOf(c.resources?.[side]);
  const total = new Map<string, Quantity>();
  for (const c of spec.containers) add(total, of(c));
  const sidecars = new Map<string, Quantity>();
  const peak = new Map<string, Quantity>();
  for (const c of spec.initContainers ?? []) {
    if (c.restartPolicy === 'Always') {
      add(total, of(c));
      add(sidecars, of(c));
      maxInto(peak, sidecars);
    } else {
      const during = new Map(sidecars);
      add(during, of(c));
      maxInto(peak, during);
    }
  }
  maxInto(total, peak);
  for (const [name, value] of amountsOf(spec.resources?.[side])) total.set(name, value);
  return total;
}

// A limit that is not there stays so.
function addOverhead(total: Map<string, Quantity>, overhead: Amounts, side: Side): void {
  if (side === 'requests') {
    add(total, overhead);
    return;
  }
  for (const [name, value] of overhead) {
    const limit = total.get(name);
    if (limit) total.set(name, limit.add(value));
  }
}
