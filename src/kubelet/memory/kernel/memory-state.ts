// The content of memory_manager_state.
import { checksumOf, corrupted, dumpedMap, dumpedNumbers } from '../../state/checksum.ts';

/** Bytes of one type of memory on one NUMA node. */
export interface MemoryTable {
  readonly total: number;
  readonly systemReserved: number;
  readonly allocatable: number;
  reserved: number;
  free: number;
}

export interface NodeState {
  numberOfAssignments: number;
  /** By type: `memory`, `hugepages-2Mi`. */
  readonly memoryMap: Readonly<Record<string, MemoryTable>>;
  /** Nodes that containers have memory of together with this one, itself included. */
  cells: readonly number[];
}

export interface MemoryBlock {
  readonly numaAffinity: readonly number[];
  readonly type: string;
  size: number;
}

export interface MemoryState {
  readonly policyName: string;
  /** By node. */
  readonly machineState: Readonly<Record<string, NodeState>>;
  /** By pod uid and container. */
  readonly entries: Readonly<Record<string, Readonly<Record<string, readonly MemoryBlock[]>>>>;
}

const inOrder = <T>(record: Readonly<Record<string, T>>): readonly [string, T][] =>
  Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1));

export function encodeMemoryState(state: MemoryState): string {
  const { policyName } = state;
  const machineState = Object.fromEntries(
    inOrder(state.machineState).map(([node, { numberOfAssignments, memoryMap, cells }]) => [
      node,
      { numberOfAssignments, memoryMap: Object.fromEntries(inOrder(memoryMap)), cells },
    ]),
  );
  const entries = Object.fromEntries(
    inOrder(state.entries).map(([uid, own]) => [uid, Object.fromEntries(inOrder(own))]),
  );
  const some = Object.keys(entries).length ? { entries } : {};
  return JSON.stringify({ policyName, machineState, ...some, checksum: checksum(state) });
}

/** Throws where it is not what a kubelet has written. */
export function decodeMemoryState(text: string): MemoryState {
  const read = JSON.parse(text) as MemoryState & { checksum: number };
  const { policyName, machineState, entries = {} } = read;
  const state = { policyName, machineState, entries };
  if (checksum(state) !== read.checksum) throw new Error(corrupted);
  return state;
}

function checksum({ policyName, machineState, entries }: MemoryState): number {
  const nodes = Object.entries(machineState).map(([node, state]) => [node, dumpedNode(state)] as const);
  const pods = Object.entries(entries).map(([uid, own]) => {
    const containers = Object.entries(own).map(
      ([name, blocks]) => [name, `[${blocks.map(dumpedBlock).join(' ')}]`] as const,
    );
    return [uid, dumpedMap(containers)] as const;
  });
  return checksumOf(
    `(*state.MemoryManagerCheckpoint){PolicyName:(string)${policyName} MachineState:(state.NUMANodeMap)${dumpedNumbers(nodes)} Entries:(state.ContainerMemoryAssignments)${dumpedMap(pods)} Checksum:(checksum.Checksum)0}`,
  );
}

const dumpedNode = ({ numberOfAssignments, memoryMap, cells }: NodeState): string => {
  const tables = Object.entries(memoryMap).map(([type, table]) => [type, dumpedTable(table)] as const);
  return `<*>{NumberOfAssignments:(int)${numberOfAssignments} MemoryMap:(map[v1.ResourceName]*state.MemoryTable)${dumpedMap(tables)} Cells:([]int)[${cells.join(' ')}]}`;
};

const dumpedTable = (t: MemoryTable): string =>
  `<*>{TotalMemSize:(uint64)${t.total} SystemReserved:(uint64)${t.systemReserved} Allocatable:(uint64)${t.allocatable} Reserved:(uint64)${t.reserved} Free:(uint64)${t.free}}`;

const dumpedBlock = (b: MemoryBlock): string =>
  `{NUMAAffinity:([]int)[${b.numaAffinity.join(' ')}] Type:(v1.ResourceName)${b.type} Size:(uint64)${b.size}}`;
