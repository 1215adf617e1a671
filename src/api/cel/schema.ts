// CEL types of schemas: of a structural (OpenAPI v3) schema, and of built-in kinds.
import { schemaOf, type TypeRef } from '../schema.ts';
import type { CelField, CelType } from './type.ts';
import * as t from './type.ts';

/** The part of a structural schema (JSONSchemaProps) that types depend on. */
export interface StructuralSchema {
  readonly type?: string;
  readonly format?: string;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly additionalProperties?: boolean | StructuralSchema;
  readonly items?: StructuralSchema | readonly StructuralSchema[];
  readonly required?: readonly string[];
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-embedded-resource'?: boolean;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
}

/** The largest request the API server takes; what bounds a value that states no size. */
export const MAX_REQUEST_BYTES = 3 * 1024 * 1024;
const MAX_STRING = MAX_REQUEST_BYTES - 2;
const BYTES_PER_CHARACTER = 4;

const KEYWORDS = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);
const ACCESSIBLE = /^[A-Za-z_.\-/][A-Za-z0-9_.\-/]*$/;
const ESCAPED: Readonly<Record<string, string>> = {
  __: '__underscores__',
  '.': '__dot__',
  '-': '__dash__',
  '/': '__slash__',
};

/** A property's name as expressions write it; undefined when they cannot. */
export function escapeName(name: string): string | undefined {
  if (!ACCESSIBLE.test(name)) return undefined;
  if (KEYWORDS.has(name)) return `__${name}__`;
  return name.replace(/__|[.\-/]/g, part => ESCAPED[part]!);
}

/**
 * The type of `self` under a schema; undefined where values have no type that expressions could use (unknown fields).
 * `root`: the schema is a whole custom resource, so that apiVersion, kind, metadata.name and generateName are there.
 */
export function celTypeOfSchema(schema: StructuralSchema, root = false, name = 'object'): CelType | undefined {
  if (schema['x-kubernetes-int-or-string']) return { kind: 'dyn', maxSize: MAX_STRING };
  switch (schema.type) {
    case 'array':
      return listOf(schema, name);
    case 'object':
      return objectOf(schema, root, name);
    case 'string':
      return stringOf(schema);
    case 'boolean':
      return t.bool;
    case 'number':
      return t.double;
    case 'integer':
      return t.int;
    default:
      return undefined;
  }
}

function listOf(schema: StructuralSchema, name: string): CelType | undefined {
  const items = Array.isArray(schema.items) ? undefined : (schema.items as StructuralSchema | undefined);
  const item = items && celTypeOfSchema(items, false, `${name}.@idx`);
  if (!items || !item) return undefined;
  const maxSize = schema.maxItems ?? Math.floor((MAX_REQUEST_BYTES - 2) / (minBytes(items) + 1));
  const listType = schema['x-kubernetes-list-type'];
  if (listType !== 'set' && listType !== 'map') return { kind: 'list', item, maxSize };
  return { kind: 'list', item, maxSize, listType, keys: schema['x-kubernetes-list-map-keys'] ?? [] };
}

function objectOf(schema: StructuralSchema, root: boolean, name: string): CelType | undefined {
  const values = schema.additionalProperties;
  if (typeof values === 'object') {
    const value = celTypeOfSchema(values, false, `${name}.@elem`);
    if (!value) return undefined;
    const maxSize = schema.maxProperties ?? Math.floor((MAX_REQUEST_BYTES - 2) / (minBytes(values) + 6));
    return { kind: 'map', key: { kind: 'string', maxSize: MAX_STRING }, value, maxSize };
  }
  const whole = root || schema['x-kubernetes-embedded-resource'] === true;
  return t.objectType(name, () => fieldsOf(schema, whole, name));
}

const text: CelType = { kind: 'string', maxSize: MAX_STRING };
const metadataType = (name: string): CelType =>
  t.objectType(`${name}.metadata`, () => new Map(['name', 'generateName'].map(f => [f, { name: f, type: text }])));

function fieldsOf(schema: StructuralSchema, whole: boolean, name: string): Map<string, CelField> {
  const fields = new Map<string, CelField>();
  for (const [property, inner] of Object.entries(schema.properties ?? {})) {
    const escaped = escapeName(property);
    const type = escaped === undefined ? undefined : celTypeOfSchema(inner, false, `${name}.${property}`);
    if (escaped === undefined || !type) continue;
    fields.set(escaped, { name: property, type });
    // Words of the language are fields as they stand, too, where the grammar lets them be.
    if (KEYWORDS.has(property)) fields.set(property, { name: property, type });
  }
  if (!whole) return fields;
  for (const f of ['apiVersion', 'kind']) fields.set(f, { name: f, type: text });
  fields.set('metadata', { name: 'metadata', type: metadataType(name) });
  return fields;
}

const FIXED_FORMAT: Readonly<Record<string, CelType>> = {
  duration: t.duration,
  date: t.timestamp,
  'date-time': t.timestamp,
};

function stringOf({ format, maxLength, enum: values }: StructuralSchema): CelType {
  if (format && Object.hasOwn(FIXED_FORMAT, format)) return FIXED_FORMAT[format]!;
  if (format === 'byte') return { kind: 'bytes', maxSize: maxLength ?? MAX_STRING };
  if (maxLength !== undefined) return { kind: 'string', maxSize: Math.max(0, maxLength) * BYTES_PER_CHARACTER };
  if (values?.length)
    return { kind: 'string', maxSize: values.reduce<number>((most, v) => Math.max(most, String(v).length), 0) };
  return text;
}

// The fewest bytes of JSON a value can take.
function minBytes(schema: StructuralSchema): number {
  if (schema['x-kubernetes-int-or-string']) return 1;
  switch (schema.type) {
    case 'boolean':
      return 4;
    case 'string':
      return { date: 12, 'date-time': 22, duration: 3 }[schema.format ?? ''] ?? 2;
    case 'array':
      return 2;
    case 'object':
      return 2 + requiredBytes(schema);
    default:
      return 1;
  }
}

function requiredBytes({ properties = {}, required = [] }: StructuralSchema): number {
  let bytes = 0;
  for (const name of required) {
    const inner = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (inner && inner.default === undefined) bytes += name.length + 4 + minBytes(inner);
  }
  return bytes;
}

const builtin = new Map<string, CelType>();

/** The type of a built-in kind (OpenAPI name), for checking policies. */
export function celTypeOfKind(typeName: string): CelType {
  const known = builtin.get(typeName);
  if (known) return known;
  const type = t.objectType(typeName, () => {
    const fields = new Map<string, CelField>();
    for (const f of schemaOf(typeName).fields) {
      const escaped = escapeName(f.name);
      if (escaped !== undefined) fields.set(escaped, { name: f.name, type: typeOfRef(f.type) });
    }
    return fields;
  });
  builtin.set(typeName, type);
  return type;
}

function typeOfRef(ref: TypeRef): CelType {
  switch (ref.kind) {
    case 'struct':
      return schemaOf(ref.name).fields.length === 0 ? t.dyn : celTypeOfKind(ref.name);
    case 'list':
      return t.list(typeOfRef(ref.item));
    case 'map':
      return t.map(t.string, typeOfRef(ref.value));
    case 'scalar':
      return SCALARS[ref.scalar] ?? t.dyn;
  }
}

const SCALARS: Readonly<Record<string, CelType>> = {
  string: t.string,
  int32: t.int,
  int64: t.int,
  bool: t.bool,
  double: t.double,
  bytes: t.bytes,
  Time: t.timestamp,
  MicroTime: t.timestamp,
  Duration: t.string,
};
