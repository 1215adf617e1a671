// CEL's own extension for lists.
import { compare, equals } from '../equal.ts';
import { fn, type Library, type SizeOf, spend, step } from '../overload.ts';
import { CelFault, CelList, CelOptional, type CelValue, typeName } from '../value.ts';

const ORDERED = ['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes'];

/** What a new list costs, and the call. */
const MADE = 11;
const linear = { cost: (s: SizeOf) => MADE + s(0), resultSize: (s: SizeOf) => s(0) };
const quadratic = { cost: (s: SizeOf) => MADE + 2 * s(0) ** 2, resultSize: (s: SizeOf) => s(0) };

function slice(list: CelList, from: bigint, to: bigint): CelList {
  const refuse = (why: string): never => {
    throw new CelFault(`cannot slice(${from}, ${to}), ${why}`);
  };
  if (from < 0n || to < 0n) refuse('negative indexes not supported');
  if (from > to) refuse('start index must be less than or equal to end index');
  if (to > BigInt(list.size)) refuse(`list is length ${list.size}`);
  const out: CelValue[] = [];
  for (let i = Number(from); i < Number(to); i++) out.push(list.get(i));
  return CelList.of(out);
}

function flatten(list: CelList, levels = 1n): CelList {
  if (levels < 0n) throw new CelFault('level must be non-negative');
  const out: CelValue[] = [];
  const walk = (items: CelList, left: number) => {
    for (const item of items) {
      step(1);
      if (left > 0 && item instanceof CelList) walk(item, left - 1);
      else out.push(item);
    }
  };
  walk(list, Number(levels));
  return CelList.of(out);
}

/** `list` in the order of `keys`, which belong to its items. */
export function sortedBy(list: readonly CelValue[], keys: readonly CelValue[]): CelList {
  const kind = keys.length ? typeName(keys[0]!) : '';
  if (keys.some(key => typeName(key) !== kind)) throw new CelFault('list elements must have the same type');
  const order = keys.map((_, i) => i).sort((a, b) => compare(keys[a]!, keys[b]!) ?? 0);
  return CelList.of(order.map(i => list[i]!));
}

function sort(list: CelList): CelList {
  const items = [...list];
  return sortedBy(items, items);
}

function distinct(list: CelList): CelList {
  const out: CelValue[] = [];
  for (const item of list) {
    step(1 + out.length);
    if (!out.some(known => equals(known, item))) out.push(item);
  }
  return CelList.of(out);
}

function range(end: bigint): CelList {
  const size = Math.max(0, Number(end));
  spend(size);
  return CelList.of(Array.from({ length: size }, (_, i) => BigInt(i)));
}

const optionalOf = (list: CelList, i: number): CelOptional =>
  list.size === 0 ? CelOptional.none : new CelOptional(list.get(i));

export const listExtension: Library = [
  fn('list<T>::slice(int, int): list<T>', slice, { ...linear, part: true }),
  fn('list<list<T>>::flatten(): list<T>', l => flatten(l), { cost: linear.cost }),
  fn('list<dyn>::flatten(int): list<dyn>', flatten, {
    cost: s => MADE + s(0) * Math.max(1, s(1)),
  }),
  ...ORDERED.map(k => fn(`list<${k}>::sort(): list<${k}>`, sort, quadratic)),
  fn('list<T>::distinct(): list<T>', distinct, quadratic),
  fn('list<T>::reverse(): list<T>', (l: CelList) => CelList.of([...l].reverse()), linear),
  fn('lists.range(int): list<int>', range, { cost: () => MADE, sizeFrom: 0 }),
  fn('list<T>::first(): optional<T>', (l: CelList) => optionalOf(l, 0)),
  fn('list<T>::last(): optional<T>', (l: CelList) => optionalOf(l, l.size - 1)),
];
