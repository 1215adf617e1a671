// Equality and order of values, numbers of different kinds included.
import { step } from './overload.ts';
import { CelDuration, CelTimestamp } from './time.ts';
import {
  CelFault,
  CelList,
  CelMap,
  CelObject,
  CelOpaque,
  CelOptional,
  CelTypeValue,
  CelUint,
  type CelValue,
  toJson,
} from './value.ts';

/** Never fails; values of different types are not equal. Costs a little for each value compared. */
export function equals(a: CelValue, b: CelValue): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') {
    if (typeof a === typeof b) return a === b;
    return compareNumbers(a, b) === 0;
  }
  if (a === null || b === null) return a === b;
  if (a === b && !(a instanceof CelList || a instanceof CelMap)) return true;
  if (a instanceof CelUint) return compareNumbers(a, b) === 0;
  if (a instanceof CelList) return b instanceof CelList && listsEqual(a, b);
  if (a instanceof CelMap) return b instanceof CelMap && mapsEqual(a, b);
  if (a instanceof CelObject) return b instanceof CelObject && objectsEqual(a, b);
  if (a instanceof CelTimestamp) return b instanceof CelTimestamp && a.ns === b.ns;
  if (a instanceof CelDuration) return b instanceof CelDuration && a.ns === b.ns;
  if (a instanceof CelTypeValue) return b instanceof CelTypeValue && a.name === b.name;
  if (a instanceof CelOptional) return b instanceof CelOptional && optionalsEqual(a, b);
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  return b instanceof CelOpaque && a.typeName === b.typeName && a.equals(b);
}

function optionalsEqual(a: CelOptional, b: CelOptional): boolean {
  if (a.value === undefined || b.value === undefined) return a.value === b.value;
  return equals(a.value, b.value);
}

function listsEqual(a: CelList, b: CelList): boolean {
  if (a.size !== b.size) return false;
  if (a.listType === 'set') return everyInSome(a, b, equals);
  if (a.listType === 'map' && a.keys.length) return everyInSome(a, b, equals);
  const other = b[Symbol.iterator]();
  for (const item of a) {
    step(1);
    if (!equals(item, other.next().value as CelValue)) return false;
  }
  return true;
}

function everyInSome(a: CelList, b: CelList, same: (x: CelValue, y: CelValue) => boolean): boolean {
  for (const x of a) {
    let found = false;
    for (const y of b) {
      step(1);
      if (same(x, y)) {
        found = true;
        break;
      }
    }
    if (!found) return false;
  }
  return true;
}

function mapsEqual(a: CelMap, b: CelMap): boolean {
  if (a.size !== b.size) return false;
  for (const key of a.keys()) {
    step(1);
    const other = b.get(key);
    if (other === undefined || !equals(a.get(key)!, other)) return false;
  }
  return true;
}

function objectsEqual(a: CelObject, b: CelObject): boolean {
  if (a.type.name !== b.type.name) return false;
  const [left, right] = [a.names(), b.names()];
  if (left.length !== right.length) return false;
  return left.every(name => {
    step(1);
    const [x, y] = [a.get(name), b.get(name)];
    return x !== undefined && y !== undefined ? equals(x, y) : x === y;
  });
}

const isNumber = (v: CelValue): v is bigint | number | CelUint =>
  typeof v === 'bigint' || typeof v === 'number' || v instanceof CelUint;

/** -1, 0, 1; undefined for NaN and for what are no numbers. */
export function compareNumbers(a: CelValue, b: CelValue): number | undefined {
  if (!isNumber(a) || !isNumber(b)) return undefined;
  const [x, y] = [a instanceof CelUint ? a.value : a, b instanceof CelUint ? b.value : b];
  if (typeof x === 'bigint' && typeof y === 'bigint') return x < y ? -1 : x > y ? 1 : 0;
  // As cel-go: next to a double everything is a double.
  const [m, n] = [Number(x), Number(y)];
  return m < n ? -1 : m > n ? 1 : m === n ? 0 : undefined;
}

const byCodePoint = (a: string, b: string): number => {
  if (a === b) return 0;
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return (surrogate(x) === surrogate(y) ? x < y : surrogate(y)) ? -1 : 1;
  }
  return a.length < b.length ? -1 : 1;
};
const surrogate = (c: number): boolean => c >= 0xd800 && c < 0xe000;

/** -1, 0, 1; undefined when a NaN is in it. Throws CelFault for what has no order. */
export function compare(a: CelValue, b: CelValue): number | undefined {
  if (isNumber(a) && isNumber(b)) return compareNumbers(a, b);
  if (typeof a === 'string' && typeof b === 'string') return byCodePoint(a, b);
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  if (a instanceof CelTimestamp && b instanceof CelTimestamp) return a.ns < b.ns ? -1 : a.ns > b.ns ? 1 : 0;
  if (a instanceof CelDuration && b instanceof CelDuration) return a.ns < b.ns ? -1 : a.ns > b.ns ? 1 : 0;
  throw new CelFault('no such overload');
}

/** A list's values without repetition; for results of set operations. */
export function contains(list: CelList, value: CelValue): boolean {
  for (const item of list) if (equals(item, value)) return true;
  return false;
}

export const jsonText = (value: CelValue): string => JSON.stringify(toJson(value, step));
