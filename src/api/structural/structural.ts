// Schemas of custom resources as the server walks them: compiled once from a CustomResourceDefinition.
import type { JSONSchemaProps, ValidationRule } from '../type/apiextensions-v1.ts';

/** One node of a structural schema. `source` holds what is said about values besides their structure. */
export interface Structural {
  /** '' for int-or-string and for nodes that only preserve. */
  readonly type: string;
  readonly properties: ReadonlyMap<string, Structural>;
  readonly items: Structural | undefined;
  /** `true`: any value. */
  readonly additional: Structural | boolean | undefined;
  /** Undefined when there is none. */
  readonly default: unknown;
  readonly nullable: boolean;
  readonly preserve: boolean;
  readonly embedded: boolean;
  readonly intOrString: boolean;
  readonly listType: string | undefined;
  readonly listKeys: readonly string[];
  readonly mapType: string | undefined;
  readonly rules: readonly ValidationRule[];
  readonly source: JSONSchemaProps;
  /** Something here or below: saves walking where there is nothing. */
  readonly hasDefaults: boolean;
  readonly hasKeyedLists: boolean;
  readonly hasEmbedded: boolean;
  readonly hasRules: boolean;
}

/** Where there is no schema at all, everything is kept. */
export const preserveAll: JSONSchemaProps = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

/** Reads a schema that has passed the rules for structural schemas; what breaks them is left out. */
export function compileStructural(source: JSONSchemaProps): Structural {
  const properties = new Map<string, Structural>();
  for (const [name, schema] of Object.entries(source.properties ?? {})) properties.set(name, compileStructural(schema));
  const items = isSchema(source.items) ? compileStructural(source.items) : undefined;
  const given = source.additionalProperties;
  const additional = typeof given === 'boolean' ? given : isSchema(given) ? compileStructural(given) : undefined;
  const below = [...properties.values(), ...(items ? [items] : []), ...(isNode(additional) ? [additional] : [])];
  const rules = source['x-kubernetes-validations'] ?? [];
  const listType = source['x-kubernetes-list-type'];
  const embedded = source['x-kubernetes-embedded-resource'] === true;
  return {
    type: source.type ?? '',
    properties,
    items,
    additional,
    default: source.default,
    nullable: source.nullable === true,
    preserve: source['x-kubernetes-preserve-unknown-fields'] === true,
    embedded,
    intOrString: source['x-kubernetes-int-or-string'] === true,
    listType,
    listKeys: source['x-kubernetes-list-map-keys'] ?? [],
    mapType: source['x-kubernetes-map-type'],
    rules,
    source,
    hasDefaults: source.default !== undefined || below.some(s => s.hasDefaults),
    hasKeyedLists: listType === 'set' || listType === 'map' || below.some(s => s.hasKeyedLists),
    hasEmbedded: embedded || below.some(s => s.hasEmbedded),
    hasRules: rules.length > 0 || below.some(s => s.hasRules),
  };
}

const isSchema = (value: unknown): value is JSONSchemaProps =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isNode = (value: Structural | boolean | undefined): value is Structural => typeof value === 'object';

/** The schema of a map's value behind `key`; undefined where there is none. */
export function schemaAt(schema: Structural, key: string): Structural | undefined {
  return schema.properties.get(key) ?? (isNode(schema.additional) ? schema.additional : undefined);
}

/** Fields every resource has, whatever its schema says. */
export const isTypeMeta = (key: string): boolean => key === 'apiVersion' || key === 'kind' || key === 'metadata';
