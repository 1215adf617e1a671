// What the official suite checks of custom resources, under its names.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { applyPatch, type Caller, caller, type Json } from '../test-caller.ts';
import { startTestServer, type TestServer } from '../test-server.ts';
import { definition, definitions, establish, widget, widgets } from './test-definition.ts';

let server: TestServer;
let call: Caller;

before(async () => {
  server = await startTestServer();
  call = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
});
after(async () => {
  call.close();
  await server.stop();
});

const spec = (properties: object, more: object = {}): Json => ({
  type: 'object',
  properties: { spec: { type: 'object', properties, ...more } },
});
const ports = { ports: { type: 'array', items: { type: 'object', properties: { hostPort: { type: 'integer' } } } } };
const tried = { knownField1: { type: 'string' }, ...ports };

test('[sig-api-machinery] CustomResourceDefinition Watch [Privileged:ClusterAdmin] CustomResourceDefinition Watch watch on custom resource definition objects', async () => {
  const group = 'noxu.example.com';
  await establish(call, definition(group));
  const all = await call.watch(`${widgets(group)}?watch=1`);
  const one = await call.watch(`${widgets(group)}?watch=1&fieldSelector=metadata.name=a`);
  for (const name of ['a', 'b']) await call.expect(201, 'POST', widgets(group), widget(group, name, { n: 1 }));
  const made = await call.expect(200, 'GET', `${widgets(group)}/a`);
  await call.expect(200, 'PUT', `${widgets(group)}/a`, { ...made, n: 2 });
  for (const name of ['a', 'b']) await call.expect(200, 'DELETE', `${widgets(group)}/${name}`);
  await all.next(e => e.type === 'DELETED' && e.object.metadata.name === 'b');
  await one.next(e => e.type === 'DELETED');
  assert.deepEqual(
    all.events.map(e => [e.type, e.object.metadata.name]),
    [
      ['ADDED', 'a'],
      ['ADDED', 'b'],
      ['MODIFIED', 'a'],
      ['DELETED', 'a'],
      ['DELETED', 'b'],
    ],
  );
  assert.deepEqual(
    one.events.map(e => e.type),
    ['ADDED', 'MODIFIED', 'DELETED'],
  );
});

const named = (group: string, version: string, kind = 'Widget') =>
  `${group.split('.').reverse().join('.')}.${version}.${kind}`;
const published = async () => (await call.expect(200, 'GET', '/openapi/v2')).definitions;
const publishedV3 = async (group: string) =>
  (await call.expect(200, 'GET', `/openapi/v3/apis/${group}/v1`)).components.schemas[named(group, 'v1')];
const kindOf = (group: string) => ({
  'x-kubernetes-group-version-kind': [{ group, kind: 'Widget', version: 'v1' }],
});
const bare = ({ properties: { apiVersion, kind, metadata, ...properties }, ...schema }: Json) => {
  assert.ok(apiVersion && kind && metadata);
  const { 'x-kubernetes-group-version-kind': gvk, ...rest } = schema;
  assert.ok(gvk);
  return Object.keys(properties).length ? { ...rest, properties } : rest;
};
const foo = spec({
  bars: { type: 'array', items: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } } },
});

test('[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD with validation schema', async () => {
  const group = 'schema.example.com';
  await establish(call, definition(group, [{ schema: foo }]));
  const all = await published();
  const schema = all[named(group, 'v1')];
  assert.deepEqual(bare(schema), foo);
  // What the official test looks for in what kubectl explains.
  const { properties } = all['io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'];
  assert.match(schema.properties.apiVersion.description, /^APIVersion defines/);
  assert.match(schema.properties.metadata.description, /^Standard object's metadata/);
  assert.match(properties.creationTimestamp.description, /^CreationTimestamp is a timestamp/);
});

test('[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD without validation schema', async () => {
  const group = 'bare.example.com';
  await establish(call, definition(group));
  assert.deepEqual((await published())[named(group, 'v1')], { type: 'object', ...kindOf(group) });
  const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  assert.deepEqual(bare(await publishedV3(group)), open);
});

test('[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD preserving unknown fields at the schema root', async () => {
  const group = 'root.example.com';
  const schema = { ...foo, 'x-kubernetes-preserve-unknown-fields': true };
  await establish(call, definition(group, [{ schema }]));
  // Clients of version 2 would refuse what is not described.
  assert.deepEqual((await published())[named(group, 'v1')], { type: 'object', ...kindOf(group) });
  assert.deepEqual(bare(await publishedV3(group)), schema);
});

test('[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD preserving unknown fields in an embedded object', async () => {
  const group = 'nested.example.com';
  const open = { 'x-kubernetes-preserve-unknown-fields': true };
  const schema = spec({ dummy: { type: 'object' } }, open);
  await establish(call, definition(group, [{ schema }]));
  assert.deepEqual(bare((await published())[named(group, 'v1')]), { type: 'object', properties: { spec: open } });
  assert.deepEqual(bare(await publishedV3(group)), schema);
  const made = await call.expect(
    201,
    'POST',
    `${widgets(group)}?fieldValidation=Strict`,
    widget(group, 'a', { spec: { any: 1 } }),
  );
  assert.deepEqual(made.spec, { any: 1 });
});

test('version 2 of OpenAPI shows of a schema what its clients understand', async () => {
  const group = 'version2.example.com';
  const embedded = { type: 'object', 'x-kubernetes-embedded-resource': true };
  const text = { type: 'string' };
  const maybe = { type: 'object', nullable: true, properties: { a: text } };
  const schema = {
    type: 'object',
    required: ['maybe', 'list'],
    properties: {
      maybe,
      list: { type: 'array', items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      map: { type: 'object', additionalProperties: { type: 'string', nullable: true } },
      one: { type: 'object', required: ['a'], properties: { a: text, b: text }, oneOf: [{ required: ['b'] }] },
      closed: { ...embedded, properties: { spec: { type: 'object' } } },
      open: { ...embedded, 'x-kubernetes-preserve-unknown-fields': true },
    },
  };
  await establish(call, definition(group, [{ schema }]));
  const { required, properties } = bare((await published())[named(group, 'v1')]);
  assert.deepEqual(required, ['list']);
  const { closed, ...rest } = properties;
  assert.deepEqual(rest, {
    maybe: {},
    list: { type: 'array', items: { 'x-kubernetes-preserve-unknown-fields': true } },
    map: { type: 'object', additionalProperties: {} },
    one: { type: 'object', required: ['a'], properties: { a: text, b: text } },
    open: { 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
  });
  assert.deepEqual(closed.required, ['kind', 'apiVersion']);
  assert.deepEqual(Object.keys(closed.properties).sort(), ['apiVersion', 'kind', 'metadata', 'spec']);
});

test('[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for multiple CRDs of different groups', async () => {
  for (const group of ['m1.example.com', 'm2.example.com']) await establish(call, definition(group, [{ schema: foo }]));
  const all = await published();
  for (const group of ['m1.example.com', 'm2.example.com']) assert.ok(all[named(group, 'v1')]);
});

test('[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for multiple CRDs of same group but different versions', async () => {
  const group = 'two.example.com';
  await establish(
    call,
    definition(group, [
      { name: 'v2', schema: foo },
      { name: 'v3', schema: spec({ a: { type: 'string' } }), storage: false },
    ]),
  );
  const all = await published();
  assert.deepEqual(bare(all[named(group, 'v2')]), foo);
  assert.deepEqual(bare(all[named(group, 'v3')]), spec({ a: { type: 'string' } }));
});

test('[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for multiple CRDs of same group and version but different kinds', async () => {
  const group = 'kinds.example.com';
  await establish(call, definition(group, [{ schema: foo }]));
  const other = definition(group, [{ schema: foo }], { names: { plural: 'gizmos', kind: 'Gizmo' } });
  other.metadata.name = `gizmos.${group}`;
  await establish(call, other);
  const all = await published();
  for (const kind of ['Widget', 'Gizmo']) assert.deepEqual(bare(all[named(group, 'v1', kind)]), foo);
  const v3 = await call.expect(200, 'GET', `/openapi/v3/apis/${group}/v1`);
  for (const kind of ['Widget', 'Gizmo']) assert.ok(v3.components.schemas[named(group, 'v1', kind)]);
});

async function untilServed(group: string, version: string, code: number): Promise<void> {
  while ((await call.send('GET', `/apis/${group}/${version}`)).code !== code) await new Promise(setImmediate);
}

test('[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] updates the published spec when one version gets renamed', async () => {
  const group = 'renamed.example.com';
  const crd = await establish(
    call,
    definition(group, [
      { name: 'v2', schema: foo },
      { name: 'v3', schema: foo, storage: false },
    ]),
  );
  crd.spec.versions[1].name = 'v4';
  await call.expect(200, 'PUT', `${definitions}/widgets.${group}`, crd);
  await untilServed(group, 'v4', 200);
  const all = await published();
  assert.deepEqual(
    ['v2', 'v3', 'v4'].map(v => named(group, v) in all),
    [true, false, true],
  );
});

test('[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] removes definition from spec when one version gets changed to not be served', async () => {
  const group = 'unserved.example.com';
  const crd = await establish(
    call,
    definition(group, [
      { name: 'v5', schema: foo },
      { name: 'v6alpha1', schema: foo, storage: false },
    ]),
  );
  crd.spec.versions[1].served = false;
  await call.expect(200, 'PUT', `${definitions}/widgets.${group}`, crd);
  await untilServed(group, 'v6alpha1', 404);
  const all = await published();
  assert.deepEqual(
    ['v5', 'v6alpha1'].map(v => named(group, v) in all),
    [true, false],
  );
});

test('[sig-api-machinery] FieldValidation should create/apply a CR with unknown fields for CRD with no validation schema', async () => {
  const group = 'fv1.example.com';
  await establish(call, definition(group));
  const at = `${widgets(group)}/a?fieldManager=m&fieldValidation=Strict`;
  const made = await call.expect(201, 'PATCH', at, widget(group, 'a', { spec: { unknown: 'x' } }), applyPatch);
  assert.deepEqual(made.spec, { unknown: 'x' });
});

test('[sig-api-machinery] FieldValidation should create/apply a valid CR for CRD with validation schema', async () => {
  const group = 'fv2.example.com';
  await establish(call, definition(group, [{ schema: spec(tried) }]));
  const body = widget(group, 'a', { spec: { knownField1: 'v', ports: [{ hostPort: 80 }] } });
  const made = await call.expect(
    201,
    'PATCH',
    `${widgets(group)}/a?fieldManager=m&fieldValidation=Strict`,
    body,
    applyPatch,
  );
  assert.deepEqual(made.spec, { knownField1: 'v', ports: [{ hostPort: 80 }] });
});

test('[sig-api-machinery] FieldValidation should create/apply an invalid CR with extra properties for CRD with validation schema', async () => {
  const group = 'fv3.example.com';
  await establish(call, definition(group, [{ schema: spec(tried) }]));
  const body = widget(group, 'a', {
    spec: { knownField1: 'v', unknownField: 'x', ports: [{ hostPort: 80, unknown: 1 }] },
  });
  const { message } = await call.expect(400, 'POST', `${widgets(group)}?fieldValidation=Strict`, body);
  assert.match(
    message,
    /strict decoding error: unknown field "spec.ports\[0\].unknown", unknown field "spec.unknownField"$/,
  );
});

test('[sig-api-machinery] FieldValidation should detect duplicates in a CR when preserving unknown fields', async () => {
  const group = 'fv4.example.com';
  const open = { 'x-kubernetes-preserve-unknown-fields': true };
  await establish(call, definition(group, [{ schema: { ...spec(tried, open), ...open } }]));
  const text = `{"apiVersion":"${group}/v1","kind":"Widget","metadata":{"name":"a"},"spec":{"unknown":"u","unknownDupe":"1","unknownDupe":"2","knownField1":"x","ports":[{"hostPort":1,"hostPort":2}]}}`;
  const { message } = await call.expect(400, 'POST', `${widgets(group)}?fieldValidation=Strict`, text);
  assert.match(
    message,
    /strict decoding error: duplicate field "spec.unknownDupe", duplicate field "spec.ports\[0\].hostPort"/,
  );
  assert.doesNotMatch(message, /unknown field/);
});

test('[sig-api-machinery] FieldValidation should detect unknown metadata fields in both the root and embedded object of a CR', async () => {
  const group = 'fv5.example.com';
  const template = { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { spec: { type: 'object' } } };
  await establish(call, definition(group, [{ schema: spec({ template }) }]));
  const body = widget(group, 'a', {
    spec: { template: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 't', unknownSubMeta: 'x' } } },
  });
  body.metadata.unknownMeta = 'x';
  const { message } = await call.expect(400, 'POST', `${widgets(group)}?fieldValidation=Strict`, body);
  assert.match(message, /unknown field "metadata.unknownMeta", unknown field "spec.template.metadata.unknownSubMeta"$/);
});

test('[sig-api-machinery] AggregatedDiscovery should support aggregated discovery interface for CRDs', async () => {
  await assertAggregated('ad1.example.com');
});

test('[sig-api-machinery] AggregatedDiscovery should support raw aggregated discovery request for CRDs', async () => {
  await assertAggregated('ad2.example.com');
});

async function assertAggregated(group: string): Promise<void> {
  await establish(call, definition(group));
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const { headers, object } = await call.send('GET', '/apis', undefined, { accept });
  assert.equal(headers['content-type'], accept);
  const found = object.items.find((g: Json) => g.metadata.name === group);
  assert.deepEqual(found.versions[0].resources[0], {
    resource: 'widgets',
    responseKind: { group, version: 'v1', kind: 'Widget' },
    scope: 'Namespaced',
    singularResource: 'widget',
    verbs: ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'],
    shortNames: ['wd'],
    categories: ['all'],
  });
}
