// Values of a KubeletConfiguration; each throws what is wrong with the one of a field.
import { parseQuantity } from '../api/quantity.ts';
import { parseDuration } from '../api/scalar.ts';
import { messageOf } from '../base/assert.ts';
import { parseCpus } from '../kubelet/cpu/kernel/cpu-set.ts';

export type Strings = Readonly<Record<string, string>>;

export const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const invalid = (name: string, value: unknown, why: string): Error =>
  new Error(`${name}: Invalid value: ${JSON.stringify(value)}: ${why}`);

export function integer(value: unknown, name: string, min: number, max = 2 ** 31 - 1): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalid(name, value, `must be an integer between ${min} and ${max}, inclusive`);
}

export function typed<T>(value: unknown, name: string, type: 'string' | 'boolean'): T {
  if (typeof value === type) return value as T;
  throw invalid(name, value, `must be a ${type}`);
}

export function milliseconds(value: unknown, name: string): number {
  try {
    const ms = parseDuration(typed<string>(value, name, 'string')) / 1e6;
    if (ms >= 0) return ms;
  } catch (error) {
    throw invalid(name, value, messageOf(error));
  }
  throw invalid(name, value, 'must not be negative');
}

export function texts(value: unknown, name: string): readonly string[] {
  if (Array.isArray(value) && value.every(v => typeof v === 'string')) return value;
  throw invalid(name, value, 'must be a list of strings');
}

export function quantities(value: unknown, name: string, percents = false): Strings {
  if (!isMap(value)) throw invalid(name, value, 'must be a map');
  for (const [key, text] of Object.entries(value))
    if (!(percents && isPercent(text)) && !isQuantity(text))
      throw invalid(`${name}[${key}]`, text, `must be a quantity${percents ? ' or a percentage' : ''}`);
  return value as Strings;
}

/** How many a list as `0-3,8` names. */
export function cpusIn(value: unknown, name: string): number {
  try {
    return parseCpus(typed<string>(value, name, 'string')).size;
  } catch (error) {
    throw invalid(name, value, messageOf(error));
  }
}

const isPercent = (value: unknown) => typeof value === 'string' && /^\d+(\.\d+)?%$/.test(value);

function isQuantity(value: unknown): boolean {
  try {
    return typeof value === 'string' && parseQuantity(value) !== undefined;
  } catch {
    return false;
  }
}
