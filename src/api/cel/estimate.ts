// What an expression may cost at most, going by the sizes its types state, or the schema it is a rule of.

import type { Call, Fold, Ident, ListNode, MapNode, Node, Select } from './ast.ts';
import type { CostEstimate } from './cel.ts';
import { type Overload, TRAVERSAL } from './overload.ts';
import type { CelType } from './type.ts';

type Range = CostEstimate;
interface Estimate extends Value {
  readonly cost: Range;
}
interface Value {
  /** Elements, characters, bytes. */
  readonly size: Range;
  /** The schema says how large it is, or the expression made it of what is known. */
  readonly known?: boolean;
  /** Where in the schema it comes from; absent where the expression made it. */
  readonly place?: Place;
  /** How large an element is that an index picks, of a list or map that the expression made of what is known. */
  readonly item?: Range;
}
/** What the schema has there; undefined: nothing. */
interface Place {
  readonly type: CelType | undefined;
}
type Step = '@items' | '@keys' | '@values' | { readonly field: string };

const ZERO: Range = { min: 0, max: 0 };
const ONE: Range = { min: 1, max: 1 };
const UNKNOWN: Range = { min: 0, max: Number.POSITIVE_INFINITY };
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

const sizeOfKind = ({ kind }: CelType): Range => (SIZED.has(kind) ? UNKNOWN : ONE);
const sizeOfType = (type: CelType): Range =>
  type.maxSize === undefined ? sizeOfKind(type) : { min: 0, max: type.maxSize };

/** What has no size counts as empty where a text or list was asked for. */
const sizeAt = (type: CelType): Range =>
  type.maxSize === undefined && !SIZED.has(type.kind) ? ZERO : { min: 0, max: sizeOfType(type).max };

const itemOf = (items: readonly Value[]): { item?: Range } =>
  items.length > 0 && items.every(i => i.known) ? { item: items.map(i => i.size).reduce(widest) } : {};

const itemOfBoth = (a: Value, b: Value): { item?: Range } => (a.item && b.item ? { item: widest(a.item, b.item) } : {});

/**
 * `typeOf` gives each node's final type. With `schema`, the type a rule's `self` has, sizes are looked up there as
 * Kubernetes does it: by the way that leads to a value, whose first step counts as `self` whatever it is. What runs over
 * a list that the expression made is as large as `self` therefore, and a field of it is the field of that name of `self`.
 */
export function estimate(root: Node, typeOf: (node: Node) => CelType, schema?: CelType): CostEstimate {
  return new Estimator(typeOf, schema).visit(root).cost;
}

class Estimator {
  readonly #typeOf: (node: Node) => CelType;
  readonly #schema: CelType | undefined;
  /** The variables of comprehensions around the node that is visited, the innermost last. */
  readonly #locals: { readonly name: string; readonly place: Place }[] = [];

  constructor(typeOf: (node: Node) => CelType, schema: CelType | undefined) {
    this.#typeOf = typeOf;
    this.#schema = schema;
  }

  visit(node: Node): Estimate {
    switch (node.k) {
      case 'const':
        return { cost: ZERO, size: sizeOfConst(node.value), known: true };
      case 'ident':
        return this.#ident(node);
      case 'select':
        return this.#select(node);
      case 'call':
        return this.#call(node);
      case 'list':
        return this.#list(node);
      case 'map':
        return this.#map(node);
      case 'struct':
        return { cost: plus(exactly(40), ...node.fields.map(f => this.visit(f.value).cost)), size: this.#typed(node) };
      case 'fold':
        return this.#fold(node);
      case 'bind': {
        const value = this.visit(node.value);
        const body = this.#within([{ name: node.name, place: { type: undefined } }], () => this.visit(node.body));
        return { cost: plus(value.cost, body.cost, node.kind === 'bind' ? ZERO : ONE), size: body.size };
      }
    }
  }

  #typed(node: Node): Range {
    const type = this.#typeOf(node);
    return this.#schema ? sizeOfKind(type) : sizeOfType(type);
  }

  #placed(node: Node, place: Place): Value {
    const size = this.#typed(node);
    if (!place.type) return { size, place };
    return { size: size === ONE ? ONE : sizeAt(place.type), known: true, place };
  }

  #step(from: Place | undefined, step: Step): Place {
    return { type: from ? from.type && below(from.type, step) : this.#schema };
  }

  #within<T>(locals: readonly { readonly name: string; readonly place: Place }[], visit: () => T): T {
    this.#locals.push(...locals);
    const result = visit();
    this.#locals.length -= locals.length;
    return result;
  }

  #ident(node: Ident): Estimate {
    const cost = this.#typeOf(node).kind === 'type' ? ZERO : ONE;
    const local = node.root ? undefined : this.#locals.findLast(l => l.name === node.name);
    return { cost, ...this.#placed(node, local?.place ?? { type: this.#schema }) };
  }

  #select(node: Select): Estimate {
    // Asking whether a field is there costs nothing.
    if (node.test) return { cost: this.visit(node.operand).cost, size: ONE };
    if (node.qualified) return { cost: ONE, ...this.#placed(node, { type: this.#schema }) };
    const operand = this.visit(node.operand);
    const cost = plus(operand.cost, ONE);
    if (node.optional) return { cost, size: this.#typed(node) };
    return { cost, ...this.#placed(node, this.#step(operand.place, { field: node.field })) };
  }

  #list(node: ListNode): Estimate {
    const items = node.items.map(n => this.visit(n));
    const cost = plus(exactly(10), ...items.map(i => i.cost));
    return { cost, size: exactly(items.length), known: true, ...itemOf(items) };
  }

  #map(node: MapNode): Estimate {
    const keys = node.entries.map(e => this.visit(e.key));
    const values = node.entries.map(e => this.visit(e.value));
    const cost = plus(exactly(30), ...[...keys, ...values].map(e => e.cost));
    return { cost, size: exactly(values.length), known: true, ...itemOf(values) };
  }

  #call(node: Call): Estimate {
    const nodes = node.target && !node.qualified ? [node.target, ...node.args] : node.args;
    const args = nodes.map(n => this.visit(n));
    const costs = args.map(a => a.cost);
    const [first, second, third] = args as [Estimate, Estimate, Estimate];
    switch (node.fn) {
      case '_&&_':
      case '_||_':
        return { cost: { min: first.cost.min, max: plus(...costs).max }, size: ONE };
      case '_?_:_': {
        const cost = plus(first.cost, widest(second.cost, third.cost));
        const known = (second.known && third.known) === true;
        return { cost, size: widest(second.size, third.size), known, ...itemOfBoth(second, third) };
      }
      case '_[?_]':
        return { cost: plus(...costs, ONE), size: this.#typed(node) };
      case '_[_]': {
        const cost = plus(...costs, ONE);
        const place = this.#step(first.place, this.#typeOf(nodes[0]!).kind === 'map' ? '@values' : '@items');
        return first.item ? { cost, size: first.item, known: true, place } : { cost, ...this.#placed(node, place) };
      }
      case 'dyn': {
        const { place: _, ...value } = first;
        return { ...value, cost: plus(first.cost, ONE) };
      }
      default:
        return this.#function(node, nodes, args);
    }
  }

  #function(node: Call, nodes: readonly Node[], args: readonly Estimate[]): Estimate {
    const typed = this.#typed(node);
    const costs = args.map(a => a.cost);
    const own = (node.overloads ?? []).map(o => this.#overload(o, args, nodes, typed));
    const [first = { cost: ONE, size: typed }, ...rest] = own;
    const worst = rest.reduce((a, b) => ({ cost: widest(a.cost, b.cost), size: widest(a.size, b.size) }), first);
    const size = typed.max < worst.size.max ? typed : worst.size;
    const known = node.overloads?.some(o => o.resultSize !== undefined || o.sizeFrom !== undefined) === true;
    const item = node.fn === '_+_' && args.length === 2 ? itemOfBoth(args[0]!, args[1]!) : {};
    const value = { cost: plus(...costs, worst.cost), size, known, ...item };
    return node.overloads?.some(o => o.readsItems) ? this.#items(node.fn, nodes[0]!, args, value) : value;
  }

  /** Of a list of texts, all of them are read; joined they are as large together, with what stands between. */
  #items(fn: string, node: Node, args: readonly Estimate[], value: Estimate): Estimate {
    const type = this.#typeOf(node);
    if (type.kind !== 'list' || (type.item.kind !== 'string' && type.item.kind !== 'bytes')) return value;
    const [list, separator] = args as [Estimate, Estimate?];
    const at = list.place?.type && below(list.place.type, '@items');
    const item = at ? sizeAt(at) : this.#schema ? UNKNOWN : sizeOfType(type.item);
    const reading = times(list.size, { min: item.min * TRAVERSAL, max: item.max * TRAVERSAL });
    const cost = plus(value.cost, reading);
    if (fn !== 'join') return { ...value, cost };
    return { cost, size: times(list.size, plus(item, separator?.size ?? ZERO)), known: at !== undefined };
  }

  #overload(overload: Overload, args: readonly Estimate[], nodes: readonly Node[], typed: Range): Estimate {
    if (overload.sizeFrom !== undefined) {
      const size = sizeStated(nodes[overload.sizeFrom]!);
      return { cost: plus(exactly(overload.cost!(() => 1)), size), size };
    }
    const part = overload.part ? partStated(nodes) : undefined;
    const at = (bound: 'min' | 'max') => (i: number) => part ?? args[i]?.size[bound] ?? 1;
    const cost = overload.cost ? { min: safe(overload.cost(at('min'))), max: safe(overload.cost(at('max'))) } : ONE;
    if (overload.resultSize) {
      const size = (bound: 'min' | 'max', other: 'min' | 'max') => safe(overload.resultSize!(at(bound), at(other)));
      return { cost, size: { min: size('min', 'max'), max: size('max', 'min') } };
    }
    return { cost, size: overload.result.kind === 'param' ? typed : sizeOfType(overload.result) };
  }

  #fold(node: Fold): Estimate {
    const range = this.visit(node.range);
    const [filter, body] = this.#within(this.#variables(node, range), () => [
      node.filter && this.visit(node.filter),
      this.visit(node.body),
    ]);
    const [round, once] = ROUND[node.kind];
    const rounds = times(range.size, plus(exactly(round), body.cost, filter?.cost ?? ZERO));
    const sorting = node.kind === 'sortBy' ? sortEstimate(range.size) : ZERO;
    const cost = plus(range.cost, rounds, exactly(once), sorting);
    if (node.kind === 'all' || node.kind === 'exists' || node.kind === 'exists_one') return { cost, size: ONE };
    const kept = node.kind === 'filter';
    const typed = this.#typed(node);
    const size = kept ? { min: 0, max: range.size.max } : range.size;
    const item = node.kind === 'sortBy' ? {} : kept ? this.#elements(node, range) : itemOf([body]);
    return { cost, size: size.max <= typed.max ? size : typed, ...item };
  }

  #variables({ range, first, second }: Fold, { place }: Estimate) {
    const overMap = this.#typeOf(range).kind === 'map';
    const element = { name: second ?? first, place: this.#step(place, overMap ? '@values' : '@items') };
    if (!overMap) return second === undefined ? [element] : [{ name: first, place: { type: undefined } }, element];
    const key = { name: first, place: this.#step(place, '@keys') };
    return second === undefined ? [key] : [key, element];
  }

  #elements({ range }: Fold, { place }: Estimate): { item?: Range } {
    const type = this.#typeOf(range);
    if (type.kind !== 'list' || !SIZED.has(type.item.kind)) return {};
    const at = this.#step(place, '@items').type;
    return at ? { item: sizeAt(at) } : {};
  }
}

/** A schema says nothing of keys: they count as empty. */
const KEY: CelType = { kind: 'string', maxSize: 0 };

function below(type: CelType, step: Step): CelType | undefined {
  if (typeof step === 'object') return type.kind === 'object' ? type.field(step.field)?.type : undefined;
  if (type.kind === 'list') return step === '@keys' ? undefined : type.item;
  if (type.kind === 'map') return step === '@keys' ? KEY : type.value;
  return undefined;
}

function sizeOfConst(value: unknown): Range {
  if (typeof value === 'string' || value instanceof Uint8Array) return exactly(value.length);
  return ONE;
}

function sizeStated(node: Node): Range {
  if (node.k !== 'const' || typeof node.value !== 'bigint') return { min: 0, max: Number.POSITIVE_INFINITY };
  return exactly(Math.max(0, Number(node.value)));
}

function partStated([, from, to]: readonly Node[]): number | undefined {
  if (from?.k !== 'const' || to?.k !== 'const') return undefined;
  const size = Number(to.value) - Number(from.value);
  return size < 0 ? Number.POSITIVE_INFINITY : size;
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
