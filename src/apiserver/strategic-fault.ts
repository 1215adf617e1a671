// Values of other types in a strategic merge patch: it goes into the struct field by field, and not as JSON, and so Go's
// servers word what does not fit in another way.
import { isPlain } from '../api/patch/plain.ts';
import { schemaOf, type TypeRef } from '../api/schema.ts';

const fault = /^json: cannot unmarshal (\w+)( \S+)? into Go struct field \w+\.(\S+) of type (\S+)$/;
// Read by the type itself, from JSON.
const time = /(?:Timestamp|Time)$/;
const kinds: Readonly<Record<string, string>> = { array: 'slice', object: 'map' };

/** The words for a strategic patch of what is told of JSON. */
export function strategicFault(why: string, patch: unknown, typeName: string): string {
  const [, given = '', number = '', path = '', type = ''] = fault.exec(why) ?? [];
  if (!type) return why;
  if (type === 'string' && time.test(path)) return `json: cannot unmarshal ${given} into Go value of type string`;
  if (scalarAt(typeName, path.split('.')) === 'IntOrString')
    return `json: cannot unmarshal ${given}${number} into Go value of type ${type}`;
  const kind = given === 'number' ? numberKind(patch, path.split('.')) : (kinds[given] ?? given);
  if (type.startsWith('[]')) return `cannot restore slice from ${kind}`;
  if (type.startsWith('map[')) return `cannot restore map from ${kind}`;
  if (type.includes('.')) return `cannot restore struct from: ${kind}`;
  const convertible = (kind === 'int64' && type === 'string') || (kind === 'float64' && /^u?int/.test(type));
  return convertible ? `cannot convert ${kind} to ${type}` : `unrecognized type: ${type}`;
}

/** What stands at the path, which names no items of lists and maps. */
function scalarAt(typeName: string, path: readonly string[]): string | undefined {
  let at: TypeRef | undefined = { kind: 'struct', name: typeName };
  for (const name of path) at = at?.kind === 'struct' ? inner(schemaOf(at.name).byName.get(name)?.type) : undefined;
  return at?.kind === 'scalar' ? at.scalar : undefined;
}

const inner = (type: TypeRef | undefined): TypeRef | undefined =>
  type?.kind === 'list' ? inner(type.item) : type?.kind === 'map' ? inner(type.value) : type;

/** Of the number that stands at the path, or in what stands there. */
function numberKind(patch: unknown, path: readonly string[]): 'int64' | 'float64' {
  let at = [patch];
  for (const name of path) at = at.flatMap(items).flatMap(v => (isPlain(v) && Object.hasOwn(v, name) ? [v[name]] : []));
  const inside = at.flatMap(items).flatMap(v => (isPlain(v) ? Object.values(v) : [v]));
  const number = inside.find(v => typeof v === 'number' || typeof v === 'bigint');
  // Whole numbers of 64 bits are exact, if need be as bigints.
  return typeof number === 'number' && !Number.isSafeInteger(number) ? 'float64' : 'int64';
}

const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);
