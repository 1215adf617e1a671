// How a machine's CPUs and memory lie to each other.
import type { CpuSet } from '../../cpu/kernel/cpu-set.ts';

export interface Cpu {
  readonly id: number;
  /** The lowest CPU of its physical core: cores of several sockets differ. */
  readonly core: number;
  readonly socket: number;
  readonly node: number;
  /** The lowest CPU of those that share its last cache. */
  readonly cache: number;
}

export interface NumaNode {
  readonly id: number;
  readonly memoryBytes: number;
  /** Page size as in resource names to bytes. */
  readonly hugepages: Readonly<Record<string, number>>;
  /** To each node, in the order of their ids. */
  readonly distances: readonly number[];
}

export interface MachineTopology {
  readonly cpus: readonly Cpu[];
  /** In the order of their ids. */
  readonly nodes: readonly NumaNode[];
}

export const allCpus = (topology: MachineTopology): CpuSet => new Set(topology.cpus.map(c => c.id));

/** Hardware threads of a physical core. */
export function threadsPerCore({ cpus }: MachineTopology): number {
  return Math.max(1, Math.floor(cpus.length / Math.max(1, new Set(cpus.map(c => c.core)).size)));
}

export const cpusOfNodes = (topology: MachineTopology, nodes: ReadonlySet<number>): CpuSet =>
  new Set(topology.cpus.filter(c => nodes.has(c.node)).map(c => c.id));
