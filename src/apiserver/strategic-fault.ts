// Values of other types in a strategic merge patch: it goes into the struct field by field, and not as JSON, and so Go's
// servers word what does not fit in another way.
import { isPlain } from '../api/patch/plain.ts';

const fault = /^json: cannot unmarshal (\w+)(?: \S+)? into Go struct field \w+\.(\S+) of type (\S+)$/;
// Read by the type itself, from JSON.
const time = /(?:Timestamp|Time)$/;
const kinds: Readonly<Record<string, string>> = { array: 'slice', object: 'map' };

/** The words for a strategic patch of what is told of JSON. */
export function strategicFault(why: string, patch: unknown): string {
  const [, given = '', path = '', type = ''] = fault.exec(why) ?? [];
  if (!type) return why;
  if (type === 'string' && time.test(path)) return `json: cannot unmarshal ${given} into Go value of type string`;
  const kind = given === 'number' ? numberKind(patch, path.split('.')) : (kinds[given] ?? given);
  if (type.startsWith('[]')) return `cannot restore slice from ${kind}`;
  if (type.startsWith('map[')) return `cannot restore map from ${kind}`;
  if (type.includes('.')) return `cannot restore struct from: ${kind}`;
  const convertible = (kind === 'int64' && type === 'string') || (kind === 'float64' && /^u?int/.test(type));
  return convertible ? `cannot convert ${kind} to ${type}` : `unrecognized type: ${type}`;
}

/** Of the number that stands at the path, or in what stands there. */
function numberKind(patch: unknown, path: readonly string[]): 'int64' | 'float64' {
  let at = [patch];
  for (const name of path) at = at.flatMap(items).flatMap(v => (isPlain(v) && Object.hasOwn(v, name) ? [v[name]] : []));
  const inside = at.flatMap(items).flatMap(v => (isPlain(v) ? Object.values(v) : [v]));
  const number = inside.find(v => typeof v === 'number');
  return number === undefined || Number.isInteger(number) ? 'int64' : 'float64';
}

const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);
