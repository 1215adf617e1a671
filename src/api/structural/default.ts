// Defaults of custom resources.
import { cloneDeep } from '../meta.ts';
import { isPlain, type Plain, setKey } from '../patch/plain.ts';
import { type Structural, schemaAt } from './structural.ts';

/** Fills in defaults in place, and drops nulls. Idempotent. */
export function applyStructuralDefaults(schema: Structural, value: Plain): void {
  if (schema.hasDefaults) fill(schema, value);
  dropNulls(schema, value);
}

/** Fills in defaults in place, where a field is absent or null though it may not be. */
export function fillDefaults(schema: Structural, value: unknown): void {
  if (schema.hasDefaults) fill(schema, value);
}

const isForbiddenNull = (value: unknown, s: Structural | undefined): boolean => value === null && !!s && !s.nullable;

function fill(s: Structural, value: unknown): void {
  if (Array.isArray(value)) {
    const { items } = s;
    if (!items?.hasDefaults) return;
    for (let i = 0; i < value.length; i++) {
      if (isForbiddenNull(value[i], items) && items.default !== undefined) value[i] = cloneDeep(items.default);
      fill(items, value[i]);
    }
    return;
  }
  if (!isPlain(value)) return;
  for (const [name, property] of s.properties) {
    if (property.default === undefined) continue;
    if (!Object.hasOwn(value, name) || value[name] === undefined || isForbiddenNull(value[name], property))
      setKey(value, name, cloneDeep(property.default));
  }
  for (const key of Object.keys(value)) {
    const child = schemaAt(s, key);
    if (!child?.hasDefaults) continue;
    if (isForbiddenNull(value[key], child) && child.default !== undefined) setKey(value, key, cloneDeep(child.default));
    fill(child, value[key]);
  }
}

/** Drops, in place, nulls that may not be. */
export function dropNulls(s: Structural, value: unknown): void {
  if (Array.isArray(value)) {
    if (s.items) for (const item of value) dropNulls(s.items, item);
    return;
  }
  if (!isPlain(value)) return;
  for (const key of Object.keys(value)) {
    const child = schemaAt(s, key);
    if (!child) continue;
    if (isForbiddenNull(value[key], child)) {
      if (child.default === undefined) delete value[key];
    } else dropNulls(child, value[key]);
  }
}
