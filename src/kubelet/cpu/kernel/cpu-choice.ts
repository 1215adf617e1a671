// Which of the free CPUs a container gets.
import { type Cpu, type MachineTopology, threadsPerCore } from '../../topology/kernel/machine-topology.ts';
import { type CpuSet, sortedCpus } from './cpu-set.ts';

export interface ChoiceOptions {
  /** Evenly over NUMA nodes where one is not enough. */
  readonly acrossNuma?: boolean;
  /** On as many physical cores as there are. */
  readonly acrossCores?: boolean;
  /** Behind as few last caches as possible. */
  readonly byCache?: boolean;
  /** Whole physical cores only. */
  readonly wholeCores?: boolean;
}

type Level = 'socket' | 'node' | 'cache' | 'core';

/** Throws, in Kubernetes' words, when there are not enough. */
export function chooseCpus(
  topology: MachineTopology,
  available: CpuSet,
  count: number,
  options: ChoiceOptions = {},
): CpuSet {
  const free = topology.cpus.filter(c => available.has(c.id)).sort((a, b) => a.id - b.id);
  if (free.length < count)
    throw new Error(`not enough cpus available to satisfy request: requested=${count}, available=${free.length}`);
  const chosen =
    (options.acrossNuma && spread(topology, free, count, options)) || place(topology, free, count, options);
  return new Set(sortedCpus(chosen.map(c => c.id)));
}

function place(topology: MachineTopology, free: readonly Cpu[], count: number, options: ChoiceOptions): readonly Cpu[] {
  const [wide, narrow] = widest(topology);
  if (options.acrossCores) return pack(free, count, [wide, narrow], aPartOfEachCore);
  return pack(free, count, options.byCache ? [wide, narrow, 'cache', 'core'] : [wide, narrow, 'core']);
}

/** Sockets hold NUMA nodes, or nodes hold sockets. */
function widest({ cpus, nodes }: MachineTopology): readonly [Level, Level] {
  return nodes.length >= new Set(cpus.map(c => c.socket)).size ? ['socket', 'node'] : ['node', 'socket'];
}

const firstOf = (free: readonly Cpu[], count: number): readonly Cpu[] => free.slice(0, count);

/** Best fit, level by level: the fullest that has room for all; where none has, the emptiest is used up first. */
function pack(free: readonly Cpu[], count: number, levels: readonly Level[], last = firstOf): readonly Cpu[] {
  const [level, ...below] = levels;
  if (count <= 0 || !level) return last(free, count);
  const groups = [...Map.groupBy(free, c => c[level]).values()];
  const fits = groups.filter(g => g.length >= count).sort((a, b) => a.length - b.length);
  if (fits[0]) return pack(fits[0], count, below, last);
  const most = groups.toSorted((a, b) => b.length - a.length)[0]!;
  const rest = free.filter(c => !most.includes(c));
  return [...most, ...pack(rest, count - most.length, levels, last)];
}

/** One thread of each core before the second of any; the emptiest cores first. */
function aPartOfEachCore(free: readonly Cpu[], count: number): readonly Cpu[] {
  const cores = [...Map.groupBy(free, c => c.core).values()].sort((a, b) => b.length - a.length);
  const rounds = Math.max(0, ...cores.map(c => c.length));
  const inTurn = Array.from({ length: rounds }, (_, i) => cores.flatMap(core => core[i] ?? [])).flat();
  return inTurn.slice(0, count);
}

/** As much of each of the fewest nodes that have room for all; undefined where one node has, or none do evenly. */
function spread(
  topology: MachineTopology,
  free: readonly Cpu[],
  count: number,
  options: ChoiceOptions,
): readonly Cpu[] | undefined {
  const piece = options.wholeCores ? threadsPerCore(topology) : 1;
  const byNode = Map.groupBy(free, c => c.node);
  const nodes = [...byNode.keys()].sort((a, b) => a - b);
  const room = (node: number) => byNode.get(node)!.length;
  if (nodes.some(n => room(n) >= count)) return undefined;
  for (let width = 2; width <= nodes.length; width++) {
    const plans = combinations(nodes, width).flatMap(some => shares(some, count, piece, room) ?? []);
    const best = plans.sort((a, b) => unevenness(a, room) - unevenness(b, room))[0];
    if (best) return [...best].flatMap(([node, share]) => place(topology, byNode.get(node)!, share, options));
  }
  return undefined;
}

type Shares = ReadonlyMap<number, number>;

/** The same for each, and what is left by pieces to those with most room. */
function shares(
  nodes: readonly number[],
  count: number,
  piece: number,
  room: (node: number) => number,
): readonly [Shares] | undefined {
  const even = Math.floor(count / nodes.length / piece) * piece;
  if (nodes.some(n => room(n) < even)) return undefined;
  const out = new Map(nodes.map(n => [n, even]));
  for (let left = count - even * nodes.length; left > 0; ) {
    const part = Math.min(piece, left);
    const fewest = nodes
      .filter(n => room(n) - out.get(n)! >= part)
      .sort((a, b) => out.get(a)! - out.get(b)! || room(b) - room(a))[0];
    if (fewest === undefined) return undefined;
    out.set(fewest, out.get(fewest)! + part);
    left -= part;
  }
  return [out];
}

/** How unlike what stays free on those nodes is. */
function unevenness(plan: Shares, room: (node: number) => number): number {
  const left = [...plan].map(([node, share]) => room(node) - share);
  const mean = left.reduce((sum, n) => sum + n, 0) / left.length;
  return left.reduce((sum, n) => sum + (n - mean) ** 2, 0);
}

export function combinations<T>(of: readonly T[], size: number): readonly (readonly T[])[] {
  if (size === 0) return [[]];
  return of.flatMap((first, i) => combinations(of.slice(i + 1), size - 1).map(rest => [first, ...rest]));
}
