// Bodies of nearly the size a request may have, one field of a kind grown at a time: a list of items alike or all
// different, a map, a text of one character again and again. Most are refused; none may hold the server for long.
import type { Resource } from '../../src/api/resource.ts';
import { type FieldSchema, schemaOf, type TypeRef } from '../../src/api/schema.ts';

type Json = any;

export interface LargeBody {
  /** `spec.containers[] different`. */
  readonly name: string;
  readonly text: string;
}

const texts = ['0', 'a', '/', '{"a":'];
const depth = 12;

interface Place {
  /** The type that has the field. */
  readonly owner: string;
  readonly path: readonly string[];
  readonly type: TypeRef;
  readonly field: FieldSchema;
}

/** Every list, map and text below a type, each type followed once. */
function* placesIn(typeName: string, path: readonly string[] = [], above: readonly string[] = []): Generator<Place> {
  if (above.includes(typeName) || path.length > depth) return;
  for (const field of schemaOf(typeName).fields) {
    const at = [...path, field.name];
    yield* placesOf(field, field.type, at, [...above, typeName]);
  }
}

function* placesOf(
  field: FieldSchema,
  type: TypeRef,
  at: readonly string[],
  above: readonly string[],
): Generator<Place> {
  if (type.kind === 'struct') {
    yield* placesIn(type.name, at, above);
    return;
  }
  if (
    type.kind === 'scalar' &&
    type.scalar !== 'string' &&
    type.scalar !== 'Quantity' &&
    type.scalar !== 'Duration' &&
    type.scalar !== 'IntOrString' &&
    type.scalar !== 'bytes'
  )
    return;
  yield { owner: above.at(-1)! + (at.at(-1)!.length === 2 ? field.name : ''), path: at, type, field };
  if (type.kind === 'list') yield* placesOf(field, type.item, [...at, '[]'], above);
  if (type.kind === 'map' && type.value.kind !== 'scalar') yield* placesOf(field, type.value, [...at, '{}'], above);
}

/** A value of the type with as few fields as it needs; `n` tells one from another. */
export function least(type: TypeRef, n: number, field?: FieldSchema, above: readonly string[] = []): Json {
  if (type.kind === 'list') return [least(type.item, n, field, above)];
  if (type.kind === 'map') return { [`k${n}`]: least(type.value, n, field, above) };
  if (type.kind === 'struct') {
    const out: Json = {};
    if (above.includes(type.name)) return out;
    for (const inner of schemaOf(type.name).fields)
      if (inner.required || /^(name|key|ip|port|containerPort|expression|path)$/.test(inner.name))
        out[inner.name] = least(inner.type, n, inner, [...above, type.name]);
    return out;
  }
  return scalar(type.scalar, n, field);
}

function scalar(kind: string, n: number, field: FieldSchema | undefined): Json {
  const name = field?.name ?? '';
  if (field?.enum.length) return field.enum[n % field.enum.length];
  if (kind === 'string') {
    if (/ip$|^ips$|IPs?$|address(es)?$/i.test(name)) return `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
    if (/cidr/i.test(name)) return `10.${(n >> 8) & 255}.${n & 255}.0/24`;
    if (/path/i.test(name)) return `/p${n}`;
    if (/expression/i.test(name)) return `'x${n}' == object.metadata.name`;
    if (/^(topologyKey|key)$/.test(name)) return `example.com/k${n}`;
    return `n${n}`;
  }
  if (kind === 'int32' || kind === 'int64' || kind === 'IntOrString') return 1 + (n % 65_000);
  if (kind === 'bool') return true;
  if (kind === 'Quantity') return `${n + 1}`;
  if (kind === 'Time') return '2026-01-01T00:00:00Z';
  if (kind === 'MicroTime') return '2026-01-01T00:00:00.000000Z';
  if (kind === 'Duration') return `${n + 1}s`;
  if (kind === 'double') return n;
  return kind === 'bytes' ? 'YQ==' : {};
}

const grown = '@@grown@@';

function* fillings({ type, field }: Place, bytes: number): Generator<[string, string]> {
  if (type.kind === 'scalar') {
    for (const text of texts)
      yield [JSON.stringify(text), `"${text.replaceAll('"', '\\"').repeat(Math.floor(bytes / (text.length + 2)))}"`];
    return;
  }
  const [open, close] = type.kind === 'list' ? '[]' : '{}';
  const item = (n: number): string =>
    type.kind === 'list'
      ? JSON.stringify(least(type.item, n, field))
      : `"example.com/k${n}":${JSON.stringify(least((type as { value: TypeRef }).value, n, field))}`;
  const count = Math.floor(bytes / (item(100_000).length + 1));
  yield ['different', `${open}${Array.from({ length: count }, (_, n) => item(n)).join(',')}${close}`];
  if (type.kind === 'list') {
    yield ['alike', `${open}${Array.from({ length: count }, () => item(1)).join(',')}${close}`];
    const none = type.item.kind === 'struct' ? '{}' : type.item.kind === 'list' ? '[]' : item(1);
    const more = Math.floor(bytes / (none.length + 1));
    yield ['empty', `${open}${new Array<string>(more).fill(none).join(',')}${close}`];
  }
}

/** The sample with one place grown to `bytes`, for every place of the kind. */
export function* largeBodies(
  resource: Resource,
  sample: Json,
  bytes: number,
  /** Fields of types that were grown already: of each only the first place is. */
  seen: Set<string>,
): Generator<LargeBody> {
  for (const place of placesIn(resource.typeName)) {
    if (place.path[0] === 'status' || place.path.includes('managedFields')) continue;
    const field = `${place.owner} ${place.path.at(-1)}`;
    if (seen.has(field)) continue;
    seen.add(field);
    const body = withPlace(sample, resource.typeName, place.path);
    const [before, after] = JSON.stringify(body).split(`"${grown}"`);
    for (const [how, text] of fillings(place, bytes))
      yield { name: `${place.path.join('.')} ${how}`, text: `${before}${text}${after}` };
  }
}

/** A copy of the sample with the mark at the path, and the least there may be on the way. */
function withPlace(sample: Json, typeName: string, path: readonly string[]): Json {
  const root = structuredClone(sample);
  let at = root;
  let type: TypeRef | undefined = { kind: 'struct', name: typeName };
  for (const [i, step] of path.entries()) {
    const last = i === path.length - 1;
    const key: string | number = step === '[]' ? 0 : step === '{}' ? 'k' : step;
    const inner: TypeRef | undefined =
      type?.kind === 'struct'
        ? schemaOf(type.name).byName.get(step)?.type
        : type?.kind === 'list'
          ? type.item
          : type?.kind === 'map'
            ? type.value
            : undefined;
    if (last) at[key] = grown;
    else {
      if (typeof at[key] !== 'object' || at[key] === null)
        at[key] = path[i + 1] === '[]' ? [] : inner?.kind === 'struct' ? least(inner, 1) : {};
      at = at[key];
    }
    type = inner;
  }
  return root;
}
