// What a definition may not say, all of it and in which order: recorded from k8s.io/apiextensions-apiserver 1.36.2.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { definition, definitions } from './custom/test-definition.ts';
import type { Json } from './test-caller.ts';
import { fileServer } from './test-file-server.ts';

const group = 'defs.example.com';
const on = fileServer();
const dry = `${definitions}?dryRun=All`;

async function causes(crd: Json): Promise<string[]> {
  const { object } = await on.api.send('POST', dry, crd);
  return (object.details?.causes ?? []).map((c: Json) => `${c.field}: ${c.message}`);
}

const withSpec = (spec: object): Json => definition(group, [{}], spec);
const version = (more: object): Json => definition(group, [{ more }]);
const schema = (properties: object): Json => definition(group, [{ schema: { type: 'object', properties } }]);
const required = (...fields: string[]) => fields.map(f => `${f}: Required value`);
const below = (text: string) => `spec.validation.openAPIV3Schema.properties${text}`;

test('what is not there', async () => {
  const oneStored = 'Invalid value: null: must have exactly one version marked as storage version';
  const spec = [
    ...required('spec.group', 'spec.scope'),
    `spec.versions: ${oneStored}`,
    ...required(...['plural', 'singular', 'kind', 'listKind'].map(f => `spec.names.${f}`)),
    'status.storedVersions: Invalid value: null: must have at least one stored version',
  ];
  assert.deepEqual(await causes({}), ['metadata.name: Required value: name or generateName is required', ...spec]);
  const name = `widgets.${group}`;
  const other = (field: string, value: string) =>
    `metadata.${field}: Invalid value: "${value}": must be spec.names.plural+"."+spec.group`;
  assert.deepEqual(await causes({ metadata: { name } }), [other('name', name), ...spec]);
  const [generated] = await causes({ ...withSpec({}), metadata: { generateName: 'x' } });
  assert.equal(generated, other('generateName', 'x'));
  assert.deepEqual(
    await causes(withSpec({ names: { plural: 'widgets' } })),
    required('spec.names.singular', 'spec.names.kind', 'spec.names.listKind'),
  );
});

test('versions, as the server has them within', async () => {
  const shown = (name: string, storage: boolean) =>
    `{"Name":"${name}","Served":true,"Storage":${storage},"Deprecated":false,"DeprecationWarning":null,"Schema":null,"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null}`;
  const one = 'must have exactly one version marked as storage version';
  assert.deepEqual(await causes(definition(group, [{ storage: false }])), [
    `spec.versions: Invalid value: [${shown('v1', false)}]: ${one}`,
    'status.storedVersions: Invalid value: null: must have at least one stored version',
  ]);
  assert.deepEqual(await causes(definition(group, [{}, { name: 'v2' }])), [
    `spec.versions: Invalid value: [${shown('v1', true)},${shown('v2', true)}]: ${one}`,
    'status.storedVersions: Invalid value: ["v1"]: must have the storage version v2',
  ]);
  const odd = await causes(definition(group, [{ name: 'V_1' }]));
  assert.deepEqual(
    odd.map(c => c.split(':', 1)[0]),
    ['spec.versions[0].name', 'spec.version'],
  );
  const warned = await causes(version({ deprecated: true, deprecationWarning: 'é\u0001' }));
  assert.match(warned[0]!, /non-printable character found at index 2$/);
});

test('conversion by webhook', async () => {
  const by = (webhook?: object, strategy = 'Webhook') => causes(withSpec({ conversion: { strategy, webhook } }));
  const config = 'spec.conversion.webhookClientConfig';
  const reviews = 'spec.conversion.conversionReviewVersions';
  const none = [`${config}: Required value: required when strategy is set to Webhook`, ...required(reviews)];
  assert.deepEqual([await by(), await by({})], [none, none]);
  const conversionReviewVersions = ['v1'];
  assert.deepEqual(
    await by({ clientConfig: { service: {} }, conversionReviewVersions }),
    required(`${config}.service.name`, `${config}.service.namespace`),
  );
  const never = 'Forbidden: should not be set when strategy is not set to Webhook';
  assert.deepEqual(await by({ conversionReviewVersions }, 'None'), [`${reviews}: ${never}`]);
  const service = { name: 'a', namespace: 'b', path: 'x' };
  assert.deepEqual(await by({ clientConfig: { service }, conversionReviewVersions }), [
    `${config}.service.path: Invalid value: "x": must start with a '/'`,
    `${config}.service.path: Invalid value: "x": segment[0] may not be empty`,
  ]);
});

test('paths of scales, columns and selectable fields', async () => {
  const scaled = async (specReplicasPath: string, labelSelectorPath?: string) =>
    (
      await causes(
        version({ subresources: { scale: { specReplicasPath, statusReplicasPath: '.status.r', labelSelectorPath } } }),
      )
    ).map(c => c.replace('spec.subresources.scale.', ''));
  assert.deepEqual(await scaled('spec.x'), [
    'specReplicasPath: Invalid value: "spec.x": must be a simple json path starting with .',
  ]);
  for (const path of ['.spec', '.specs.x', '.spec[0]', '.spec["x"]'])
    assert.deepEqual(await scaled(path), [
      `specReplicasPath: Invalid value: ${JSON.stringify(path)}: should be a json path under .spec`,
    ]);
  assert.deepEqual(await scaled('.spec.x', '.x.y'), [
    'labelSelectorPath: Invalid value: ".x.y": should be a json path under either .spec or .status',
  ]);
  const column = { name: 'a', type: 'string', format: 'z', jsonPath: '[0]' };
  assert.deepEqual(await causes(version({ additionalPrinterColumns: [column] })), [
    'spec.additionalPrinterColumns[0].format: Invalid value: "z": must be one of byte,date,date-time,double,float,int32,int64,password',
    'spec.additionalPrinterColumns[0].JSONPath: Invalid value: "[0]": must be a simple json path starting with .',
  ]);
  const spec = { type: 'object', properties: { a: { type: 'string' }, n: { type: 'number' } } };
  const selecting = schema({ spec });
  const wrong: Record<string, string> = {
    '.spec.n':
      'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
    '.spec.l[0]': 'is an invalid path: array notation is not allowed',
    'spec.a': 'is an invalid path: expected [ or . but got: spec',
    '.metadata.name': 'is an invalid path: does not refer to a valid field',
    '..a': 'is an invalid path: does not refer to a valid field',
    '.spec.a.': 'is an invalid path: unexpected end of JSON path',
  };
  selecting.spec.versions[0].selectableFields = [...Object.keys(wrong), '.spec.a', '.spec.a'].map(jsonPath => ({
    jsonPath,
  }));
  assert.deepEqual(await causes(selecting), [
    ...Object.entries(wrong).map(
      ([path, why], i) => `spec.selectableFields[${i}].jsonPath: Invalid value: "${path}": ${why}`,
    ),
    'spec.selectableFields[7].jsonPath: Duplicate value: ".spec.a"',
  ]);
});

test('schemas: form, structure, defaults, rules', async () => {
  const [ref, untyped] = [{ $ref: 'x' }, {}];
  const list = { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'x' };
  const noRef = `${below('[ref].$ref')}: Forbidden: $ref is not supported`;
  const noType = `${below('[untyped].type')}: Required value: must not be empty for specified object fields`;
  const noList = `${below('[list].x-kubernetes-list-type')}: Unsupported value: "x": supported values: "atomic", "set", "map"`;
  // What has no structure is told of nothing else there.
  assert.deepEqual(await causes(schema({ list, ref, untyped })), [noList, noRef]);
  assert.deepEqual(await causes(schema({ list, untyped })), [noType, noList]);
  const filled = { type: 'string', default: 5 };
  const noFit = `${below('[filled].default')}: Invalid value: "integer":  in body must be of type string: "integer"`;
  assert.deepEqual(await causes(schema({ filled, list })), [noFit, noList]);
  assert.deepEqual(await causes(schema({ filled, untyped })), [noType]);
  const rules = (...given: object[]) => ({
    type: 'object',
    properties: { y: { type: 'string' } },
    'x-kubernetes-validations': given,
  });
  const at = below('[x].x-kubernetes-validations');
  assert.deepEqual(
    await causes(schema({ x: rules({ rule: '1' }, { rule: ' ' }, { rule: 'true', message: ' ', fieldPath: '.z' }) })),
    [
      `${at}[1].rule: Required value: rule is not specified`,
      `${at}[2].message: Invalid value: " ": must be non-empty if specified`,
      `${at}[2].fieldPath: Invalid value: ".z": must be a valid path`,
    ],
  );
  const shown =
    '{"Rule":"1","Message":"","MessageExpression":"","Reason":null,"FieldPath":".y","OptionalOldSelf":null}';
  assert.deepEqual(await causes(schema({ x: rules({ rule: '1', fieldPath: '.y' }) })), [
    `${at}[0].rule: Invalid value: ${shown}: cel expression must evaluate to a bool`,
  ]);
  const within = { type: 'object', properties: { a: { type: 'string' } }, default: { a: 1, b: 2 } };
  assert.deepEqual(await causes(schema({ within })), [
    `${below('[within].default')}: Invalid value: {"a":1,"b":2}: must not have unknown fields`,
    `${below('[within].default.a')}: Invalid value: "integer": a in body must be of type string: "integer"`,
  ]);
  assert.deepEqual(await causes(schema({ id: { type: 'string', id: 'x' } })), [
    `${below('[id].id')}: Forbidden: id is not supported`,
  ]);
});

test('schemas that are taken', async () => {
  for (const property of [
    { type: 'string', 'x-kubernetes-int-or-string': true },
    { type: 'object', additionalProperties: false },
  ])
    await on.api.expect(201, 'POST', dry, schema({ property }));
});

test('formats nobody knows are warned of', async () => {
  const warnings = async (properties: object) => {
    const { code, headers } = await on.api.send('POST', dry, schema(properties));
    return [code, headers.warning];
  };
  const a = { type: 'string', format: 'zz' };
  assert.deepEqual(await warnings({ a, b: a, c: { type: 'string', format: 'date' } }), [
    201,
    '299 - "unrecognized format \\"zz\\""',
  ]);
  assert.deepEqual(await warnings({ a: { type: 'integer', format: 'float' } }), [
    201,
    '299 - "unrecognized format \\"float\\""',
  ]);
  assert.deepEqual(
    await warnings({ a: { type: 'number', format: 'float' }, b: { type: 'integer', format: 'int64' } }),
    [201, undefined],
  );
});
