// What OpenAPI tells of custom resources, beside what k8s.io/apiextensions-apiserver 1.36.2 does: all but descriptions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { definition, establish, specSchema } from '../custom/test-definition.ts';
import type { Json } from '../test-caller.ts';
import { fileServer } from '../test-file-server.ts';

const group = 'oa.example.com';
const scale = { specReplicasPath: '.spec.n', statusReplicasPath: '.status.n' };
const names = { plural: 'widgets', kind: 'Widget', listKind: 'WidgetBag' };
const schema = specSchema({ n: { type: 'integer' }, d: { type: 'string', default: 'x' } });
const on = fileServer(api =>
  establish(api, definition(group, [{ schema, more: { subresources: { status: {}, scale } } }], { names })),
);
const base = `/apis/${group}/v1`;
const collection = `${base}/namespaces/{namespace}/widgets`;
const forms = ['application/json', 'application/yaml'];
const ofGroup = (paths: object) => Object.keys(paths).filter(path => path.startsWith(base));
const query = (operation: Json) =>
  (operation.parameters ?? []).filter((p: Json) => p.in === 'query').map((p: Json) => p.name);
const lists = ['allowWatchBookmarks', 'continue', 'fieldSelector', 'labelSelector', 'limit', 'resourceVersion'];
const all = [...lists, 'resourceVersionMatch', 'sendInitialEvents', 'shardSelector', 'timeoutSeconds', 'watch'];
const paths = [
  `${base}/widgets`,
  collection,
  ...['', '/status', '/scale'].map(sub => `${collection}/{name}${sub}`),
].sort();

test('version 2', async () => {
  const document = await on.api.expect(200, 'GET', '/openapi/v2');
  assert.deepEqual(ofGroup(document.paths).sort(), paths);
  for (const path of paths)
    for (const [method, operation] of Object.entries<Json>(document.paths[path])) {
      if (method === 'parameters') continue;
      assert.deepEqual(operation.produces, forms, `${method} ${path}`);
      assert.deepEqual(operation['x-kubernetes-group-version-kind'], { group, kind: 'Widget', version: 'v1' });
      if (method !== 'patch') assert.deepEqual(operation.consumes, forms, `${method} ${path}`);
    }
  const { get, delete: deleting } = document.paths[collection];
  assert.deepEqual([query(get).sort(), query(deleting).sort()], [all, all]);
  assert.deepEqual(deleting.parameters.length, all.length);
  assert.deepEqual(get.responses[200].schema, { $ref: '#/definitions/com.example.oa.v1.WidgetBag' });
  for (const sub of ['', '/status', '/scale']) {
    const { get: reading, patch } = document.paths[`${collection}/{name}${sub}`];
    assert.deepEqual(query(reading), ['resourceVersion']);
    assert.deepEqual(Object.keys(patch.responses), ['200', '401']);
    assert.deepEqual(patch.consumes, [
      'application/json-patch+json',
      'application/merge-patch+json',
      'application/apply-patch+yaml',
    ]);
  }
  assert.deepEqual(document.definitions['com.example.oa.v1.Widget'].properties.spec.properties.d, {
    type: 'string',
    default: 'x',
  });
  assert.equal(
    document.definitions['com.example.oa.v1.WidgetBag']['x-kubernetes-group-version-kind'][0].kind,
    'WidgetBag',
  );
  // Of built-in resources all is as it was.
  const pods = document.paths['/api/v1/namespaces/{namespace}/pods'];
  assert.deepEqual([pods.get.consumes, pods.get.produces.length], [['*/*'], 5]);
  assert.ok(document.paths['/api/v1/watch/pods']);
});

test('version 3', async () => {
  const document = await on.api.expect(200, 'GET', `/openapi/v3/apis/${group}/v1`);
  assert.deepEqual(ofGroup(document.paths).sort(), paths);
  const { get, post, delete: deleting } = document.paths[collection];
  assert.deepEqual(Object.keys(get.responses[200].content), forms);
  assert.deepEqual(Object.keys(post.requestBody.content), forms);
  assert.equal(deleting.requestBody, undefined);
  assert.deepEqual(Object.keys(document.paths[`${collection}/{name}`].delete.requestBody.content), forms);
  assert.equal(document.components.schemas['com.example.oa.v1.Widget'].properties.spec.properties.d.default, 'x');
  const builtin = await on.api.expect(200, 'GET', '/openapi/v3/apis/apps/v1');
  assert.ok(builtin.paths['/apis/apps/v1/']);
});
