// What the API facts say about each type, in the shape codecs, patches and field sets want it.
import { BugError } from '../base/assert.ts';
import { typeFacts } from './resource.ts';

export type Scalar =
  | 'string'
  | 'int32'
  | 'int64'
  | 'bool'
  | 'double'
  | 'bytes'
  | 'Time'
  | 'MicroTime'
  | 'Duration'
  | 'Quantity'
  | 'IntOrString'
  | 'RawExtension'
  | 'any'
  | 'object';

/** The type of a value. `via` names the type a scalar or list stands for, when the facts give it a name of its own. */
export type TypeRef =
  | { readonly kind: 'scalar'; readonly scalar: Scalar; readonly via?: string }
  | { readonly kind: 'struct'; readonly name: string }
  | { readonly kind: 'list'; readonly item: TypeRef; readonly via?: string }
  | { readonly kind: 'map'; readonly value: TypeRef };

/** [number, wire type, cardinality, proto name, wrapper message], as the facts give it. */
export type ProtoField = readonly [number: number, type: string, rep?: string, name?: string, wrapper?: string];

export interface FieldSchema {
  /** JSON name. */
  readonly name: string;
  readonly type: TypeRef;
  readonly required: boolean;
  /** Default of the field, of the list item or of the map value; undefined when there is none. */
  readonly default: unknown;
  readonly itemDefault: unknown;
  /** Allowed values; empty when any will do. */
  readonly enum: readonly string[];
  readonly itemEnum: readonly string[];
  readonly listType: 'atomic' | 'set' | 'map' | undefined;
  readonly keys: readonly string[];
  readonly mapType: 'atomic' | 'granular' | undefined;
  readonly structType: 'atomic' | 'granular' | undefined;
  /** `merge`, `replace`, `retainKeys`. */
  readonly patchStrategies: readonly string[];
  readonly patchMergeKey: string | undefined;
  /** Name of its set of constants. */
  readonly constants: string | undefined;
  readonly format: string | undefined;
  /** Go's JSON form. */
  readonly pointer: boolean;
  readonly omitEmpty: boolean;
  readonly omitZero: boolean;
  readonly proto: ProtoField | undefined;
  /** The inline proto message it lies in. */
  readonly inline: string | undefined;
}

export interface InlineMessage {
  readonly name: string;
  readonly type: string;
  readonly proto: ProtoField;
}

export interface TypeSchema {
  /** OpenAPI name. */
  readonly name: string;
  /** `PodSpec`. */
  readonly shortName: string;
  /** `v1.PodSpec`, as Go prints it. */
  readonly goName: string;
  readonly proto: string;
  /** [group, version, kind]; `*` where every group version has it. */
  readonly gvk: readonly (readonly [string, string, string])[] | '*';
  /** In Go order, which is JSON output order. Empty for a type that is not an object. */
  readonly fields: readonly FieldSchema[];
  readonly byName: ReadonlyMap<string, FieldSchema>;
  readonly structType: 'atomic' | 'granular' | undefined;
  /** Fields of which one is set, as OpenAPI tells of them. */
  readonly unions: readonly object[];
  /** What the type is in JSON when it is not an object with known fields. */
  readonly alias: TypeRef | undefined;
  /** Proto fields of a type whose proto form is not its JSON form, and proto fields without a JSON field. */
  readonly protoFields: readonly ProtoFact[];
  readonly protoOnly: readonly ProtoFact[];
  readonly inline: readonly InlineMessage[];
}

export type ProtoFact = readonly [number: number, name: string, type: string, rep?: string];

interface FieldFact {
  n: string;
  t: string;
  req?: 1;
  def?: unknown;
  idef?: unknown;
  enum?: string[];
  ienum?: string[];
  list?: 'atomic' | 'set' | 'map';
  keys?: string[];
  map?: 'atomic' | 'granular';
  struct?: 'atomic' | 'granular';
  ps?: string;
  pmk?: string;
  fmt?: string;
  c?: string;
  g?: string;
  pb?: ProtoField;
  in?: string;
}

interface TypeFact {
  gvk?: [string, string, string][] | '*';
  proto?: string;
  t?: string;
  fmt?: string;
  struct?: 'atomic' | 'granular';
  unions?: object[];
  inline?: { n: string; t: string; pb: ProtoField }[];
  pbf?: ProtoFact[];
  pbOnly?: ProtoFact[];
  f?: FieldFact[];
}

interface Facts {
  types: Record<string, TypeFact>;
  consts: Record<string, { v: string[]; enum?: 1 }>;
}

const cache = new Map<string, TypeSchema>();

const load = (): Facts => typeFacts<Facts>();

export const isTypeName = (typeName: string): boolean => Object.hasOwn(load().types, typeName);

/** OpenAPI names of all types. */
export const typeNames = (): string[] => Object.keys(load().types);

/** The schema of an OpenAPI type name; asking for an unknown one is a bug. */
export function schemaOf(typeName: string): TypeSchema {
  const known = cache.get(typeName);
  if (known) return known;
  const fact = isTypeName(typeName) ? load().types[typeName] : undefined;
  if (!fact) throw new BugError(`schema: unknown type "${typeName}"`);
  const schema = build(typeName, fact);
  cache.set(typeName, schema);
  return schema;
}

function build(name: string, fact: TypeFact): TypeSchema {
  const parts = name.split('.');
  const shortName = parts.at(-1)!;
  const fields = (fact.f ?? []).map(buildField);
  return {
    name,
    shortName,
    goName: `${parts.at(-2)}.${shortName}`,
    proto: fact.proto ?? '',
    gvk: fact.gvk ?? [],
    fields,
    byName: new Map(fields.map(f => [f.name, f])),
    structType: fact.struct,
    unions: fact.unions ?? [],
    alias: fact.t ? aliasOf(name, fact.t) : undefined,
    protoFields: fact.pbf ?? [],
    protoOnly: fact.pbOnly ?? [],
    inline: (fact.inline ?? []).map(i => ({ name: i.n, type: i.t.replace('@', ''), proto: i.pb })),
  };
}

function buildField(f: FieldFact): FieldSchema {
  const g = f.g ?? '';
  return {
    name: f.n,
    type: parseType(f.t),
    required: f.req === 1,
    default: f.def,
    itemDefault: f.idef,
    enum: f.enum ?? [],
    itemEnum: f.ienum ?? [],
    listType: f.list,
    keys: f.keys ?? [],
    mapType: f.map,
    structType: f.struct,
    patchStrategies: f.ps?.split(',') ?? [],
    patchMergeKey: f.pmk,
    constants: f.c,
    format: f.fmt,
    pointer: g.includes('p'),
    omitEmpty: g.includes('o'),
    omitZero: g.includes('z'),
    proto: f.pb,
    inline: f.in,
  };
}

const scalarByName: Record<string, Scalar> = { FieldsV1: 'object' };
for (const s of ['Time', 'MicroTime', 'Duration', 'Quantity', 'IntOrString', 'RawExtension'] as const)
  scalarByName[s] = s;

// A named type that is no object: a scalar the codecs know by name, a list of strings, or free JSON.
function aliasOf(name: string, t: string): TypeRef {
  const scalar = scalarByName[name.slice(name.lastIndexOf('.') + 1)];
  if (scalar) return { kind: 'scalar', scalar, via: name };
  if (t.startsWith('[]')) return { kind: 'list', item: parseType(t.slice(2)), via: name };
  return { kind: 'scalar', scalar: t as Scalar, via: name };
}

function parseType(t: string): TypeRef {
  if (t.startsWith('[]')) return { kind: 'list', item: parseType(t.slice(2)) };
  if (t.startsWith('{}')) return { kind: 'map', value: parseType(t.slice(2)) };
  if (!t.startsWith('@')) return { kind: 'scalar', scalar: t as Scalar };
  const name = t.slice(1);
  const fact = load().types[name];
  if (!fact) throw new BugError(`schema: unknown type "${name}"`);
  return fact.t ? aliasOf(name, fact.t) : { kind: 'struct', name };
}
