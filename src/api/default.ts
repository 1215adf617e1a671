// Defaults that the schema states. What a zero value or an empty struct already says is not repeated here.
import type { KubeObject, Mutable } from './meta.ts';
import { type FieldSchema, schemaOf, type TypeRef } from './schema.ts';

type Fill = (value: Record<string, unknown>) => Record<string, unknown>;

/**
 * Sets the schema's defaults where fields are absent. `object` is changed in place; it must be canonical (see
 * normalize) and stays so: a struct that gains a field is replaced by one in the right order. Idempotent.
 */
export function applyDefaults(typeName: string, object: Mutable<KubeObject>): void {
  fillerOf(typeName)?.(object as unknown as Record<string, unknown>);
}

const fillers = new Map<string, Fill | undefined>();
const pending = new Set<string>();

/** Undefined when nothing below the type has a default. */
function fillerOf(typeName: string): Fill | undefined {
  if (fillers.has(typeName)) return fillers.get(typeName);
  // A type inside itself: look it up when the time comes.
  if (pending.has(typeName)) return value => fillers.get(typeName)?.(value) ?? value;
  pending.add(typeName);
  const filler = build(typeName);
  pending.delete(typeName);
  fillers.set(typeName, filler);
  return filler;
}

function build(typeName: string): Fill | undefined {
  const schema = schemaOf(typeName);
  const own = schema.fields.filter(hasDefault);
  const below: [string, (value: unknown) => unknown][] = [];
  for (const field of schema.fields) {
    const fill = fillValue(field.type);
    if (fill) below.push([field.name, fill]);
  }
  if (!own.length && !below.length) return undefined;
  return value => {
    for (const [name, fill] of below) {
      const child = value[name];
      if (child === undefined || child === null) continue;
      const filled = fill(child);
      if (filled !== child) value[name] = filled;
    }
    for (const field of own) {
      if (value[field.name] === undefined || value[field.name] === null) return insert(value, schema.fields, own);
    }
    return value;
  };
}

// A zero value that normalize writes anyway is no news; one behind a pointer is.
function hasDefault(field: FieldSchema): boolean {
  const value = field.default;
  if (value === undefined || (typeof value === 'object' && value !== null)) return false;
  return field.pointer || !(value === '' || value === 0 || value === false);
}

function insert(value: Record<string, unknown>, fields: readonly FieldSchema[], own: readonly FieldSchema[]) {
  const out: Record<string, unknown> = {};
  for (const field of fields) {
    const given = value[field.name];
    if (given !== undefined && given !== null) out[field.name] = given;
    else if (own.includes(field)) out[field.name] = field.default;
    else if (given === null) out[field.name] = null;
  }
  return out;
}

function fillValue(type: TypeRef): ((value: unknown) => unknown) | undefined {
  if (type.kind === 'struct') return fillerOf(type.name) as ((value: unknown) => unknown) | undefined;
  if (type.kind === 'scalar') return undefined;
  const fill = fillValue(type.kind === 'list' ? type.item : type.value);
  if (!fill) return undefined;
  if (type.kind === 'list') {
    return value => {
      const list = value as unknown[];
      for (let i = 0; i < list.length; i++) {
        const filled = fill(list[i]);
        if (filled !== list[i]) list[i] = filled;
      }
      return list;
    };
  }
  return value => {
    const map = value as Record<string, unknown>;
    for (const key of Object.keys(map)) {
      const filled = fill(map[key]);
      if (filled !== map[key]) map[key] = filled;
    }
    return map;
  };
}
