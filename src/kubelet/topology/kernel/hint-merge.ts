// The one set of NUMA nodes that suits all hints best.
import { type Hint, type Hints, type NodeMask, nodesOf, width } from './hint.ts';
import type { MachineTopology } from './machine-topology.ts';

export type TopologyManagerPolicy = 'none' | 'best-effort' | 'restricted' | 'single-numa-node';

export interface MergeOptions {
  readonly topology: MachineTopology;
  readonly policy: TopologyManagerPolicy;
  /** Of sets that are equally narrow, that of nodes close to each other. */
  readonly closest: boolean;
}

const anywhere: Hint = { nodes: undefined, preferred: true };
const nowhere: Hint = { nodes: undefined, preferred: false };

/** One list a resource. */
function listsOf(all: readonly Hints[]): readonly (readonly Hint[])[] {
  return all.flatMap(hints =>
    Object.values(hints).map(list => (list === undefined ? [anywhere] : list.length ? list : [nowhere])),
  );
}

/** The best, and whether the policy lets a pod in with it. */
export function mergeHints(o: MergeOptions, all: readonly Hints[]): { readonly hint: Hint; readonly admit: boolean } {
  if (o.policy === 'none') return { hint: anywhere, admit: true };
  const single = o.policy === 'single-numa-node';
  const isSingle = (h: Hint) => h.preferred && (h.nodes === undefined || width(h.nodes) === 1);
  const lists = listsOf(all).map(list => (single ? list.filter(isSingle) : list));
  const hint = best(o, lists);
  return { hint, admit: hint.preferred || o.policy === 'best-effort' };
}

function best(o: MergeOptions, lists: readonly (readonly Hint[])[]): Hint {
  const bound = lists.filter(list => !list.every(h => h.nodes === undefined));
  const free = lists.filter(list => list.every(h => h.nodes === undefined));
  const unmet = free.some(list => !list.some(h => h.preferred));
  if (!bound.length) return unmet ? nowhere : anywhere;
  const masks = (list: readonly Hint[], preferredOnly: boolean) =>
    new Set(list.filter(h => h.nodes !== undefined && (h.preferred || !preferredOnly)).map(h => h.nodes!));
  const [first, ...rest] = bound;
  // Preferred is what every resource prefers: the same nodes for all of them.
  const shared = unmet
    ? []
    : [...rest.reduce((common, list) => common.intersection(masks(list, true)), masks(first!, true))];
  if (shared.length) return { nodes: shared.reduce((a, b) => (better(o, b, a) ? b : a)), preferred: true };
  if (o.policy === 'single-numa-node') return nowhere;
  let reachable = masks(first!, false);
  for (const list of rest) {
    const own = [...masks(list, false)];
    reachable = new Set([...reachable].flatMap(mask => own.map(m => mask & m)).filter(m => m > 0));
  }
  const wanted = Math.max(...bound.map(list => Math.min(...[...masks(list, false)].map(width))));
  const nodes = [...reachable].reduce<NodeMask | undefined>(
    (a, b) => (a === undefined || closer(o, b, a, wanted) ? b : a),
    undefined,
  );
  return { nodes, preferred: false };
}

/** Narrower, or as narrow and closer together, or of lower nodes. */
function better(o: MergeOptions, a: NodeMask, b: NodeMask): boolean {
  if (width(a) !== width(b)) return width(a) < width(b);
  if (o.closest && distance(o.topology, a) !== distance(o.topology, b))
    return distance(o.topology, a) < distance(o.topology, b);
  return a < b;
}

/** Where nothing is preferred: as wide as the widest of what each resource needs at least, else as near to that as can be. */
function closer(o: MergeOptions, a: NodeMask, b: NodeMask, wanted: number): boolean {
  const off = (mask: NodeMask) => (width(mask) >= wanted ? width(mask) - wanted : 100 + wanted - width(mask));
  return off(a) === off(b) ? better(o, a, b) : off(a) < off(b);
}

/** Between two of these nodes on average, themselves included. */
function distance({ nodes }: MachineTopology, mask: NodeMask): number {
  const ids = nodesOf(mask);
  const at = (id: number) => nodes.findIndex(n => n.id === id);
  const all = ids.flatMap(a => ids.map(b => nodes[at(a)]?.distances[at(b)] ?? 0));
  return all.reduce((sum, d) => sum + d, 0) / Math.max(1, all.length);
}
