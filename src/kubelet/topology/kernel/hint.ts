// Where on a machine a request can be met, and how several such requests go together.
import type { MachineTopology } from './machine-topology.ts';

/** NUMA nodes as bits by their ids. */
export type NodeMask = number;

export interface Hint {
  /** Undefined: anywhere. */
  readonly nodes: NodeMask | undefined;
  /** No fewer nodes could meet the request, were the machine empty. */
  readonly preferred: boolean;
}

/** By resource. Undefined: no preference; none: it cannot be met. */
export type Hints = Readonly<Record<string, readonly Hint[] | undefined>>;

export const bit = (node: number): NodeMask => 2 ** node;
export const maskOf = (nodes: Iterable<number>): NodeMask => [...nodes].reduce((mask, n) => mask | bit(n), 0);
export const nodesOf = (mask: NodeMask): readonly number[] =>
  Array.from({ length: 31 }, (_, n) => n).filter(n => mask & bit(n));
export const width = (mask: NodeMask): number => nodesOf(mask).length;

/** Every set of the machine's nodes, narrow ones first. */
export function nodeMasks({ nodes }: MachineTopology): readonly NodeMask[] {
  let masks: NodeMask[] = [0];
  for (const { id } of nodes) masks = masks.flatMap(m => [m, m | bit(id)]);
  return masks.filter(m => m > 0).sort((a, b) => width(a) - width(b) || a - b);
}

/** Hints of all sets of nodes that `fits` says can meet it now; `couldFit`: were they empty. */
export function hintsWhere(
  topology: MachineTopology,
  couldFit: (mask: NodeMask) => boolean,
  fits: (mask: NodeMask) => boolean,
): readonly Hint[] {
  const masks = nodeMasks(topology);
  const least = masks.find(couldFit);
  if (least === undefined) return [];
  return masks.filter(fits).map(nodes => ({ nodes, preferred: width(nodes) === width(least) }));
}
