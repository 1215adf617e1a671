// Plain JSON values: what the patches share.
import { isWritten, writtenValue } from '../../base/written-number.ts';

export type Plain = Record<string, unknown>;

export const isPlain = (value: unknown): value is Plain =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `__proto__` is a key like any other. */
export function setKey(object: Plain, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  } else object[key] = value;
}

/** Deep equality of JSON values; the order of keys does not matter, undefined is absent. */
export function equalJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return sameNumber(a, b);
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (!equalJson(a[i], b[i])) return false;
    return true;
  }
  if (Array.isArray(b)) return false;
  let present = 0;
  for (const k in a) {
    const value = (a as Plain)[k];
    if (value === undefined) continue;
    present++;
    if (!Object.hasOwn(b, k) || !equalJson(value, (b as Plain)[k])) return false;
  }
  for (const k in b) if ((b as Plain)[k] !== undefined) present--;
  return present === 0;
}

// What came as a float may come again as a whole number.
const sameNumber = (a: unknown, b: unknown): boolean =>
  (isWritten(a) && equalJson(writtenValue(a), b)) ||
  (isWritten(b) && equalJson(a, writtenValue(b))) ||
  (typeof a === 'bigint' && typeof b === 'number' && Number.isInteger(b) && BigInt(b) === a) ||
  (typeof a === 'number' && typeof b === 'bigint' && Number.isInteger(a) && BigInt(a) === b);

/** A text that two values share when, and only when, they are equal as `equalJson` has it; never the empty one. */
export function equalityText(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (isWritten(value)) return equalityText(writtenValue(value));
  if (Array.isArray(value)) return `[${value.map(equalityText).join()}]`;
  if (!isPlain(value)) return typeof value === 'number' && Number.isInteger(value) ? `${BigInt(value)}` : `${value}`;
  const keys = Object.keys(value).filter(key => value[key] !== undefined);
  return `{${keys
    .sort()
    .map(key => `${JSON.stringify(key)}:${equalityText(value[key])}`)
    .join()}}`;
}

/** The text a field should hold; empty where another type stands in it, as Kubernetes reads what it has not decoded. */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

export function jsonKind(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (value === null) return 'null';
  if (typeof value === 'bigint' || isWritten(value)) return 'number';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}
