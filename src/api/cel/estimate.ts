// What an expression may cost at most, going by the sizes its types state.

import type { Fold, Node } from './ast.ts';
import type { CostEstimate } from './cel.ts';
import { type Overload, TRAVERSAL } from './overload.ts';
import type { CelType } from './type.ts';

type Range = CostEstimate;
interface Estimate {
  readonly cost: Range;
  /** Of the value: elements, characters, bytes. */
  readonly size: Range;
}

const ZERO: Range = { min: 0, max: 0 };
const ONE: Range = { min: 1, max: 1 };
const plus = (...ranges: readonly Range[]): Range => ({
  min: ranges.reduce((n, r) => n + r.min, 0),
  max: ranges.reduce((n, r) => n + r.max, 0),
});
const product = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : a * b);
const times = (a: Range, b: Range): Range => ({ min: product(a.min, b.min), max: product(a.max, b.max) });
const exactly = (n: number): Range => ({ min: n, max: n });
const widest = (a: Range, b: Range): Range => ({ min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) });

/** Objects are taken as one value, as Kubernetes does: `self == oldSelf` has to be affordable. */
const SIZED = new Set(['string', 'bytes', 'list', 'map', 'dyn']);

function sizeOfType(type: CelType): Range {
  if (type.maxSize !== undefined) return { min: 0, max: type.maxSize };
  return SIZED.has(type.kind) ? { min: 0, max: Number.POSITIVE_INFINITY } : ONE;
}

/** `typeOf` gives each node's final type. */
export function estimate(root: Node, typeOf: (node: Node) => CelType): CostEstimate {
  const visit = (node: Node): Estimate => {
    const type = typeOf(node);
    const typed = sizeOfType(type);
    switch (node.k) {
      case 'const':
        return { cost: ZERO, size: sizeOfConst(node.value) };
      case 'ident':
        return { cost: type.kind === 'type' ? ZERO : ONE, size: typed };
      case 'select':
        // Asking whether a field is there costs nothing.
        if (node.test) return { cost: visit(node.operand).cost, size: ONE };
        return { cost: node.qualified ? ONE : plus(visit(node.operand).cost, ONE), size: typed };
      case 'call':
        return call(node, typed, visit, typeOf);
      case 'list':
        return { cost: plus(exactly(10), ...node.items.map(n => visit(n).cost)), size: exactly(node.items.length) };
      case 'map':
        return {
          cost: plus(exactly(30), ...node.entries.flatMap(e => [visit(e.key).cost, visit(e.value).cost])),
          size: exactly(node.entries.length),
        };
      case 'struct':
        return { cost: plus(exactly(40), ...node.fields.map(f => visit(f.value).cost)), size: typed };
      case 'fold':
        return fold(node, typed, visit);
      case 'bind': {
        const [value, body] = [visit(node.value), visit(node.body)];
        return { cost: plus(value.cost, body.cost, node.kind === 'bind' ? ZERO : ONE), size: body.size };
      }
    }
  };
  return visit(root).cost;
}

function sizeOfConst(value: unknown): Range {
  if (typeof value === 'string' || value instanceof Uint8Array) return exactly(value.length);
  return ONE;
}

function call(
  node: Node & { k: 'call' },
  typed: Range,
  visit: (n: Node) => Estimate,
  typeOf: (n: Node) => CelType,
): Estimate {
  const nodes = node.target && !node.qualified ? [node.target, ...node.args] : node.args;
  const args = nodes.map(visit);
  const costs = args.map(a => a.cost);
  switch (node.fn) {
    case '_&&_':
    case '_||_':
      return { cost: { min: costs[0]!.min, max: plus(...costs).max }, size: ONE };
    case '_?_:_':
      return { cost: plus(costs[0]!, widest(costs[1]!, costs[2]!)), size: widest(args[1]!.size, args[2]!.size) };
    case '_[_]':
    case '_[?_]':
      return { cost: plus(...costs, ONE), size: typed };
    default:
  }
  const own = (node.overloads ?? []).map(o => overloadCost(o, args, nodes));
  const [first = { cost: ONE, size: typed }, ...rest] = own;
  const worst = rest.reduce((a, b) => ({ cost: widest(a.cost, b.cost), size: widest(a.size, b.size) }), first);
  const size = typed.max < worst.size.max ? typed : worst.size;
  const reading = node.overloads?.some(o => o.readsItems) ? times(args[0]!.size, itemReading(typeOf(nodes[0]!))) : ZERO;
  return { cost: plus(...costs, worst.cost, reading), size };
}

/** Of the texts in a list, one of them. */
function itemReading(type: CelType): Range {
  if (type.kind !== 'list' || (type.item.kind !== 'string' && type.item.kind !== 'bytes')) return ZERO;
  const { min, max } = sizeOfType(type.item);
  return { min: min * TRAVERSAL, max: max * TRAVERSAL };
}

function overloadCost(overload: Overload, args: readonly Estimate[], nodes: readonly Node[]): Estimate {
  if (overload.sizeFrom !== undefined) {
    const size = sizeStated(nodes[overload.sizeFrom]!);
    return { cost: plus(exactly(overload.cost!(() => 1)), size), size };
  }
  const at = (bound: 'min' | 'max') => (i: number) => args[i]?.size[bound] ?? 1;
  const cost = overload.cost ? { min: safe(overload.cost(at('min'))), max: safe(overload.cost(at('max'))) } : ONE;
  const size = overload.resultSize
    ? { min: safe(overload.resultSize(at('min'))), max: safe(overload.resultSize(at('max'))) }
    : sizeOfType(overload.result);
  return { cost, size };
}

function sizeStated(node: Node): Range {
  if (node.k !== 'const' || typeof node.value !== 'bigint') return { min: 0, max: Number.POSITIVE_INFINITY };
  return exactly(Math.max(0, Number(node.value)));
}

const safe = (n: number): number => (Number.isNaN(n) ? Number.POSITIVE_INFINITY : n);

const ROUND: Readonly<Record<Fold['kind'], [number, number]>> = {
  all: [3, 1],
  exists: [4, 1],
  exists_one: [2, 2],
  map: [12, 11],
  filter: [13, 11],
  transformList: [12, 11],
  transformMap: [2, 31],
  transformMapEntry: [2, 31],
  sortBy: [12, 11],
};

const sortEstimate = ({ min, max }: Range): Range => ({ min: 23 + 2 * min ** 2, max: 23 + 2 * max ** 2 });

function fold(node: Fold, typed: Range, visit: (n: Node) => Estimate): Estimate {
  const range = visit(node.range);
  const [round, once] = ROUND[node.kind];
  const parts = [visit(node.body).cost, ...(node.filter ? [visit(node.filter).cost] : [])];
  const rounds = times(range.size, plus(exactly(round), ...parts));
  const decides = node.kind === 'all' || node.kind === 'exists' || node.kind === 'exists_one';
  const size = decides
    ? ONE
    : node.kind === 'map' || node.kind === 'sortBy' || node.kind.startsWith('transform')
      ? range.size
      : { min: 0, max: range.size.max };
  const sorting = node.kind === 'sortBy' ? sortEstimate(range.size) : ZERO;
  return {
    cost: plus(range.cost, rounds, exactly(once), sorting),
    size: size.max <= typed.max || decides ? size : typed,
  };
}
