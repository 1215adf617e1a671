import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { memoryStore } from '../../store/memory-store.ts';
import { applyPatch, type Caller, caller, type Json, jsonPatch, mergePatch } from '../test-caller.ts';
import { startTestServer, type TestServer } from '../test-server.ts';
import { definition, definitions, establish, isTrue, widget, widgets } from './test-definition.ts';

let server: TestServer;
let call: Caller;

before(async () => {
  server = await startTestServer();
  call = caller({
    url: server.url,
    ca: server.ca,
    cert: server.admin.certificatePem,
    key: server.admin.keyPem,
  });
});
after(async () => {
  call.close();
  await server.stop();
});

const object = (properties: object, more: object = {}): Json => ({ type: 'object', properties, ...more });
const specOf = (properties: object, more: object = {}): Json => object({ spec: object(properties, more) });

test('[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition creating/deleting custom resource definition objects works', async () => {
  const crd = await establish(call, definition('simple.example.com'));
  assert.deepEqual(crd.spec.names.listKind, 'WidgetList');
  assert.deepEqual(crd.spec.names.singular, 'widget');
  assert.deepEqual(crd.spec.conversion, { strategy: 'None' });
  assert.deepEqual(crd.status.storedVersions, ['v1']);
  assert.deepEqual(crd.status.acceptedNames, crd.spec.names);
  assert.equal(crd.metadata.generation, 1);
  const watching = await call.watch(`${definitions}?watch=1`);
  await call.expect(200, 'DELETE', `${definitions}/widgets.simple.example.com`);
  await watching.next(e => e.type === 'DELETED' && e.object.metadata.name === 'widgets.simple.example.com');
  await call.expect(404, 'GET', widgets('simple.example.com'));
});

test('[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition listing custom resource definition objects works', async () => {
  for (const group of ['l1.example.com', 'l2.example.com']) {
    const crd = definition(group);
    crd.metadata.labels = { listed: 'yes' };
    await establish(call, crd);
  }
  const selected = `${definitions}?labelSelector=listed=yes`;
  assert.equal((await call.expect(200, 'GET', selected)).items.length, 2);
  const watching = await call.watch(`${selected}&watch=1`);
  await call.expect(200, 'DELETE', selected);
  await watching.next(e => e.type === 'DELETED');
  while ((await call.expect(200, 'GET', selected)).items.length) await watching.next(() => true);
});

test('[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition getting/updating/patching custom resource definition status sub-resource works', async () => {
  await establish(call, definition('status.example.com'));
  const at = `${definitions}/widgets.status.example.com`;
  const crd = await call.expect(200, 'GET', `${at}/status`);
  crd.status.conditions.push({ type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'Set from an e2e test' });
  crd.metadata.labels = { no: 'change' };
  const updated = await call.expect(200, 'PUT', `${at}/status`, crd);
  assert.ok(isTrue(updated, 'StatusUpdate'));
  assert.equal(updated.metadata.labels, undefined);
  const conditions = updated.status.conditions.map((c: Json) =>
    c.type === 'StatusUpdate' ? { ...c, status: 'False' } : c,
  );
  const patched = await call.expect(200, 'PATCH', `${at}/status`, { status: { conditions } }, mergePatch);
  assert.ok(!isTrue(patched, 'StatusUpdate'));
  assert.equal(patched.metadata.generation, 1);
});

test('definitions that break the rules are refused with Kubernetes’ words', async () => {
  const refused = async (crd: Json) => (await call.expect(422, 'POST', definitions, crd)).message;
  const misnamed = definition('wrong.example.com');
  misnamed.metadata.name = 'gadgets.wrong.example.com';
  assert.match(
    await refused(misnamed),
    /metadata.name: Invalid value: "gadgets.wrong.example.com": must be spec.names.plural\+"."\+spec.group/,
  );
  assert.match(
    await refused(definition('wrong')),
    /spec.group: Invalid value: "wrong": should be a domain with at least one dot/,
  );
  assert.match(
    await refused(definition('wrong.example.com', [{ storage: false }])),
    /must have exactly one version marked as storage version/,
  );
  assert.match(
    await refused(definition('wrong.example.com', [{}], { scope: 'Galaxy' })),
    /spec.scope: Unsupported value: "Galaxy": supported values: "Cluster", "Namespaced"/,
  );
  assert.match(
    await refused(definition('wrong.k8s.io')),
    /metadata.annotations\[api-approved.kubernetes.io\]: Required value: protected groups must have approval annotation/,
  );
  const bare = definition('wrong.example.com');
  delete bare.spec.versions[0].schema;
  assert.match(await refused(bare), /spec.versions\[0\].schema.openAPIV3Schema: Required value: schemas are required/);
});

test('scope, group and names of an established definition are immutable', async () => {
  const crd = await establish(call, definition('fixed.example.com'));
  const at = `${definitions}/widgets.fixed.example.com`;
  const { message } = await call.expect(422, 'PUT', at, { ...crd, spec: { ...crd.spec, scope: 'Cluster' } });
  assert.match(message, /spec.scope: Invalid value: "Cluster": field is immutable/);
});

test('names that another definition holds are not accepted', async () => {
  await establish(call, definition('names.example.com'));
  const rival = definition('names.example.com', [{}], {
    names: { plural: 'gizmos', kind: 'Widget', shortNames: ['gz'] },
  });
  rival.metadata.name = 'gizmos.names.example.com';
  const watching = await call.watch(`${definitions}?watch=1&fieldSelector=metadata.name=gizmos.names.example.com`);
  await call.expect(201, 'POST', definitions, rival);
  const { object: told } = await watching.next(e => e.object.status?.conditions?.length > 0);
  const condition = told.status.conditions.find((c: Json) => c.type === 'NamesAccepted');
  assert.deepEqual(
    [condition.status, condition.reason, condition.message],
    ['False', 'ListKindConflict', '"WidgetList" is already in use'],
  );
  assert.ok(!isTrue(told, 'Established'));
  await call.expect(404, 'GET', '/apis/names.example.com/v1/namespaces/default/gizmos');
  // The name becomes free.
  await call.expect(200, 'DELETE', `${definitions}/widgets.names.example.com`);
  await watching.next(e => isTrue(e.object, 'Established'));
  await call.expect(200, 'GET', '/apis/names.example.com/v1/namespaces/default/gizmos');
});

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
  const undeclared = await apply('one', { nope: 1 }, 400);
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
});

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

test('deleting a definition removes its objects, and waits for their finalizers', async () => {
  const group = 'gone.example.com';
  await establish(call, definition(group));
  const held = widget(group, 'held');
  held.metadata.finalizers = ['example.com/hold'];
  await call.expect(201, 'POST', widgets(group), held);
  await call.expect(201, 'POST', widgets(group), widget(group, 'free'));
  const objects = await call.watch(`${widgets(group)}?watch=1`);
  const watching = await call.watch(`${definitions}?watch=1&fieldSelector=metadata.name=widgets.${group}`);
  const marked = await call.expect(200, 'DELETE', `${definitions}/widgets.${group}`);
  assert.deepEqual(marked.metadata.finalizers, ['customresourcecleanup.apiextensions.k8s.io']);
  assert.ok(isTrue(marked, 'Terminating'));
  await objects.next(e => e.type === 'DELETED' && e.object.metadata.name === 'free');
  await watching.next(e => e.object.status.conditions.some((c: Json) => c.reason === 'InstanceDeletionInProgress'));
  await call.expect(405, 'POST', widgets(group), widget(group, 'late'));
  await call.expect(200, 'PATCH', `${widgets(group)}/held`, { metadata: { finalizers: null } }, mergePatch);
  await watching.next(e => e.type === 'DELETED');
  await call.expect(404, 'GET', widgets(group));
  await objects.ended;
});

test('objects of a definition that is made again start anew', async () => {
  const group = 'again.example.com';
  await establish(call, definition(group));
  await call.expect(201, 'POST', widgets(group), widget(group, 'a'));
  const watching = await call.watch(`${definitions}?watch=1&fieldSelector=metadata.name=widgets.${group}`);
  await call.expect(200, 'DELETE', `${definitions}/widgets.${group}`);
  await watching.next(e => e.type === 'DELETED');
  await establish(call, definition(group));
  assert.deepEqual((await call.expect(200, 'GET', widgets(group))).items, []);
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
  assert.match(bad.message, /spec: Invalid value: "object": min must not exceed max/);
  await call.expect(201, 'POST', widgets(group), widget(group, 'a', { spec: { min: 1, max: 1, name: 'x' } }));
  const fixed = await call.expect(422, 'PATCH', `${widgets(group)}/a`, { spec: { name: 'y' } }, mergePatch);
  assert.match(fixed.message, /spec.name: Invalid value: "string": name is immutable/);
  const invalid = await call.expect(422, 'POST', widgets(group), widget(group, 'b', { spec: { min: 'x' } }));
  assert.match(invalid.message, /some validation rules were not checked because the object was invalid/);
  const wrong = definition('cel2.example.com', [
    { schema: specOf({}, { 'x-kubernetes-validations': [{ rule: 'self.nope' }] }) },
  ]);
  const refused = await call.expect(422, 'POST', definitions, wrong);
  assert.match(refused.message, /x-kubernetes-validations\[0\].rule: Invalid value: .*undefined field 'nope'/s);
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

test('hostile definitions and objects are answered, not suffered', async () => {
  const group = 'hostile.example.com';
  const refuse = (schema: object, code: number) =>
    call.expect(code, 'POST', definitions, definition(group, [{ schema }]));
  const list = (items: object) => object({ a: { type: 'array', items } });
  assert.match(
    (await refuse(list({ type: 5 }), 400)).message,
    /cannot unmarshal number into Go struct field JSONSchemaProps\.\S*items\.type of type string/,
  );
  assert.match(
    (await refuse(object({ a: { type: 'string', pattern: '(' } }), 422)).message,
    /must be a valid regular expression, but isn't/,
  );
  assert.match(
    (await refuse(object({ a: { type: 'string', pattern: '(?=x)' } }), 422)).message,
    /must be a valid regular expression/,
  );
  await refuse(object({ a: { type: 'integer', enum: 5 } }), 400);
  await establish(call, definition(group, [{ schema: object({ a: { type: 'string', pattern: '^(a+)+$' } }) }]));
  const startMs = performance.now();
  await call.expect(422, 'POST', widgets(group), widget(group, 'a', { a: `${'a'.repeat(5000)}!` }));
  assert.ok(performance.now() - startMs < 1000, 'no backtracking');
  await call.expect(400, 'POST', widgets(group), '[]');
  await call.expect(400, 'POST', widgets(group), '{"metadata":5}');
  await call.expect(422, 'POST', widgets(group), { ...widget(group, 'a'), a: null, metadata: null });
  const odd = await call.expect(
    201,
    'POST',
    widgets(group),
    `{"metadata":{"name":"p"},"__proto__":{"x":1},"constructor":1}`,
  );
  assert.deepEqual(Object.keys(odd), ['apiVersion', 'kind', 'metadata']);
});

test('another server on the same store serves what is there, and what comes', async () => {
  const group = 'shared.example.com';
  const store = memoryStore({ clock: systemClock });
  const first = await startTestServer({ store });
  const as = (s: TestServer) => caller({ url: s.url, ca: s.ca, cert: s.admin.certificatePem, key: s.admin.keyPem });
  const one = as(first);
  await establish(one, definition(group));
  await one.expect(201, 'POST', widgets(group), widget(group, 'a', { x: 1 }));
  const second = await startTestServer({ store });
  const two = as(second);
  try {
    assert.equal((await two.expect(200, 'GET', `${widgets(group)}/a`)).x, 1);
    const watching = await two.watch(`${widgets(group)}?watch=1`);
    await one.expect(201, 'POST', widgets(group), widget(group, 'b'));
    await watching.next(e => e.object.metadata.name === 'b');
  } finally {
    one.close();
    two.close();
    await second.stop();
    await first.stop();
  }
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
    /^Widget.update.example.com "a" is invalid: metadata.resourceVersion: Invalid value: .*must be specified for an update$/,
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
  assert.match(rules.message, /status.seen: Invalid value: "string"/);
  const list = await call.expect(200, 'GET', widgets(group), undefined, {
    accept: 'application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
  });
  assert.ok(String(list).includes('PartialObjectMetadataList'));
});
