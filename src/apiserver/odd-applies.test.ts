// Applied custom resources whose values have other types than the schema says: recorded from
// k8s.io/apiextensions-apiserver 1.36.2.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { definition, establish, objectSchema, specSchema, widget, widgets } from './custom/test-definition.ts';
import { superuserOf } from './test-api.ts';
import { applyPatch, type Caller } from './test-caller.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const group = 'applies.example.com';
const string = { type: 'string' };
const schema = specSchema({
  s: string,
  b: { type: 'boolean' },
  i: { type: 'integer' },
  list: { type: 'array', items: string },
  set: { type: 'array', 'x-kubernetes-list-type': 'set', items: string },
  map: { type: 'object', additionalProperties: string },
  atomic: objectSchema({ s: string }, { 'x-kubernetes-map-type': 'atomic' }),
});
let server: TestServer;
let api: Caller;
before(async () => {
  server = await startTestServer();
  api = superuserOf(server);
  await establish(api, definition(group, [{ schema }]));
});
after(async () => {
  api.close();
  await server.stop();
});

const apply = (spec: unknown, name = 'one') =>
  api.send('PATCH', `${widgets(group)}/one?fieldManager=m`, widget(group, name, { spec }), applyPatch);

const go = (value: string) => `&value.valueUnstructured{Value:${value}}`;
const cases: readonly [spec: unknown, why: string][] = [
  [{ s: 5 }, `.spec.s: expected string, got ${go('5')}`],
  [{ s: ['a', 1.5] }, `.spec.s: expected string, got ${go('[]interface {}{"a", 1.5}')}`],
  [{ s: { b: 'x', a: true } }, `.spec.s: expected string, got ${go('map[string]interface {}{"a":true, "b":"x"}')}`],
  [{ b: 5 }, '.spec.b: expected boolean, got &{5}'],
  [{ b: {} }, '.spec.b: expected boolean, got &{map[]}'],
  [{ i: 'x' }, '.spec.i: expected numeric (int or float), got string'],
  [{ i: true }, '.spec.i: expected numeric (int or float), got bool'],
  [{ i: [] }, '.spec.i: expected numeric (int or float), got []interface {}'],
  [{ i: {} }, '.spec.i: expected numeric (int or float), got map[string]interface {}'],
  [{ list: 'x' }, '.spec.list: expected list, got &{x}'],
  [{ list: ['a', 1] }, `.spec.list[1]: expected string, got ${go('1')}`],
  [{ set: { a: { b: [1] } } }, '.spec.set: expected list, got &{map[a:map[b:[1]]]}'],
  [{ set: [1] }, `.spec.set[=1]: expected string, got ${go('1')}`],
  [{ set: [{}] }, ".spec.set: element 0: associative list without keys has an element that's a map type"],
  [{ map: { a: 1 } }, `.spec.map.a: expected string, got ${go('1')}`],
  [{ map: [] }, '.spec.map: expected map, got &{[]}'],
  [{ atomic: { s: 1 } }, `.spec.atomic.s: expected string, got ${go('1')}`],
  [{ atomic: { q: 1 } }, '.spec.atomic.q: field not declared in schema'],
  [{ atomic: [1, 'a'] }, '.spec.atomic: expected map, got &{[1 a]}'],
  ['x', '.spec: expected map, got &{x}'],
  [{ s: 1, b: 2 }, `errors:\n  .spec.b: expected boolean, got &{2}\n  .spec.s: expected string, got ${go('1')}`],
];

async function refuseAll(): Promise<void> {
  for (const [spec, why] of cases) {
    const { object } = await apply(spec);
    const message = `failed to create typed patch object (/one; ${group}/v1, Kind=Widget): ${why}`;
    assert.deepEqual([object.code, object.reason, object.message], [500, undefined, message]);
  }
}

test('configurations that do not fit their schema, of what is not there and of what is', async () => {
  await refuseAll();
  await api.expect(201, 'POST', widgets(group), widget(group, 'one', { spec: { s: 'x', b: true, i: 1 } }));
  // Before any conflict.
  await refuseAll();
});

test('a configuration of another name', async () => {
  const { object } = await apply({}, 'other');
  assert.equal(object.message, 'the name of the object (other) does not match the name on the URL (one)');
  await api.expect(404, 'GET', `${widgets(group)}/other`);
});

// Keys of lists default to the empty text: client-go's own schemas say so of every field that is always written.
test('items without the key of their list are told by the rules of the kind, not by the schema', async () => {
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'a' };
  const object = widget(group, 'two', { spec: {} });
  Object.assign(object.metadata as object, { ownerReferences: [owner] });
  const custom = await api.send('PATCH', `${widgets(group)}/two?fieldManager=m`, object, applyPatch);
  assert.deepEqual(
    [custom.code, custom.object.details.causes],
    [
      422,
      [
        {
          reason: 'FieldValueInvalid',
          message: 'Invalid value: "": must not be empty',
          field: 'metadata.ownerReferences.uid',
        },
      ],
    ],
  );
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ image: 'i' }] } };
  const set = { kind: 'ReplicaSet', apiVersion: 'apps/v1', metadata: { name: 'r' } };
  const replicaSet = { ...set, spec: { selector: { matchLabels: { a: 'b' } }, template } };
  const path = '/apis/apps/v1/namespaces/default/replicasets/r?fieldManager=m';
  const builtIn = await api.send('PATCH', path, replicaSet, applyPatch);
  const message = 'Required value';
  const field = 'spec.template.spec.containers[0].name';
  assert.deepEqual(
    [builtIn.code, builtIn.object.details.causes],
    [422, [{ reason: 'FieldValueRequired', message, field }]],
  );
});
