import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCpus, sortedCpus } from '../cpu/kernel/cpu-set.ts';
import { pageName } from '../node/machine.ts';
import type { Cpu, MachineTopology, NumaNode } from './kernel/machine-topology.ts';

const text = async (path: string): Promise<string> => (await readFile(path, 'utf8').catch(() => '')).trim();
const lowest = (list: string, otherwise: number): number => sortedCpus(parseCpus(list))[0] ?? otherwise;

/** What the kernel tells below /sys. A machine without NUMA has one node, with all its memory. */
export async function readTopology(memoryBytes: number, root = '/sys/devices/system'): Promise<MachineTopology> {
  const nodes = await readNodes(join(root, 'node'), memoryBytes);
  const nodeOf = new Map(nodes.flatMap(({ node, cpus }) => [...cpus].map(cpu => [cpu, node.id] as const)));
  const online = sortedCpus(parseCpus(await text(join(root, 'cpu/online'))));
  const cpus = await Promise.all(online.map(id => readCpu(join(root, `cpu/cpu${id}`), id, nodeOf.get(id) ?? 0)));
  return { cpus, nodes: nodes.map(n => n.node) };
}

async function readCpu(directory: string, id: number, node: number): Promise<Cpu> {
  const topology = join(directory, 'topology');
  const siblings =
    (await text(join(topology, 'core_cpus_list'))) || (await text(join(topology, 'thread_siblings_list')));
  const socket = Number((await text(join(topology, 'physical_package_id'))) || 0);
  return { id, core: lowest(siblings, id), socket: Math.max(0, socket), node, cache: await lastCache(directory, id) };
}

async function lastCache(directory: string, id: number): Promise<number> {
  let best = { level: 0, first: id };
  for (const name of await readdir(join(directory, 'cache')).catch(() => [])) {
    if (!/^index\d+$/.test(name)) continue;
    const level = Number(await text(join(directory, 'cache', name, 'level')));
    if (level <= best.level) continue;
    best = { level, first: lowest(await text(join(directory, 'cache', name, 'shared_cpu_list')), id) };
  }
  return best.first;
}

async function readNodes(directory: string, memoryBytes: number) {
  const names = await readdir(directory).catch(() => []);
  const ids = names.flatMap(n => /^node(\d+)$/.exec(n)?.[1] ?? []).map(Number);
  const nodes = ids.sort((a, b) => a - b).map(id => readNode(join(directory, `node${id}`), id));
  if (nodes.length) return Promise.all(nodes);
  const node: NumaNode = { id: 0, memoryBytes, hugepages: {}, distances: [10] };
  return [{ node, cpus: new Set<number>() }];
}

async function readNode(directory: string, id: number) {
  const total = /MemTotal:\s+(\d+)/.exec(await text(join(directory, 'meminfo')))?.[1];
  const hugepages: Record<string, number> = {};
  for (const name of (await readdir(join(directory, 'hugepages')).catch(() => [])).sort()) {
    const kb = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0);
    const count = Number(await text(join(directory, 'hugepages', name, 'nr_hugepages')));
    if (kb) hugepages[pageName(kb)] = count * kb * 1024;
  }
  const distances = (await text(join(directory, 'distance'))).split(/\s+/).filter(Boolean).map(Number);
  const node: NumaNode = { id, memoryBytes: Number(total ?? 0) * 1024, hugepages, distances };
  return { node, cpus: parseCpus(await text(join(directory, 'cpulist'))) };
}
