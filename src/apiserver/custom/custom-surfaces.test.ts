import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testApi } from '../test-api.ts';
import { type Json, mergePatch } from '../test-caller.ts';
import {
  definition,
  definitions,
  establish,
  objectSchema as object,
  specSchema as specOf,
  widget,
  widgets,
} from './test-definition.ts';

const call = testApi();

test('tables have the columns the definition names', async () => {
  const group = 'table.example.com';
  const additionalPrinterColumns = [
    { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status', description: 'd' },
    { name: 'N', type: 'integer', jsonPath: '.spec.n', priority: 1 },
  ];
  await establish(call, definition(group, [{ more: { additionalPrinterColumns } }]));
  const status = { conditions: [{ type: 'Ready', status: 'True' }] };
  await call.expect(201, 'POST', widgets(group), widget(group, 'a', { spec: { n: 3 }, status }));
  const table = await call.expect(200, 'GET', widgets(group), undefined, {
    accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  });
  assert.deepEqual(
    table.columnDefinitions.map((c: Json) => [c.name, c.type, c.priority]),
    [
      ['Name', 'string', 0],
      ['Ready', 'string', 0],
      ['N', 'integer', 1],
    ],
  );
  assert.deepEqual(table.rows[0].cells, ['a', 'True', 3]);
});

test('[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] should include custom resource definition resources in discovery documents', async () => {
  const group = 'discover.example.com';
  const versions = [
    { name: 'v1beta1', storage: false },
    { name: 'v1', more: { subresources: { status: {} } } },
  ];
  await establish(call, definition(group, versions));
  const groups = await call.expect(200, 'GET', '/apis');
  const mine = groups.groups.find((g: Json) => g.name === group);
  assert.deepEqual(
    mine.versions.map((v: Json) => v.version),
    ['v1', 'v1beta1'],
  );
  assert.equal(mine.preferredVersion.version, 'v1');
  const list = await call.expect(200, 'GET', `/apis/${group}/v1`);
  assert.deepEqual(
    list.resources.map((r: Json) => r.name),
    ['widgets', 'widgets/status'],
  );
  assert.deepEqual(list.resources[0].shortNames, ['wd']);
  // Of what is stored, in every version: "discover.example.com/v1/Widget".
  const other = await call.expect(200, 'GET', `/apis/${group}/v1beta1`);
  for (const { resources } of [list, other]) assert.equal(resources[0].storageVersionHash, 'hmWjDE3gEOE=');
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const aggregated = await call.expect(200, 'GET', '/apis', undefined, { accept });
  const found = aggregated.items.find((g: Json) => g.metadata.name === group);
  assert.deepEqual(
    found.versions.map((v: Json) => v.version),
    ['v1', 'v1beta1'],
  );
  assert.deepEqual(found.versions[0].resources[0].responseKind, { group, version: 'v1', kind: 'Widget' });
  await call.expect(200, 'DELETE', `${definitions}/widgets.${group}`);
  while ((await call.send('GET', `/apis/${group}`)).code !== 404) await new Promise(setImmediate);
});

test('OpenAPI shows the schema, and follows its versions', async () => {
  const group = 'openapi.example.com';
  const schema = specOf({ bars: { type: 'array', items: { type: 'string' }, description: 'List of Bars' } });
  const crd = await establish(call, definition(group, [{ schema }, { name: 'v2', storage: false, schema }]));
  const name = (version: string) => `com.example.openapi.${version}.Widget`;
  const v2 = await call.expect(200, 'GET', '/openapi/v2');
  const published = v2.definitions[name('v1')];
  assert.deepEqual(published.properties.spec, schema.properties.spec);
  assert.deepEqual(Object.keys(published.properties).sort(), ['apiVersion', 'kind', 'metadata', 'spec']);
  assert.deepEqual(published['x-kubernetes-group-version-kind'], [{ group, kind: 'Widget', version: 'v1' }]);
  const v3 = await call.expect(200, 'GET', `/openapi/v3/apis/${group}/v1`);
  assert.deepEqual(v3.components.schemas[name('v1')].properties.spec, schema.properties.spec);
  crd.spec.versions[1].served = false;
  await call.expect(200, 'PUT', `${definitions}/widgets.${group}`, crd);
  while ((await call.send('GET', `/apis/${group}/v2`)).code !== 404) await new Promise(setImmediate);
  const less = await call.expect(200, 'GET', '/openapi/v2');
  assert.equal(less.definitions[name('v2')], undefined);
  assert.ok(less.definitions[name('v1')]);
});

test('versions without a webhook differ in name and schema; the storage version may move', async () => {
  const group = 'versions.example.com';
  const a = { name: 'v1', schema: object({ a: { type: 'string' }, b: { type: 'string', default: 'B1' } }) };
  const b = {
    name: 'v2',
    schema: object({ a: { type: 'string' }, b: { type: 'string', default: 'B2' } }),
    storage: false,
  };
  const crd = await establish(call, definition(group, [a, b]));
  await call.expect(201, 'POST', widgets(group, 'v2'), widget(group, 'x', { a: '1' }, 'v2'));
  const shown = await call.expect(200, 'GET', `${widgets(group)}/x`);
  assert.deepEqual([shown.apiVersion, shown.a, shown.b], [`${group}/v1`, '1', 'B2']);
  crd.spec.versions[0].storage = false;
  crd.spec.versions[1].storage = true;
  const moved = await call.expect(200, 'PUT', `${definitions}/widgets.${group}`, crd);
  assert.deepEqual(moved.status.storedVersions, ['v1', 'v2']);
  const list = await call.expect(200, 'GET', widgets(group, 'v2'));
  assert.deepEqual(
    list.items.map((i: Json) => i.apiVersion),
    [`${group}/v2`],
  );
  const watching = await call.watch(`${widgets(group, 'v2')}?watch=1`);
  await call.expect(200, 'PATCH', `${widgets(group)}/x`, { a: '2' }, mergePatch);
  const { object: seen } = await watching.next(e => e.type === 'MODIFIED' || e.object.a === '2');
  assert.deepEqual([seen.apiVersion, seen.a], [`${group}/v2`, '2']);
});

test('cluster-wide kinds, deprecated versions and list kinds of their own', async () => {
  const group = 'cluster.example.com';
  const names = { plural: 'widgets', kind: 'Widget', listKind: 'Widgetry' };
  await establish(call, definition(group, [{ more: { deprecated: true } }], { scope: 'Cluster', names }));
  const made = await call.send('POST', `/apis/${group}/v1/widgets`, widget(group, 'a'));
  assert.equal(made.code, 201);
  assert.equal(String(made.headers.warning), `299 - "${group}/v1 Widget is deprecated"`);
  const list = await call.expect(200, 'GET', `/apis/${group}/v1/widgets`);
  assert.equal(list.kind, 'Widgetry');
});
