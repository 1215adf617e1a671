// What a schema consists of, and what keeps it from being read as a structure.
import { type FieldPath, path } from '../field-error.ts';
import { isPlain } from '../patch/plain.ts';
import type { JSONSchemaProps } from '../type/apiextensions-v1.ts';

export type Level = 'root' | 'item' | 'field';

export const preserve = 'x-kubernetes-preserve-unknown-fields';

export const isSchema = (value: unknown): value is JSONSchemaProps => isPlain(value);

/** A schema for each item; none at all is as if nothing were said. */
export const hasTuple = ({ items }: JSONSchemaProps) => Array.isArray(items) && items.length > 0;

/** Every schema below that stands for a part of the value. */
export function parts(s: JSONSchemaProps, at: FieldPath): [schema: JSONSchemaProps, at: FieldPath, level: Level][] {
  const found: ReturnType<typeof parts> = [];
  if (isSchema(s.additionalProperties)) found.push([s.additionalProperties, at.child('additionalProperties'), 'field']);
  for (const [name, property] of Object.entries(s.properties ?? {}))
    found.push([property, at.child('properties').key(name), 'field']);
  if (isSchema(s.items)) found.push([s.items, at.child('items'), 'item']);
  return found;
}

const filled = (map: object | undefined) => map !== undefined && Object.keys(map).length > 0;

/** What no schema of a custom resource may say. */
export const unsupported: readonly (readonly [field: string, isThere: (s: JSONSchemaProps) => boolean])[] = [
  ['id', s => !!s.id],
  ['additionalItems', s => s.additionalItems !== undefined],
  ['patternProperties', s => filled(s.patternProperties)],
  ['definitions', s => filled(s.definitions)],
  ['dependencies', s => s.dependencies !== undefined],
  ['$ref', s => s.$ref !== undefined],
];

const faultOrder = ['id', 'schema', '$ref', 'patternProperties', 'dependencies', 'additionalItems', 'definitions'];

/** The first thing in it that has no place in a structure at all. */
export function structureFault(s: JSONSchemaProps): string | undefined {
  const found = new Set(unsupported.filter(([, isThere]) => isThere(s)).map(([field]) => field));
  if (s.$schema) found.add('schema');
  const first = faultOrder.find(field => found.has(field));
  if (first) return `OpenAPIV3Schema '${first}' is not supported`;
  const alternatives = [...(s.not ? [s.not] : []), ...(s.allOf ?? []), ...(s.anyOf ?? []), ...(s.oneOf ?? [])];
  const within = firstFault(alternatives);
  if (within) return within;
  if (s[preserve] === false) return `internal error: '${preserve}' must be true or undefined`;
  if (hasTuple(s)) return "OpenAPIV3Schema 'items' must be a schema, but is an array";
  return firstFault(
    parts(s, path(''))
      .map(([part]) => part)
      .reverse(),
  );
}

function firstFault(schemas: readonly JSONSchemaProps[]): string | undefined {
  for (const schema of schemas) {
    const fault = structureFault(schema);
    if (fault) return fault;
  }
  return undefined;
}
