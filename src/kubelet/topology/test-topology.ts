// A machine as tests describe it: sockets of NUMA nodes of cores, numbered as Linux does: second threads come last.
import type { MachineTopology } from './kernel/machine-topology.ts';

export interface Shape {
  readonly sockets?: number;
  readonly nodesPerSocket?: number;
  readonly coresPerNode: number;
  readonly threads?: number;
  readonly coresPerCache?: number;
  readonly memoryBytes?: number;
  readonly hugepages?: Readonly<Record<string, number>>;
}

export function testTopology(shape: Shape): MachineTopology {
  const { sockets = 1, nodesPerSocket = 1, coresPerNode, threads = 1, coresPerCache = coresPerNode } = shape;
  const nodeCount = sockets * nodesPerSocket;
  const cores = nodeCount * coresPerNode;
  const cpus = Array.from({ length: cores * threads }, (_, id) => {
    const core = id % cores;
    const node = Math.floor(core / coresPerNode);
    const cache = Math.floor(core / coresPerCache) * coresPerCache;
    return { id, core, socket: Math.floor(node / nodesPerSocket), node, cache };
  });
  const distance = (a: number, b: number) =>
    a === b ? 10 : Math.floor(a / nodesPerSocket) === Math.floor(b / nodesPerSocket) ? 11 : 21;
  const ids = Array.from({ length: nodeCount }, (_, id) => id);
  const { memoryBytes = 4 * 2 ** 30, hugepages = {} } = shape;
  return { cpus, nodes: ids.map(id => ({ id, memoryBytes, hugepages, distances: ids.map(b => distance(id, b)) })) };
}
