// How much of each NUMA node's memory is whose. No I/O: who changes the book saves it.
import { type Hint, hintsWhere, type NodeMask, nodeMasks, nodesOf, width } from '../../topology/kernel/hint.ts';
import type { MachineTopology } from '../../topology/kernel/machine-topology.ts';
import type { MemoryBlock, MemoryState, MemoryTable, NodeState } from './memory-state.ts';

/** Bytes by type. */
export type Amounts = Readonly<Record<string, number>>;

/** What is kept for the system, by node. */
export type ReservedMemory = ReadonlyMap<number, Amounts>;

export class MemoryBook {
  readonly #topology: MachineTopology;
  readonly #nodes: Map<number, NodeState>;
  /** By pod and container. */
  readonly #held = new Map<string, Map<string, MemoryBlock[]>>();

  constructor(topology: MachineTopology, reserved: ReservedMemory) {
    this.#topology = topology;
    this.#nodes = new Map(
      topology.nodes.map(({ id, memoryBytes, hugepages }) => {
        const pages = Object.values(hugepages).reduce((sum, bytes) => sum + bytes, 0);
        const types = {
          memory: memoryBytes,
          ...Object.fromEntries(Object.entries(hugepages).map(([p, b]) => [`hugepages-${p}`, b])),
        };
        const tables = Object.entries(types).map(([type, total]) => {
          const systemReserved = reserved.get(id)?.[type] ?? 0;
          const allocatable = total - systemReserved - (type === 'memory' ? pages : 0);
          return [type, { total, systemReserved, allocatable, reserved: 0, free: allocatable }] as const;
        });
        return [id, { numberOfAssignments: 0, memoryMap: Object.fromEntries(tables), cells: [id] }];
      }),
    );
  }

  /** Takes up what was given out. Throws where that was of another machine, or of one with other reservations. */
  restore({ machineState, entries }: MemoryState): void {
    for (const [uid, own] of Object.entries(entries))
      for (const [container, blocks] of Object.entries(own)) this.#give(uid, container, blocks);
    const now = this.toState('').machineState;
    const facts = (nodes: MemoryState['machineState']) =>
      JSON.stringify(
        Object.keys(nodes)
          .sort()
          .map(id => [
            ...[id, nodes[id]!.numberOfAssignments, [...nodes[id]!.cells].sort()],
            ...Object.entries(nodes[id]!.memoryMap)
              .toSorted(([a], [b]) => (a < b ? -1 : 1))
              .map(([type, t]) => [type, t.total, t.systemReserved, t.allocatable]),
          ]),
      );
    if (facts(now) !== facts(machineState))
      throw new Error('[memorymanager] the expected machine state is different from the real one');
  }

  toState(policyName: string): MemoryState {
    const entries = [...this.#held].map(([uid, own]) => [uid, Object.fromEntries(own)] as const);
    const machineState = [...this.#nodes].map(([id, state]) => [String(id), state] as const);
    return { policyName, machineState: Object.fromEntries(machineState), entries: Object.fromEntries(entries) };
  }

  blocks(uid: string, container: string): readonly MemoryBlock[] {
    return this.#held.get(uid)?.get(container) ?? [];
  }

  holds(uid: string): boolean {
    return this.#held.has(uid);
  }

  /** What pods may have at most, by node and type. */
  allocatable(): readonly MemoryBlock[] {
    return [...this.#nodes].flatMap(([id, { memoryMap }]) =>
      Object.entries(memoryMap).map(([type, table]) => ({ numaAffinity: [id], type, size: table.allocatable })),
    );
  }

  // ---- where a request fits ----

  hints(request: Amounts): readonly Hint[] {
    return hintsWhere(
      this.#topology,
      mask => this.#holdsAll(mask, request, t => t.allocatable),
      mask => this.#fits(mask, request),
    );
  }

  #fits(mask: NodeMask, request: Amounts): boolean {
    return !this.#overlaps(mask) && this.#holdsAll(mask, request, t => t.free);
  }

  #holdsAll(mask: NodeMask, request: Amounts, of: (table: MemoryTable) => number): boolean {
    return Object.entries(request).every(([type, bytes]) => {
      const tables = nodesOf(mask).flatMap(id => this.#nodes.get(id)?.memoryMap[type] ?? []);
      return tables.reduce((sum, t) => sum + of(t), 0) >= bytes;
    });
  }

  /** Whether one of the nodes is given out together with others than these: groups of nodes are apart from each other. */
  #overlaps(mask: NodeMask): boolean {
    const nodes = nodesOf(mask);
    return nodes.some(id => {
      const { numberOfAssignments, cells } = this.#nodes.get(id)!;
      return numberOfAssignments > 0 && cells.toSorted((a, b) => a - b).join() !== nodes.join();
    });
  }

  // ---- giving and taking ----

  /** From those nodes, and more of them where they have not enough. Throws why it cannot be. */
  allocate(
    uid: string,
    container: string,
    request: Amounts,
    nodes: NodeMask | undefined,
    earlier: readonly string[],
  ): void {
    this.#handOver(uid, earlier, request, nodes);
    const mask = nodes === undefined ? this.#narrowest(request) : this.#widened(nodes, request);
    const numaAffinity = nodesOf(mask);
    this.#give(
      uid,
      container,
      Object.entries(request).map(([type, size]) => ({ numaAffinity, type, size })),
    );
  }

  #narrowest(request: Amounts): NodeMask {
    const hints = this.hints(request);
    const best = hints.find(h => h.preferred) ?? hints[0];
    if (best?.nodes !== undefined) return best.nodes;
    throw new Error(
      '[memorymanager] failed to get the default NUMA affinity, no NUMA nodes with enough memory is available',
    );
  }

  #widened(nodes: NodeMask, request: Amounts): NodeMask {
    if (this.#fits(nodes, request)) return nodes;
    const wider = nodeMasks(this.#topology).find(m => (m & nodes) === nodes && this.#fits(m, request));
    if (wider !== undefined) return wider;
    // Of nodes that suit others, those that suit memory too.
    const inside = nodeMasks(this.#topology).find(m => width(m & nodes) === width(m) && this.#fits(m, request));
    if (inside !== undefined) return inside;
    throw new Error('[memorymanager] failed to find NUMA nodes to extend the current topology hint');
  }

  #give(uid: string, container: string, blocks: readonly MemoryBlock[]): void {
    const own = this.#held.getOrInsertComputed(uid, () => new Map());
    own.set(
      container,
      blocks.map(b => ({ ...b })),
    );
    for (const { numaAffinity, type, size } of blocks) {
      let left = size;
      for (const id of numaAffinity) {
        const node = this.#nodes.get(id);
        if (!node) continue;
        node.numberOfAssignments++;
        node.cells = numaAffinity;
        left -= move(node.memoryMap[type], left);
      }
    }
  }

  /** Containers that have ended when this one runs leave it what they had on the same nodes. */
  #handOver(uid: string, earlier: readonly string[], request: Amounts, nodes: NodeMask | undefined): void {
    const own = this.#held.get(uid);
    for (const [type, bytes] of Object.entries(request)) {
      let left = bytes;
      for (const block of earlier.flatMap(name => own?.get(name) ?? [])) {
        if (block.type !== type || (nodes !== undefined && block.numaAffinity.join() !== nodesOf(nodes).join()))
          continue;
        const part = Math.min(left, block.size);
        this.#take(block.numaAffinity, type, part);
        block.size -= part;
        left -= part;
      }
    }
  }

  #take(nodes: readonly number[], type: string, bytes: number): void {
    let left = bytes;
    for (const id of nodes) left += move(this.#nodes.get(id)?.memoryMap[type], -left);
  }

  release(uid: string): boolean {
    const own = this.#held.get(uid);
    if (!own) return false;
    this.#held.delete(uid);
    for (const { numaAffinity, type, size } of [...own.values()].flat()) {
      this.#take(numaAffinity, type, size);
      for (const id of numaAffinity) {
        const node = this.#nodes.get(id);
        if (node && --node.numberOfAssignments === 0) node.cells = [id];
      }
    }
    return true;
  }

  keepOnly(uids: ReadonlySet<string>): boolean {
    return [...this.#held.keys()].filter(uid => !uids.has(uid) && this.release(uid)).length > 0;
  }
}

/** From what is free to what is reserved, as far as there is any, or with a negative amount back; returns how much. */
function move(table: MemoryTable | undefined, bytes: number): number {
  if (!table) return 0;
  const moved = bytes >= 0 ? Math.min(table.free, bytes) : -Math.min(table.reserved, -bytes);
  table.free -= moved;
  table.reserved += moved;
  return moved;
}
