// On which NUMA nodes the devices that are asked for can be had.
import type { Container, Pod } from '../../../api/type/core-v1.ts';
import { type Hint, type Hints, hintsWhere, maskOf, type NodeMask } from '../../topology/kernel/hint.ts';
import type { MachineTopology } from '../../topology/kernel/machine-topology.ts';
import type { DeviceBook, OfferedDevice } from './device-book.ts';

/** `container`: whose request it is; absent: the pod's as a whole. */
export function deviceHints(
  book: DeviceBook,
  topology: MachineTopology,
  pod: Pod,
  request: ReadonlyMap<string, number>,
  container?: Container,
): Hints {
  return Object.fromEntries(
    [...request].map(([resource, count]) => [resource, hintsOf(book, topology, pod, resource, count, container)]),
  );
}

function hintsOf(
  book: DeviceBook,
  topology: MachineTopology,
  pod: Pod,
  resource: string,
  count: number,
  container: Container | undefined,
): readonly Hint[] | undefined {
  const all = book.devices(resource);
  if (!all.some(d => d.numaNodes.length)) return undefined;
  const on = (devices: readonly OfferedDevice[], mask: NodeMask) =>
    devices.filter(d => maskOf(d.numaNodes) & mask).length;
  const couldFit = (mask: NodeMask) => on(all, mask) >= count;
  const own = container && book.find(pod.metadata.uid ?? '', container.name, resource);
  if (own) {
    const held = all.filter(d => own.ids.includes(d.id));
    return held.length === count ? hintsWhere(topology, couldFit, mask => on(held, mask) >= count) : [];
  }
  const reusable = container ? book.reusable(pod, container, resource) : new Set<string>();
  const used = book.inUse(resource);
  const free = all.filter(d => d.healthy && (!used.has(d.id) || reusable.has(d.id)));
  const mine = free.filter(d => reusable.has(d.id));
  return hintsWhere(topology, couldFit, mask => on(mine, mask) === mine.length && on(free, mask) >= count);
}
