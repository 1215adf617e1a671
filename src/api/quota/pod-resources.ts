// What a pod asks for and may use at most, as quotas and limit ranges count it.
import type { Quantity } from '../quantity.ts';
import type { Container, Pod } from '../type/core-v1.ts';
import { type Amounts, add, amountsOf, maxInto } from './amounts.ts';

export type Side = 'requests' | 'limits';

/** What quotas count: what the pod states or still holds while it is resized, whichever is more, and its overhead. */
export function podAmounts(pod: Pod, side: Side): Map<string, Quantity> {
  const total = aggregate(pod, side, held(pod, side));
  const given = amountsOf(pod.status?.resources?.[side]);
  for (const name of Object.keys(pod.spec.resources?.[side] ?? {})) {
    const amount = given.get(name);
    if (amount) maxInto(total, new Map([[name, amount]]));
  }
  addOverhead(total, amountsOf(pod.spec.overhead), side);
  return total;
}

const stated = (side: Side) => (c: Container) => amountsOf(c.resources?.[side]);

/** What limit ranges see. */
export const statedAmounts = (pod: Pod, side: Side): Map<string, Quantity> => aggregate(pod, side, stated(side));

/** By container: what was granted counts until it is given back, what never will be granted does not. */
function held({ status }: Pod, side: Side): (c: Container) => Map<string, Quantity> {
  const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  if (!statuses.some(s => s.resources)) return stated(side);
  const infeasible = status?.conditions?.some(c => c.type === 'PodResizePending' && c.reason === 'Infeasible') ?? false;
  return c => {
    const own = statuses.find(s => s.name === c.name);
    if (!own?.resources) return stated(side)(c);
    const amounts = infeasible ? new Map<string, Quantity>() : stated(side)(c);
    maxInto(amounts, amountsOf(own.resources[side]));
    if (side === 'requests') maxInto(amounts, amountsOf(own.allocatedResources));
    return amounts;
  };
}

/**
 * The most the pod's containers may hold at any time: containers and sidecars together or an init container beside the
 * sidecars before it, whichever is more; the pod's own resources where it states them.
 */
function aggregate({ spec }: Pod, side: Side, of: (c: Container) => Map<string, Quantity>): Map<string, Quantity> {
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
