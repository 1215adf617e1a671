// Lists of type set and map hold every item once.
import type { FieldErrors } from '../field-error.ts';
import { type FieldPath, path as fieldPath } from '../field-error.ts';
import { keyElement, valueElement } from '../field-set.ts';
import { isPlain } from '../patch/plain.ts';
import { type Structural, schemaAt } from './structural.ts';

export function validateListTypes(schema: Structural, value: unknown, errors: FieldErrors): void {
  if (schema.hasKeyedLists) walk(schema, value, undefined, errors);
}

const at = (parent: FieldPath | undefined, name: string) => parent?.child(name) ?? fieldPath(name);

function walk(s: Structural, value: unknown, path: FieldPath | undefined, errors: FieldErrors): void {
  if (!s.hasKeyedLists) return;
  if (Array.isArray(value)) {
    const here = path ?? fieldPath('');
    if (s.listType === 'set') findTwins(value, here, valueElement, item => item, errors);
    else if (s.listType === 'map') {
      const stray = value.findIndex(item => item !== null && !isPlain(item));
      if (stray >= 0) {
        errors.invalid(here.index(stray), value[stray], 'must be an object for an array of list-type map');
        return;
      }
      const keyOf = (item: unknown) =>
        Object.fromEntries(
          s.listKeys.flatMap(k => (isPlain(item) && item[k] !== undefined ? [[k, item[k]] as const] : [])),
        );
      findTwins(value, here, item => keyElement(Object.entries(keyOf(item))), keyOf, errors);
    }
    const { items } = s;
    if (items) value.forEach((item, i) => void walk(items, item, here.index(i), errors));
  } else if (isPlain(value)) {
    for (const key of Object.keys(value)) {
      const child = schemaAt(s, key);
      if (child) walk(child, value[key], s.properties.has(key) || !path ? at(path, key) : path.key(key), errors);
    }
  }
}

function findTwins(
  items: readonly unknown[],
  path: FieldPath,
  nameOf: (item: unknown) => string,
  shown: (item: unknown) => unknown,
  errors: FieldErrors,
): void {
  const seen = new Map<string, number>();
  for (const [i, item] of items.entries()) {
    const name = nameOf(item);
    const times = seen.get(name) ?? 0;
    // The second tells all; a third would tell it again.
    if (times === 1) errors.duplicate(path.index(i), shown(item));
    seen.set(name, times + 1);
  }
}
