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
  keyed: {
    type: 'array',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['k'],
    items: objectSchema({ k: string, v: string }, { required: ['k'] }),
  },
  free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  nothing: { type: 'string', nullable: true },
  filled: { type: 'string', default: 'x' },
  inner: objectSchema({ s: string }),
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
  [{ set: [null] }, ".spec.set: element 0: associative list without keys has an element that's an explicit null"],
  [
    { set: [1, 1] },
    `errors:\n  .spec.set[=1]: expected string, got ${go('1')}\n  .spec.set: duplicate entries for key [=1]\n  .spec.set[=1]: expected string, got ${go('1')}`,
  ],
  [{ keyed: ['x'] }, '.spec.keyed: element 0: associative list with keys may not have non-map elements'],
  [{ keyed: [null] }, '.spec.keyed: element 0: associative list with keys may not have a null element'],
  [
    { keyed: [{ v: 'x' }] },
    '.spec.keyed: element 0: associative list with keys has an element that omits all key fields ["k"] (and doesn\'t have default values for any key fields)',
  ],
  [{ free: 'x' }, '.spec.free: expected map, got &{x}'],
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

const typed = (who: string, why: string) =>
  `failed to create typed patch object (${who}; ${group}/v1, Kind=Widget): ${why}`;

test('metadata of other types', async () => {
  const one = '/one';
  const wrong: readonly [metadata: unknown, who: string, why: string][] = [
    [[], '/', '.metadata: expected map, got &{[]}'],
    ['x', '/', '.metadata: expected map, got &{x}'],
    [{ name: 5 }, '/', `.metadata.name: expected string, got ${go('5')}`],
    [{ labels: { a: 1 } }, one, `.metadata.labels.a: expected string, got ${go('1')}`],
    [{ finalizers: [1] }, one, `.metadata.finalizers[=1]: expected string, got ${go('1')}`],
    [
      { ownerReferences: ['x'] },
      one,
      '.metadata.ownerReferences: element 0: associative list with keys may not have non-map elements',
    ],
    [{ ownerReferences: [{ uid: 5 }] }, one, `.metadata.ownerReferences[uid=5].uid: expected string, got ${go('5')}`],
    [{ creationTimestamp: {} }, one, '.metadata.creationTimestamp: expected any scalar, got &{map[]}'],
    [{ generation: 'x' }, one, '.metadata.generation: expected numeric (int or float), got string'],
    [{ managedFields: [{ manager: 5 }] }, one, `.metadata.managedFields[0].manager: expected string, got ${go('5')}`],
  ];
  const send = (metadata: unknown) => {
    const given = Array.isArray(metadata) || typeof metadata !== 'object' ? metadata : { name: 'one', ...metadata };
    const body = { apiVersion: `${group}/v1`, kind: 'Widget', ...(metadata === undefined ? {} : { metadata: given }) };
    return api.send('PATCH', `${widgets(group)}/one?fieldManager=m&dryRun=All`, body, applyPatch);
  };
  for (const [metadata, who, why] of wrong) {
    const { object } = await send(metadata);
    assert.deepEqual([object.code, object.message], [500, typed(who, why)]);
  }
  assert.equal((await send({ managedFields: [] })).object.message, 'metadata.managedFields must be nil');
  // What the server keeps by itself, nobody reads.
  for (const metadata of [{ creationTimestamp: 'x' }, { creationTimestamp: 5 }, { generation: 1.5 }])
    assert.equal((await send(metadata)).code, 200);
});

test('a configuration without a name', async () => {
  const body = { apiVersion: `${group}/v1`, kind: 'Widget' };
  for (const metadata of [undefined, null, {}, { name: null }]) {
    const { object } = await api.send(
      'PATCH',
      `${widgets(group)}/new?fieldManager=m`,
      { ...body, metadata },
      applyPatch,
    );
    const why = 'the name of the object (new based on URL) was undeterminable: name must be provided';
    assert.deepEqual([object.code, object.message], [400, why]);
  }
});

test('nulls are values: refused where there may be none, and of what has parts none of them', async () => {
  const on = (name: string, spec: unknown) =>
    api.send('PATCH', `${widgets(group)}/${name}?fieldManager=m&dryRun=All`, widget(group, name, { spec }), applyPatch);
  const refused = ['s', 'i', 'list', 'set', 'keyed', 'map', 'atomic', 'inner', 'free'];
  for (const field of refused) {
    const { object } = await on('absent', { [field]: null });
    assert.equal(object.code, 422, field);
    assert.match(
      object.message,
      new RegExp(`: spec\\.${field}: Invalid value: "null": spec\\.${field} in body must be of`),
    );
  }
  const kept = await on('absent', { nothing: null, filled: null, free: { a: null } });
  assert.deepEqual(kept.object.spec, { nothing: null, filled: 'x', free: { a: null } });
  // What is not applied drops them.
  const spec = { s: null, map: { a: null } };
  const made = await api.expect(201, 'POST', `${widgets(group)}?dryRun=All`, widget(group, 'absent', { spec }));
  assert.deepEqual(made.spec, { filled: 'x', map: {} });
  const applied = (code: number, name: string, state: object) =>
    api.expect(
      code,
      'PATCH',
      `${widgets(group)}/${name}?fieldManager=m`,
      widget(group, name, { spec: state }),
      applyPatch,
    );
  await applied(201, 'full', { s: 'x', map: { a: 'b' }, inner: { s: 'x' }, free: { a: 1 } });
  for (const [field, left] of Object.entries({ map: {}, inner: {}, free: {} })) {
    const { object } = await on('full', { [field]: null });
    assert.deepEqual(object.spec, { filled: 'x', [field]: left }, field);
  }
  assert.equal((await on('full', { s: null })).code, 422);
  // What has no parts left is refused by then, and a list is gone with its items.
  await applied(200, 'full', { map: null });
  assert.equal((await on('full', { map: null })).code, 422);
  await applied(201, 'lists', { s: 'x', set: ['a', 'b'], keyed: [{ k: 'a', v: '1' }] });
  for (const value of [null, []]) {
    assert.deepEqual((await on('lists', { s: 'x', set: value })).object.spec, { filled: 'x', s: 'x' });
    assert.deepEqual((await on('lists', { s: 'x', keyed: value })).object.spec, { filled: 'x', s: 'x' });
  }
});

test('who applies what is there already has changed nothing at any time', async () => {
  const apply = async (manager: string, spec: unknown) => {
    const url = `${widgets(group)}/same?fieldManager=${manager}`;
    const { object } = await api.send('PATCH', url, widget(group, 'same', { spec }), applyPatch);
    return object.metadata.managedFields.map((f: { manager: string; time?: string }) => [f.manager, !!f.time]);
  };
  assert.deepEqual(await apply('first', { s: 'a' }), [['first', true]]);
  assert.deepEqual(await apply('second', { s: 'a' }), [
    ['second', false],
    ['first', true],
  ]);
  assert.deepEqual(await apply('second', { s: 'a', b: true }), [
    ['first', true],
    ['second', true],
  ]);
});

test('built-in kinds: the form first, then the values', async () => {
  const url = '/api/v1/namespaces/default/pods/p?fieldManager=m';
  const apply = async (more: object) => {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, ...more };
    const { object } = await api.send('PATCH', url, pod, applyPatch);
    return [object.code, object.message];
  };
  const form = (why: string) => [500, `failed to create typed patch object (/p; /v1, Kind=Pod): ${why}`];
  const container = { name: 'c', image: 'i' };
  assert.deepEqual(
    await apply({ spec: { containers: [{ ...container, tty: 'x', command: [1] }], priority: 'x' } }),
    form(
      `errors:\n  .spec.containers[name="c"].command[0]: expected string, got ${go('1')}\n  .spec.containers[name="c"].tty: expected boolean, got &{x}\n  .spec.priority: expected numeric (int or float), got string`,
    ),
  );
  const value = (why: string) => [
    500,
    `failed to convert new object (/p; /v1, Kind=Pod) to proper version: unable to convert unstructured object to /v1, Kind=Pod: ${why}`,
  ];
  const parsing = 'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"';
  const spec = { containers: [container] };
  assert.deepEqual(await apply({ metadata: { name: 'p', creationTimestamp: 'x' }, spec }), value(parsing));
  assert.deepEqual(
    await apply({ metadata: { name: 'p', creationTimestamp: 5 }, spec }),
    value('json: cannot unmarshal number into Go value of type string'),
  );
  assert.deepEqual(await apply({ spec: { ...spec, priority: 1.5 } }), value('cannot convert float64 to int32'));
});

test('a Scale whose name is no text', async () => {
  const url = '/api/v1/namespaces/default/replicationcontrollers/two/scale?fieldManager=m';
  const scale = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: [{}] }, spec: { replicas: 1 } };
  const { object } = await api.send('PATCH', url, scale, applyPatch);
  assert.equal(object.code, 500);
  assert.match(object.message, /\.metadata\.name: expected string, got &value\.valueUnstructured\{Value:\[\]interface/);
});

test('a scale says what it is', async () => {
  const path = '/apis/apps/v1/namespaces/default/replicasets';
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const spec = { selector: { matchLabels: { a: 'b' } }, template };
  await api.expect(201, 'POST', path, { metadata: { name: 'scaled' }, spec });
  const url = `${path}/scaled/scale?fieldManager=m`;
  const { object } = await api.send('PATCH', url, {}, applyPatch);
  assert.deepEqual([object.code, object.message], [400, 'invalid object type: /, Kind=']);
  await api.expect(200, 'PATCH', url, { apiVersion: 'autoscaling/v1', kind: 'Scale' }, applyPatch);
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
