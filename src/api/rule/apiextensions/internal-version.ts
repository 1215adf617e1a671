// A version of a definition as Go's server has it within: what it tells of versions that do not go together.
import { isPlain } from '../../patch/plain.ts';
import { internalRule } from '../../structural/cel-rule-check.ts';
import type { CustomResourceDefinitionVersion } from '../../type/apiextensions-v1.ts';

/** What versions may share: within, that is the definition's. */
export const versionParts = ['schema', 'subresources', 'additionalPrinterColumns', 'selectableFields'] as const;
export type VersionPart = (typeof versionParts)[number];

export function internalVersion(
  version: CustomResourceDefinitionVersion,
  isShared: (part: VersionPart) => boolean,
): object {
  const own = <P extends VersionPart>(part: P) => (isShared(part) ? undefined : version[part]);
  const subresources = own('subresources');
  const schema = own('schema');
  return {
    Name: version.name,
    Served: version.served,
    Storage: version.storage,
    Deprecated: version.deprecated ?? false,
    DeprecationWarning: version.deprecationWarning ?? null,
    Schema: schema ? { OpenAPIV3Schema: schema.openAPIV3Schema ? internalSchema(schema.openAPIV3Schema) : null } : null,
    Subresources: subresources
      ? {
          Status: subresources.status ?? null,
          Scale: subresources.scale
            ? {
                SpecReplicasPath: subresources.scale.specReplicasPath,
                StatusReplicasPath: subresources.scale.statusReplicasPath,
                LabelSelectorPath: subresources.scale.labelSelectorPath ?? null,
              }
            : null,
        }
      : null,
    AdditionalPrinterColumns:
      own('additionalPrinterColumns')?.map(c => ({
        Name: c.name,
        Type: c.type,
        Format: c.format ?? '',
        Description: c.description ?? '',
        Priority: c.priority ?? 0,
        JSONPath: c.jsonPath,
      })) ?? null,
    SelectableFields: own('selectableFields')?.map(f => ({ JSONPath: f.jsonPath })) ?? null,
  };
}

type Show = (value: unknown) => unknown;

const plain: Show = value => value ?? null;
const text: Show = value => value ?? '';
const flag: Show = value => value ?? false;
const schemaShown: Show = value => (isPlain(value) ? internalSchema(value) : null);
const listShown: Show = value => (Array.isArray(value) ? value.map(internalSchema) : null);
const mapShown: Show = value =>
  isPlain(value)
    ? Object.fromEntries(
        Object.keys(value)
          .sort()
          .map(name => [name, schemaShown(value[name])]),
      )
    : null;

/** Every field, in Go's order. */
const fields: readonly (readonly [name: string, field: string, show: Show])[] = [
  ['ID', 'id', text],
  ['Schema', '$schema', text],
  ['Ref', '$ref', plain],
  ['Description', 'description', text],
  ['Type', 'type', text],
  ['Nullable', 'nullable', flag],
  ['Format', 'format', text],
  ['Title', 'title', text],
  ['Default', 'default', plain],
  ['Maximum', 'maximum', plain],
  ['ExclusiveMaximum', 'exclusiveMaximum', flag],
  ['Minimum', 'minimum', plain],
  ['ExclusiveMinimum', 'exclusiveMinimum', flag],
  ['MaxLength', 'maxLength', plain],
  ['MinLength', 'minLength', plain],
  ['Pattern', 'pattern', text],
  ['MaxItems', 'maxItems', plain],
  ['MinItems', 'minItems', plain],
  ['UniqueItems', 'uniqueItems', flag],
  ['MultipleOf', 'multipleOf', plain],
  ['Enum', 'enum', plain],
  ['MaxProperties', 'maxProperties', plain],
  ['MinProperties', 'minProperties', plain],
  ['Required', 'required', plain],
  ['Items', 'items', value => (isPlain(value) ? { Schema: internalSchema(value), JSONSchemas: null } : null)],
  ['AllOf', 'allOf', listShown],
  ['OneOf', 'oneOf', listShown],
  ['AnyOf', 'anyOf', listShown],
  ['Not', 'not', schemaShown],
  ['Properties', 'properties', mapShown],
  [
    'AdditionalProperties',
    'additionalProperties',
    value => (value === undefined ? null : { Allows: value !== false, Schema: schemaShown(value) }),
  ],
  ['PatternProperties', 'patternProperties', mapShown],
  ['Dependencies', 'dependencies', plain],
  ['AdditionalItems', 'additionalItems', plain],
  ['Definitions', 'definitions', mapShown],
  [
    'ExternalDocs',
    'externalDocs',
    value => (isPlain(value) ? { Description: value.description ?? '', URL: value.url ?? '' } : null),
  ],
  ['Example', 'example', plain],
  ['XPreserveUnknownFields', 'x-kubernetes-preserve-unknown-fields', plain],
  ['XEmbeddedResource', 'x-kubernetes-embedded-resource', flag],
  ['XIntOrString', 'x-kubernetes-int-or-string', flag],
  ['XListMapKeys', 'x-kubernetes-list-map-keys', plain],
  ['XListType', 'x-kubernetes-list-type', plain],
  ['XMapType', 'x-kubernetes-map-type', plain],
  ['XValidations', 'x-kubernetes-validations', value => (Array.isArray(value) ? value.map(internalRule) : null)],
];

const internalSchema = (schema: object): object =>
  Object.fromEntries(fields.map(([name, field, show]) => [name, show((schema as Record<string, unknown>)[field])]));
