// Changes to an object that its schema still allows: they pass decoding and come to defaults, validation and storage.
import { type FieldSchema, schemaOf, type TypeRef } from '../../src/api/schema.ts';
import type { Chance } from './chance.ts';
import { typedValue } from './typed-value.ts';

interface Place {
  readonly holder: Record<string, unknown>;
  readonly key: string;
  readonly type: TypeRef;
  readonly field: FieldSchema | undefined;
}

/** A copy of the object with one value or a few of a type given, left out, repeated, moved or emptied. */
export function mutateTyped<T extends object>(c: Chance, typeName: string, object: T): T {
  const copy = structuredClone(object);
  for (let i = c.once(3) ? c.below(5) : 0; i >= 0; i--) {
    const places: Place[] = [];
    ofStruct(typeName, copy as never, places);
    // What is there is mended more often than something added that is not.
    const there = places.filter(p => Object.hasOwn(p.holder, p.key));
    const place = c.pick(there.length && !c.once(3) ? there : places);
    change(c, place);
  }
  return copy;
}

function ofStruct(typeName: string, holder: Record<string, unknown>, into: Place[]): void {
  const { alias, fields } = schemaOf(typeName);
  if (alias) return;
  for (const field of fields) {
    if (field.name === 'apiVersion' || field.name === 'kind') continue;
    into.push({ holder, key: field.name, type: field.type, field });
    below(field.type, holder[field.name], into);
  }
}

function below(type: TypeRef, value: unknown, into: Place[]): void {
  if (typeof value !== 'object' || value === null) return;
  if (type.kind === 'struct') ofStruct(type.name, value as never, into);
  else if (type.kind !== 'scalar') {
    const item = type.kind === 'list' ? type.item : type.value;
    for (const key of Object.keys(value)) {
      into.push({ holder: value as never, key, type: item, field: undefined });
      below(item, (value as Record<string, unknown>)[key], into);
    }
  }
}

function change(c: Chance, { holder, key, type, field }: Place): void {
  const value = holder[key];
  const remove = () => (Array.isArray(holder) ? holder.splice(Number(key), 1) : delete holder[key]);
  switch (c.below(10)) {
    case 0:
      remove();
      return;
    case 1:
      holder[key] = c.pick<unknown>([null, type.kind === 'list' ? [] : type.kind === 'scalar' ? null : {}]);
      return;
    case 2:
      if (Array.isArray(holder)) holder.push(structuredClone(value));
      else if (Array.isArray(value))
        for (let i = c.below(6); i >= 0; i--) value.push(structuredClone(value[0] ?? null));
      else holder[key] = typedValue(c, type, 4, 2);
      return;
    case 3:
      if (Array.isArray(value)) value.reverse();
      else if (Array.isArray(holder)) holder.push(typedValue(c, type, 3, 2));
      else remove();
      return;
    default:
      holder[key] =
        field?.enum.length && !c.once(4) ? c.pick(field.enum) : typedValue(c, type, c.below(6), 1 + c.below(3));
  }
}
