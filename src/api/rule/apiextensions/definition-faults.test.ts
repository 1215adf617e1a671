// Versions that do not go together, as apiextensions-apiserver's own validation answered.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, ruleContext, update } from '../testing.ts';
import { customResourceDefinitionStrategy } from './custom-resource-definition.ts';

const definition = (versions: object[]): any => ({
  metadata: { name: 'as.g.io' },
  spec: { group: 'g.io', scope: 'Namespaced', names: { plural: 'as', singular: 'a', kind: 'A' }, versions },
});
const told = (...versions: object[]): string[] => create(customResourceDefinitionStrategy, definition(versions)).errors;
const schema = { openAPIV3Schema: { type: 'object' } };
const v1 = { name: 'v1', served: true, storage: true, schema };

test('a version with no name of its own', () => {
  assert.deepEqual(told(v1, { ...v1, name: '1x', storage: false }), [
    "spec.versions[1].name: Invalid value: \"1x\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
  ]);
});

test('a version without a schema selects no fields', () => {
  const bare = { name: 'v2', served: true, storage: false, selectableFields: [{ jsonPath: '.a' }] };
  assert.deepEqual(told(v1, bare), [
    'spec.versions[1].schema.openAPIV3Schema: Required value',
    'spec.versions[1].selectableFields: Invalid value: "": may only be set when `version.schema.openAPIV3Schema` is not included',
  ]);
});

test('paths of scale and columns', () => {
  const odd = {
    ...v1,
    subresources: { scale: { specReplicasPath: '.spec.r', statusReplicasPath: '.x' } },
    additionalPrinterColumns: [{ name: 'c', type: 'string', jsonPath: 'a' }],
  };
  assert.deepEqual(told(odd, { ...v1, name: 'v2', storage: false }), [
    'spec.versions[0].subresources.scale.statusReplicasPath: Invalid value: ".x": should be a json path under .status',
    'spec.versions[0].additionalPrinterColumns[0].JSONPath: Invalid value: "a": must be a simple json path starting with .',
  ]);
});

/** A schema as the server has it within, in its order. */
const within = (over: object): object => ({
  ...{ ID: '', Schema: '', Ref: null, Description: '', Type: 'object', Nullable: false, Format: '', Title: '' },
  ...{ Default: null, Maximum: null, ExclusiveMaximum: false, Minimum: null, ExclusiveMinimum: false },
  ...{ MaxLength: null, MinLength: null, Pattern: '', MaxItems: null, MinItems: null, UniqueItems: false },
  ...{ MultipleOf: null, Enum: null, MaxProperties: null, MinProperties: null, Required: null, Items: null },
  ...{ AllOf: null, OneOf: null, AnyOf: null, Not: null, Properties: null, AdditionalProperties: null },
  ...{ PatternProperties: null, Dependencies: null, AdditionalItems: null, Definitions: null, ExternalDocs: null },
  ...{ Example: null, XPreserveUnknownFields: null, XEmbeddedResource: false, XIntOrString: false },
  ...{ XListMapKeys: null, XListType: null, XMapType: null, XValidations: null },
  ...over,
});

test('a version twice is shown with all it has', () => {
  const properties = {
    z: { type: 'string' },
    b: { type: 'array', items: { type: 'integer' } },
    m: { type: 'object', additionalProperties: { type: 'string' } },
  };
  const first = {
    ...v1,
    schema: { openAPIV3Schema: { type: 'object', properties } },
    subresources: {
      status: {},
      scale: { specReplicasPath: '.spec.r', statusReplicasPath: '.status.r', labelSelectorPath: '.status.s' },
    },
    additionalPrinterColumns: [
      { name: 'c', type: 'string', jsonPath: '.a', format: 'date', description: 'd', priority: 1 },
      { name: 'e', type: 'string', jsonPath: '.b' },
    ],
  };
  const base = { Name: 'v1', Served: true };
  const shown = [
    {
      ...{ ...base, Storage: true, Deprecated: false, DeprecationWarning: null },
      Schema: {
        OpenAPIV3Schema: within({
          Properties: {
            b: within({ Type: 'array', Items: { Schema: within({ Type: 'integer' }), JSONSchemas: null } }),
            m: within({ AdditionalProperties: { Allows: true, Schema: within({ Type: 'string' }) } }),
            z: within({ Type: 'string' }),
          },
        }),
      },
      Subresources: {
        Status: {},
        Scale: { SpecReplicasPath: '.spec.r', StatusReplicasPath: '.status.r', LabelSelectorPath: '.status.s' },
      },
      AdditionalPrinterColumns: [
        { Name: 'c', Type: 'string', Format: 'date', Description: 'd', Priority: 1, JSONPath: '.a' },
        { Name: 'e', Type: 'string', Format: '', Description: '', Priority: 0, JSONPath: '.b' },
      ],
      SelectableFields: null,
    },
    {
      ...{ ...base, Storage: false, Deprecated: false, DeprecationWarning: null },
      Schema: { OpenAPIV3Schema: within({}) },
      Subresources: { Status: {}, Scale: null },
      AdditionalPrinterColumns: null,
      SelectableFields: null,
    },
  ];
  assert.deepEqual(told(first, { ...v1, storage: false, subresources: { status: {} } }), [
    `spec.versions: Invalid value: ${JSON.stringify(shown)}: must contain unique version names`,
  ]);
});

test('a status without stored versions is given the one that is stored', () => {
  const old = create(customResourceDefinitionStrategy, definition([v1])).object;
  const now = { ...old, status: { acceptedNames: { plural: 'as', kind: 'A' } } };
  const { object } = update(customResourceDefinitionStrategy, now, old, ruleContext('status'));
  assert.deepEqual(object.status, { acceptedNames: { plural: 'as', kind: 'A' }, storedVersions: ['v1'] });
});
