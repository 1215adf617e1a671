import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testApi } from '../test-api.ts';
import { applyPatch, type Json, jsonPatch, mergePatch } from '../test-caller.ts';
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

test('[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] custom resource defaulting for requests and from storage works', async () => {
  const group = 'default.example.com';
  const crd = await establish(
    call,
    definition(group, [{ schema: object({ a: { type: 'string' }, b: { type: 'string' } }) }]),
  );
  await call.expect(201, 'POST', widgets(group), widget(group, 'one'));
  crd.spec.versions[0].schema.openAPIV3Schema.properties.a.default = 'A';
  crd.spec.versions[0].schema.openAPIV3Schema.properties.b.default = 'B';
  await call.expect(200, 'PUT', `${definitions}/widgets.${group}`, crd);
  const list = async () => (await call.expect(200, 'GET', widgets(group))).items[0];
  while (!(await list()).a) await new Promise(setImmediate);
  assert.deepEqual([(await list()).a, (await list()).b], ['A', 'B']);
  const made = await call.expect(201, 'POST', widgets(group), widget(group, 'two', { b: 'own' }));
  assert.deepEqual([made.a, made.b], ['A', 'own']);
});

test('unknown and duplicate fields of a custom resource are told of', async () => {
  const group = 'strict.example.com';
  const schema = specOf({
    known: { type: 'string' },
    pod: { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
  });
  await establish(call, definition(group, [{ schema }]));
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', unknownSubMeta: 'x' } };
  const body = widget(group, 'a', { extra: 1, spec: { known: 'x', unknown: 1, pod } });
  body.metadata.unknownMeta = 'x';
  const strict = await call.expect(400, 'POST', `${widgets(group)}?fieldValidation=Strict`, body);
  assert.equal(
    strict.message,
    'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "metadata.unknownMeta", unknown field "extra", unknown field "spec.unknown", unknown field "spec.pod.metadata.unknownSubMeta"',
  );
  const text = `{"apiVersion":"${group}/v1","kind":"Widget","metadata":{"name":"b"},"spec":{"known":"x","known":"y"}}`;
  const twice = await call.expect(400, 'POST', `${widgets(group)}?fieldValidation=Strict`, text);
  assert.match(twice.message, /strict decoding error: duplicate field "spec.known"/);
  const warned = await call.send('POST', `${widgets(group)}?fieldValidation=Warn`, body);
  assert.equal(warned.code, 201);
  assert.match(String(warned.headers.warning), /unknown field \\"spec.unknown\\"/);
  assert.deepEqual(warned.object.spec, { known: 'x', pod: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' } } });
  assert.equal(
    (await call.send('PUT', `${widgets(group)}/a?fieldValidation=Ignore`, { ...warned.object, more: 1 })).headers
      .warning,
    undefined,
  );
  const patch = await call.expect(
    422,
    'PATCH',
    `${widgets(group)}/a?fieldValidation=Strict`,
    { spec: { foo: 1 } },
    mergePatch,
  );
  assert.match(patch.message, /unknown field "spec.foo"/);
});

test('values that break the schema are refused', async () => {
  const group = 'valid.example.com';
  await establish(
    call,
    definition(group, [{ schema: specOf({ n: { type: 'integer', maximum: 5 } }, { required: ['n'] }) }]),
  );
  const { message, details, reason } = await call.expect(
    422,
    'POST',
    widgets(group),
    widget(group, 'a', { spec: { n: 9 } }),
  );
  assert.equal(reason, 'Invalid');
  assert.equal(
    message,
    'Widget.valid.example.com "a" is invalid: spec.n: Invalid value: 9: spec.n in body should be less than or equal to 5',
  );
  assert.deepEqual(details.causes[0].field, 'spec.n');
});

test('status and scale are subresources; generation counts changes of the rest', async () => {
  const group = 'sub.example.com';
  const schema = object({
    spec: object({ replicas: { type: 'integer' } }),
    status: object({ replicas: { type: 'integer' }, selector: { type: 'string' } }),
  });
  const scale = {
    specReplicasPath: '.spec.replicas',
    statusReplicasPath: '.status.replicas',
    labelSelectorPath: '.status.selector',
  };
  await establish(call, definition(group, [{ schema, more: { subresources: { status: {}, scale } } }]));
  const made = await call.expect(
    201,
    'POST',
    widgets(group),
    widget(group, 'a', { spec: { replicas: 1 }, status: { replicas: 7 } }),
  );
  assert.deepEqual([made.metadata.generation, made.status], [1, undefined]);
  const at = `${widgets(group)}/a`;
  const told = await call.expect(
    200,
    'PATCH',
    `${at}/status`,
    { metadata: { labels: { a: 'b' } }, spec: { replicas: 9 }, status: { replicas: 1, selector: 'x=y' } },
    mergePatch,
  );
  assert.deepEqual([told.metadata.generation, told.status.replicas, told.spec.replicas], [1, 1, 1]);
  assert.equal(told.metadata.labels, undefined);
  const changed = await call.expect(200, 'PATCH', at, { spec: { replicas: 2 }, status: { replicas: 5 } }, mergePatch);
  assert.deepEqual([changed.metadata.generation, changed.status.replicas], [2, 1]);
  const shown = await call.expect(200, 'GET', `${at}/scale`);
  assert.deepEqual(
    [shown.kind, shown.spec, shown.status],
    ['Scale', { replicas: 2 }, { replicas: 1, selector: 'x=y' }],
  );
  shown.spec.replicas = 4;
  assert.equal((await call.expect(200, 'PUT', `${at}/scale`, shown)).spec.replicas, 4);
  assert.equal(
    (await call.expect(200, 'PATCH', `${at}/scale`, { spec: { replicas: 6 } }, mergePatch)).spec.replicas,
    6,
  );
  const last = await call.expect(200, 'GET', at);
  assert.deepEqual([last.spec.replicas, last.metadata.generation], [6, 4]);
});

test('patches: JSON, merge, apply with owners and conflicts; no strategic one', async () => {
  const group = 'patch.example.com';
  const schema = specOf({
    image: { type: 'string' },
    list: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      items: object({ name: { type: 'string' }, value: { type: 'string' } }, { required: ['name'] }),
    },
  });
  await establish(call, definition(group, [{ schema }]));
  const at = `${widgets(group)}/a`;
  const apply = (manager: string, spec: object, code = 200, force = '') =>
    call.expect(code, 'PATCH', `${at}?fieldManager=${manager}${force}`, widget(group, 'a', { spec }), applyPatch);
  await apply('one', { image: 'i', list: [{ name: 'x', value: '1' }] }, 201);
  const both = await apply('two', { list: [{ name: 'y', value: '2' }] });
  assert.deepEqual(
    both.spec.list.map((i: Json) => i.name),
    ['x', 'y'],
  );
  const conflict = await apply('two', { image: 'j', list: [{ name: 'y', value: '2' }] }, 409);
  assert.equal(conflict.message, 'Apply failed with 1 conflict: conflict with "one": .spec.image');
  assert.equal((await apply('two', { image: 'j' }, 200, '&force=true')).spec.image, 'j');
  const less = await apply('one', {});
  assert.deepEqual(less.spec, { image: 'j' });
  const undeclared = await apply('one', { nope: 1 }, 500);
  assert.match(undeclared.message, /\.spec\.nope: field not declared in schema/);
  const json = [{ op: 'replace', path: '/spec/image', value: 'k' }];
  assert.equal((await call.expect(200, 'PATCH', at, json, jsonPatch)).spec.image, 'k');
  await call.expect(415, 'PATCH', at, {}, { 'content-type': 'application/strategic-merge-patch+json' });
});

test('[sig-api-machinery] CustomResourceFieldSelectors [Privileged:ClusterAdmin] CustomResourceFieldSelectors MUST list and watch custom resources matching the field selector', async () => {
  const group = 'select.example.com';
  const more = { selectableFields: [{ jsonPath: '.spec.color' }, { jsonPath: '.spec.big' }] };
  const schema = specOf({ color: { type: 'string' }, big: { type: 'boolean' } });
  await establish(call, definition(group, [{ schema, more }]));
  for (const [name, color] of [
    ['a', 'red'],
    ['b', 'blue'],
    ['c', 'red'],
  ])
    await call.expect(201, 'POST', widgets(group), widget(group, name!, { spec: { color, big: name === 'c' } }));
  const named = async (query: string) =>
    (await call.expect(200, 'GET', `${widgets(group)}?fieldSelector=${query}`)).items.map((i: Json) => i.metadata.name);
  assert.deepEqual(await named('spec.color=red'), ['a', 'c']);
  assert.deepEqual(await named('spec.color=red,spec.big=true'), ['c']);
  assert.deepEqual(await named('spec.color!=red'), ['b']);
  const watching = await call.watch(`${widgets(group)}?watch=1&fieldSelector=spec.color=red`);
  await call.expect(200, 'PATCH', `${widgets(group)}/a`, { spec: { color: 'blue' } }, mergePatch);
  const gone = await watching.next(e => e.type === 'DELETED');
  assert.equal(gone.object.metadata.name, 'a');
  const { message } = await call.expect(400, 'GET', `${widgets(group)}?fieldSelector=spec.other=x`);
  assert.equal(message, 'field label not supported: spec.other');
  const { definitions } = await call.expect(200, 'GET', '/openapi/v2');
  for (const kind of ['Widget', 'WidgetList'])
    assert.deepEqual(definitions[`com.example.select.v1.${kind}`]['x-kubernetes-selectable-fields'], [
      { fieldPath: 'spec.color' },
      { fieldPath: 'spec.big' },
    ]);
});

test('validation rules run on create and update', async () => {
  const group = 'cel.example.com';
  const schema = specOf(
    {
      min: { type: 'integer' },
      max: { type: 'integer' },
      name: {
        type: 'string',
        maxLength: 20,
        'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'name is immutable' }],
      },
    },
    { 'x-kubernetes-validations': [{ rule: 'self.min <= self.max', message: 'min must not exceed max' }] },
  );
  await establish(call, definition(group, [{ schema }]));
  const bad = await call.expect(422, 'POST', widgets(group), widget(group, 'a', { spec: { min: 3, max: 1 } }));
  assert.match(bad.message, /spec: Invalid value: min must not exceed max/);
  await call.expect(201, 'POST', widgets(group), widget(group, 'a', { spec: { min: 1, max: 1, name: 'x' } }));
  const fixed = await call.expect(422, 'PATCH', `${widgets(group)}/a`, { spec: { name: 'y' } }, mergePatch);
  assert.match(fixed.message, /spec.name: Invalid value: "y": name is immutable/);
  const invalid = await call.expect(422, 'POST', widgets(group), widget(group, 'b', { spec: { min: 'x' } }));
  assert.match(invalid.message, /some validation rules were not checked because the object was invalid/);
  const wrong = definition('cel2.example.com', [
    { schema: specOf({}, { 'x-kubernetes-validations': [{ rule: 'self.nope' }] }) },
  ]);
  const refused = await call.expect(422, 'POST', definitions, wrong);
  assert.match(refused.message, /x-kubernetes-validations\[0\].rule: Invalid value: .*undefined field 'nope'/s);
});

test('updates name the version they start from; unqualified finalizers are warned of', async () => {
  const group = 'update.example.com';
  await establish(call, definition(group));
  const body = widget(group, 'a');
  body.metadata.finalizers = ['loose', 'example.com/tight'];
  const made = await call.send('POST', widgets(group), body);
  assert.equal(made.code, 201);
  assert.match(
    String(made.headers.warning),
    /metadata.finalizers: \\"loose\\": prefer a domain-qualified finalizer name/,
  );
  const { message } = await call.expect(422, 'PUT', `${widgets(group)}/a`, widget(group, 'a'));
  assert.match(
    message,
    /^widgets.update.example.com "a" is invalid: metadata.resourceVersion: Invalid value: .*must be specified for an update$/,
  );
  const stale = { ...made.object, x: 1, metadata: { ...made.object.metadata, resourceVersion: '1' } };
  await call.expect(409, 'PUT', `${widgets(group)}/a`, stale);
  const same = await call.expect(200, 'PUT', `${widgets(group)}/a`, made.object);
  assert.equal(same.metadata.resourceVersion, made.object.metadata.resourceVersion, 'nothing changed, nothing written');
  await call.expect(404, 'PUT', `${widgets(group)}/b`, {
    ...made.object,
    metadata: { name: 'b', resourceVersion: '5' },
  });
});

test('status is applied and tracked; lists come as metadata only', async () => {
  const group = 'applied.example.com';
  const schema = object({
    spec: object({ n: { type: 'integer' } }),
    status: object({ phase: { type: 'string' }, seen: { type: 'integer' } }),
  });
  await establish(call, definition(group, [{ schema, more: { subresources: { status: {} } } }]));
  const at = `${widgets(group)}/a`;
  await call.expect(
    201,
    'PATCH',
    `${at}?fieldManager=user`,
    widget(group, 'a', { spec: { n: 1 }, status: { phase: 'no' } }),
    applyPatch,
  );
  const told = await call.expect(
    200,
    'PATCH',
    `${at}/status?fieldManager=operator`,
    widget(group, 'a', { spec: { n: 5 }, status: { phase: 'Ready' } }),
    applyPatch,
  );
  assert.deepEqual([told.spec.n, told.status], [1, { phase: 'Ready' }]);
  const owners = told.metadata.managedFields.map((e: Json) => [e.manager, e.subresource, e.fieldsV1]);
  assert.deepEqual(owners, [
    ['operator', 'status', { 'f:status': { 'f:phase': {} } }],
    ['user', undefined, { 'f:spec': { 'f:n': {} } }],
  ]);
  const contested = await call.expect(
    409,
    'PATCH',
    `${at}/status?fieldManager=other`,
    widget(group, 'a', { status: { phase: 'x' } }),
    applyPatch,
  );
  assert.match(contested.message, /conflict with "operator" with subresource "status": .status.phase/);
  const rules = await call.expect(422, 'PATCH', `${at}/status`, { status: { seen: 'x' } }, mergePatch);
  assert.match(rules.message, /status.seen: Invalid value: "string": status.seen in body/);
  const list = await call.expect(200, 'GET', widgets(group), undefined, {
    accept: 'application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
  });
  assert.ok(String(list).includes('PartialObjectMetadataList'));
});

test('what a resource embedded in a stored object has of the wrong type is dropped where it is shown', async () => {
  const group = 'embedded.example.com';
  const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const pod = { ...open, 'x-kubernetes-embedded-resource': true };
  const versions = [
    { schema: specOf({ pod, list: { type: 'array', items: pod } }) },
    { name: 'v2', storage: false, schema: object({ spec: open }) },
  ];
  await establish(call, definition(group, versions));
  const metadata = { name: { a: 1 }, labels: { a: 1 }, annotations: { b: 'c' }, odd: 1 };
  const spec = { pod: { apiVersion: 1, kind: 'Pod', metadata }, list: [{ kind: 'Pod', metadata: [1] }] };
  await call.expect(201, 'POST', widgets(group, 'v2'), widget(group, 'one', { spec }, 'v2'));
  const shown = { list: [{ kind: 'Pod' }], pod: { kind: 'Pod', metadata: { annotations: { b: 'c' } } } };
  const one = `${widgets(group)}/one`;
  assert.deepEqual((await call.expect(200, 'GET', one)).spec, shown);
  assert.deepEqual((await call.expect(200, 'GET', widgets(group))).items[0].spec, shown);
  // What a client sends is not mended.
  await call.expect(400, 'POST', widgets(group), widget(group, 'two', { spec }));
  await call.expect(200, 'DELETE', one);
});

test('a scale has whole numbers only, whatever another version let in', async () => {
  const group = 'whole.example.com';
  const any = object({ spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } });
  const scale = { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' };
  const versions = [
    { schema: any, more: { subresources: { scale } } },
    { name: 'v2', storage: false, schema: any },
  ];
  await establish(call, definition(group, versions));
  const wrong = (text: string) => `.spec.replicas accessor error: ${text}, expected int64`;
  for (const [name, replicas, said] of [
    ['a', 1.5, wrong('1.5 is of the type float64')],
    ['b', 'x', wrong('x is of the type string')],
    ['c', { a: 1 }, wrong('map[a:1] is of the type map[string]interface {}')],
    ['d', null, wrong('<nil> is of the type <nil>')],
    ['e', 1e100, wrong('1e+100 is of the type float64')],
  ] as const) {
    await call.expect(201, 'POST', widgets(group, 'v2'), widget(group, name, { spec: { replicas } }, 'v2'));
    for (const method of ['GET', 'PATCH'])
      assert.equal((await call.expect(500, method, `${widgets(group)}/${name}/scale`, {}, mergePatch)).message, said);
    const own = await call.expect(422, 'POST', widgets(group), widget(group, `${name}1`, { spec: { replicas } }));
    assert.match(own.message, /spec\.replicas: Invalid value: 0: \.spec\.replicas accessor error: /);
  }
  // Of more than Scale's 32 bits the lower ones are told.
  const many = { spec: { replicas: 2 ** 40 + 5 } };
  await call.expect(201, 'POST', widgets(group, 'v2'), widget(group, 'f', many, 'v2'));
  assert.equal((await call.expect(200, 'GET', `${widgets(group)}/f/scale`)).spec.replicas, 5);
});
