import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { memoryStore } from '../../store/memory-store.ts';
import { superuserOf, testApi } from '../test-api.ts';
import { type Json, mergePatch } from '../test-caller.ts';
import { startTestServer } from '../test-server.ts';
import {
  definition,
  definitions,
  establish,
  established,
  isTrue,
  objectSchema as object,
  widget,
  widgets,
} from './test-definition.ts';

const call = testApi();

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
  // Metadata goes with the status here; the rest does not.
  crd.metadata.labels = { from: 'status' };
  crd.spec.names.shortNames = ['none'];
  const updated = await call.expect(200, 'PUT', `${at}/status`, crd);
  assert.ok(isTrue(updated, 'StatusUpdate'));
  assert.deepEqual(updated.metadata.labels, { from: 'status' });
  assert.deepEqual(updated.spec.names.shortNames, ['wd']);
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
  assert.match(await refused(bare), /spec.versions\[0\].schema.openAPIV3Schema: Required value$/);
});

test('what all versions share is complained of once, as a part of the definition', async () => {
  const refused = async (crd: Json) => (await call.expect(422, 'POST', definitions, crd)).message;
  const wrong = { type: 'object', properties: { a: { type: 'zork' } } };
  const more = { additionalPrinterColumns: [{ name: 'A', type: 'foo', jsonPath: '.a' }] };
  const v2 = { name: 'v2', storage: false };
  const both = await refused(definition('wrong.example.com', [{ schema: wrong }, { ...v2, schema: wrong }]));
  assert.match(both, / is invalid: spec\.validation\.openAPIV3Schema\.properties\[a\]\.type: Unsupported value/);
  const apart = await refused(definition('wrong.example.com', [{ schema: wrong, more }, v2]));
  assert.match(apart, /\[spec\.versions\[0\]\.schema\.openAPIV3Schema\.properties\[a\]\.type: Unsupported/);
  const types = 'must be one of boolean,date,integer,number,string';
  assert.ok(apart.includes(`spec.versions[0].additionalPrinterColumns[0].type: Invalid value: "foo": ${types}`), apart);
  const one = await refused(definition('wrong.example.com', [{ more }]));
  assert.ok(one.includes(`is invalid: spec.additionalPrinterColumns[0].type: Invalid value: "foo": ${types}`), one);
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
  const late = await call.expect(403, 'POST', widgets(group), widget(group, 'late'));
  assert.equal(
    late.message,
    `widgets.${group} "late" is forbidden: create not allowed while custom resource definition is terminating`,
  );
  await call.expect(200, 'PATCH', `${widgets(group)}/held`, { metadata: { finalizers: null } }, mergePatch);
  const { object: last } = await watching.next(e => e.type === 'DELETED');
  const terminating = last.status.conditions.find((c: Json) => c.type === 'Terminating');
  assert.deepEqual([terminating.status, terminating.reason], ['False', 'InstanceDeletionCompleted']);
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
    `{"apiVersion":"${group}/v1","kind":"Widget","metadata":{"name":"p"},"__proto__":{"x":1},"constructor":1}`,
  );
  assert.deepEqual(Object.keys(odd), ['apiVersion', 'kind', 'metadata']);
});

test('another server on the same store serves what is there, and what comes', async () => {
  const group = 'shared.example.com';
  const store = memoryStore({ clock: systemClock });
  const first = await startTestServer({ store });
  const one = superuserOf(first);
  await establish(one, definition(group));
  await one.expect(201, 'POST', widgets(group), widget(group, 'a', { x: 1 }));
  const second = await startTestServer({ store });
  const two = superuserOf(second);
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

test('a definition without versions is invalid, also where it lies about those that are stored', async () => {
  await establish(call, definition('null.example.com'));
  const at = `${definitions}/widgets.null.example.com`;
  const patch = { spec: null, status: { storedVersions: null } };
  const { message } = await call.expect(422, 'PATCH', at, patch, mergePatch);
  assert.match(
    message,
    /status\.storedVersions\[0\]: Invalid value: "v1": missing from spec\.versions; v1 was previously/,
  );
});

test('a definition none of whose versions is served goes with its objects, and others get the names it held', async () => {
  const group = 'unserved.example.com';
  const crd = await establish(call, definition(group));
  await call.expect(201, 'POST', widgets(group), widget(group, 'one'));
  const names = { plural: 'gizmos', kind: 'Widget' };
  const rival = definition(group, [{}], { names });
  await call.expect(201, 'POST', definitions, { ...rival, metadata: { name: `gizmos.${group}` } });
  const at = `${definitions}/widgets.${group}`;
  const versions = crd.spec.versions.map((v: Json) => ({ ...v, served: false }));
  await call.expect(200, 'PATCH', at, { spec: { versions } }, mergePatch);
  while ((await call.send('GET', widgets(group))).code !== 404) await new Promise(setImmediate);
  const watching = await call.watch(`${definitions}?watch=1`);
  await call.expect(200, 'DELETE', at);
  await watching.next(e => e.type === 'DELETED' && e.object.metadata.name === crd.metadata.name);
  await watching.next(e => e.object.metadata.name === `gizmos.${group}` && isTrue(e.object, 'Established'));
  watching.stop();
  await call.expect(201, 'POST', definitions, definition(group, [{}], { names: { plural: 'widgets', kind: 'Thing' } }));
  await established(call, `widgets.${group}`);
  assert.deepEqual((await call.expect(200, 'GET', widgets(group))).items, []);
});
