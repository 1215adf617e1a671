// What of each NUMA node's memory is the system's.
import { bytesOf } from '../../kernel/amount.ts';
import type { MachineTopology } from '../../topology/kernel/machine-topology.ts';
import type { ReservedMemory } from './memory-book.ts';

export interface MemoryReservation {
  readonly numaNode: number;
  /** By type: `memory`, `hugepages-2Mi`. */
  readonly limits: Readonly<Record<string, string>>;
}

/** Throws what is wrong with them by themselves. */
export function checkReservations(reservations: readonly MemoryReservation[]): void {
  const seen = new Set<string>();
  for (const { numaNode, limits } of reservations)
    for (const [type, quantity] of Object.entries(limits)) {
      const at = `NUMA node ${numaNode} and resource ${JSON.stringify(type)}`;
      if (type !== 'memory' && !type.startsWith('hugepages-'))
        throw new Error(
          `invalid configuration: the limit type ${JSON.stringify(type)} for NUMA node ${numaNode} is not allowed, only [memory hugepages-<HugePageSize>] are accepted`,
        );
      if (seen.has(at)) throw new Error(`invalid configuration: the reserved memory has a duplicate value for ${at}`);
      if (bytesOf(quantity) === 0) throw new Error(`invalid configuration: reserved memory may not be zero for ${at}`);
      seen.add(at);
    }
}

/** Throws where they are of another machine, or do not add up to what is reserved of the node as a whole. */
export function checkReservedMemory(
  reservations: readonly MemoryReservation[],
  { nodes }: MachineTopology,
  total: (type: string) => number,
): ReservedMemory {
  const out = new Map<number, Record<string, number>>();
  const sums = new Map<string, number>();
  for (const { numaNode, limits } of reservations) {
    if (!nodes.some(n => n.id === numaNode))
      throw new Error(
        `the reserved memory configuration references a NUMA node ${numaNode} that does not exist on this machine`,
      );
    for (const [type, quantity] of Object.entries(limits)) {
      out.getOrInsertComputed(numaNode, () => ({}))[type] = bytesOf(quantity);
      sums.set(type, (sums.get(type) ?? 0) + bytesOf(quantity));
    }
  }
  const types = new Set([
    'memory',
    ...sums.keys(),
    ...nodes.flatMap(n => Object.keys(n.hugepages).map(p => `hugepages-${p}`)),
  ]);
  for (const type of types) {
    const [sum, whole] = [sums.get(type) ?? 0, total(type)];
    if (sum !== whole)
      throw new Error(
        `the total amount "${sum}" of type ${JSON.stringify(type)} is not equal to the value "${whole}" determined by Node Allocatable feature`,
      );
  }
  return out;
}
