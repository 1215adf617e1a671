// Patches of kind and apiVersion, and what the scale subresource of a custom kind leaves behind: recorded from
// k8s.io/apiextensions-apiserver 1.36.2.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { definition, establish, widget, widgets } from './custom/test-definition.ts';
import { testApi } from './test-api.ts';
import { jsonPatch, mergePatch, strategicPatch } from './test-caller.ts';

const api = testApi();
const group = 'patches.example.com';
const one = `${widgets(group)}/one`;
const map = '/api/v1/namespaces/default/configmaps/one';
before(async () => {
  const scale = { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' };
  await establish(api, definition(group, [{ more: { subresources: { status: {}, scale } } }]));
  await api.expect(201, 'POST', widgets(group), widget(group, 'one', { spec: { replicas: 1 } }));
  await api.expect(201, 'POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'one' } });
});

async function answers(
  code: number,
  message: RegExp,
  path: string,
  ...patches: readonly [object, Record<string, string>][]
) {
  for (const [patch, type] of patches) {
    const { code: got, object } = await api.send('PATCH', path, patch, type);
    assert.equal(got, code, `${path} ${JSON.stringify(patch)}: ${JSON.stringify(object)}`);
    if (code > 299) assert.match(object.message, message);
    else
      assert.deepEqual(
        [object.kind, object.apiVersion],
        path === map ? ['ConfigMap', 'v1'] : ['Widget', `${group}/v1`],
      );
  }
}

const put = (path: string, value: unknown) => [{ op: 'replace', path, value }];
const escaped = (text: string) => new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));

test('another kind for a custom resource', async () => {
  const kind = `Other.${group} "one" is invalid: kind: Invalid value: "Other": must be Widget`;
  await answers(422, escaped(kind), one, [{ kind: 'Other' }, mergePatch], [put('/kind', 'Other'), jsonPatch]);
  const version = `Widget.apps "one" is invalid: apiVersion: Invalid value: "apps/v1": must be ${group}/v1`;
  await answers(422, escaped(version), one, [{ apiVersion: 'apps/v1' }, mergePatch]);
  const both = `Other "one" is invalid: [kind: Invalid value: "Other": must be Widget, apiVersion: Invalid value: "v1": must be ${group}/v1]`;
  await answers(422, escaped(both), one, [{ kind: 'Other', apiVersion: 'v1' }, mergePatch]);
  const { object } = await api.send('PATCH', one, { kind: 'Other' }, mergePatch);
  const causes = [{ reason: 'FieldValueInvalid', message: 'Invalid value: "Other": must be Widget', field: 'kind' }];
  assert.deepEqual(object.details, { name: 'one', group, kind: 'Other', causes });
  await answers(
    422,
    /: Object 'Kind' is missing in '\{/,
    one,
    [{ kind: null }, mergePatch],
    [{ kind: '' }, mergePatch],
  );
  await answers(500, /: Object 'apiVersion' is missing in 'object has no apiVersion field'$/, one, [
    { apiVersion: null },
    mergePatch,
  ]);
  await answers(422, /Go struct field \.kind of type string$/, one, [{ kind: 5 }, mergePatch]);
  await answers(422, /unexpected GroupVersion string: a\/b\/c$/, one, [{ apiVersion: 'a/b/c' }, mergePatch]);
  await answers(400, /^the name of the object \(one based on URL\) was undeterminable: name must be provided$/, one, [
    { metadata: null },
    mergePatch,
  ]);
  await answers(200, /./, `${one}/status`, [{ kind: 'Other' }, mergePatch]);
});

test('another kind for a built-in resource', async () => {
  const none = (kind: string, version: string) =>
    escaped(`: no kind "${kind}" is registered for version "${version}" in scheme "pkg/runtime/scheme.go:111"`);
  await answers(422, none('Other', 'v1'), map, [{ kind: 'Other' }, mergePatch], [put('/kind', 'Other'), jsonPatch]);
  await answers(422, none('ConfigMap', 'apps/v1'), map, [{ apiVersion: 'apps/v1' }, mergePatch]);
  await answers(422, /Invalid value: "\{\\"apiVersion\\":\\"v1\\",\\"kind\\":\\"Other\\",\\"metadata\\":/, map, [
    { kind: 'Other' },
    mergePatch,
  ]);
  await answers(422, /: unknown conversion$/, map, [{ kind: 'Secret' }, mergePatch]);
  await answers(400, /undeterminable/, map, [{ apiVersion: null }, mergePatch]);
  await answers(200, /./, map, [{ kind: null }, mergePatch], [[{ op: 'remove', path: '/kind' }], jsonPatch]);
  await answers(
    200,
    /./,
    map,
    [{ kind: 'Other' }, strategicPatch],
    [{ apiVersion: 'apps/v1', kind: null }, strategicPatch],
  );
  await answers(422, /"map\[kind:5\]"/, map, [{ kind: 5 }, strategicPatch]);
  await answers(422, none('Scale', 'apps/v1'), `${one}/scale`, [{ apiVersion: 'apps/v1' }, mergePatch]);
});

test('a JSON patch adds, copies and moves no whole document', async () => {
  const adding = [{}, 5, null].map(value => ({ op: 'add', path: '', value }));
  for (const operation of [...adding, { op: 'copy', from: '', path: '/data' }, { op: 'move', from: '', path: '' }]) {
    const { object } = await api.send('PATCH', map, [operation], jsonPatch);
    assert.deepEqual(
      [object.code, object.message],
      [422, 'the server rejected our request due to an error in our request'],
    );
  }
});

test('a strategic patch of other types is told of as of a struct', async () => {
  const cases: [patch: object, shown: string, why: string][] = [
    [{ metadata: { generation: 'x' } }, 'metadata:map[generation:x]', 'unrecognized type: int64'],
    [{ metadata: { generation: 1.5 } }, 'metadata:map[generation:1.5]', 'cannot convert float64 to int64'],
    [{ metadata: { labels: { a: 1 } } }, 'metadata:map[labels:map[a:1]]', 'cannot convert int64 to string'],
    [{ metadata: { labels: { a: 1.5 } } }, 'metadata:map[labels:map[a:1.5]]', 'unrecognized type: string'],
    [{ metadata: { labels: [] } }, 'metadata:map[labels:[]]', 'cannot restore map from slice'],
    [{ metadata: { finalizers: 1.5 } }, 'metadata:map[finalizers:1.5]', 'cannot restore slice from float64'],
    [{ metadata: { ownerReferences: [1] } }, 'metadata:map[ownerReferences:[1]]', 'cannot restore struct from: int64'],
    [{ metadata: true }, 'metadata:true', 'cannot restore struct from: bool'],
    [{ immutable: 5 }, 'immutable:5', 'unrecognized type: bool'],
    [
      { metadata: { creationTimestamp: 5 } },
      'metadata:map[creationTimestamp:5]',
      'json: cannot unmarshal number into Go value of type string',
    ],
  ];
  for (const [patch, shown, why] of cases) {
    const { object } = await api.send('PATCH', map, patch, strategicPatch);
    assert.deepEqual([object.code, object.details.causes[0].message], [422, `Invalid value: "map[${shown}]": ${why}`]);
  }
});

test('who set the scale of a custom resource, at no time', async () => {
  const scale = (spec: object, metadata: object = {}) => ({ metadata: { name: 'one', ...metadata }, spec });
  await api.expect(200, 'PUT', `${one}/scale?fieldManager=a`, scale({ replicas: 2 }));
  const { metadata } = await api.expect(200, 'GET', one);
  assert.deepEqual(metadata.managedFields[0], {
    manager: 'a',
    operation: 'Update',
    apiVersion: `${group}/v1`,
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:spec': { 'f:replicas': {} } },
    subresource: 'scale',
  });
  const other = await api.expect(409, 'PUT', `${one}/scale`, scale({ replicas: 3 }, { uid: 'zz' }));
  const why = `StorageError: invalid object, Code: 4, Key: /registry/${group}/widgets/default/one, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: zz, UID in object meta: ${metadata.uid}`;
  assert.equal(other.message, `Operation cannot be fulfilled on widgets.${group} "one": ${why}`);
  await answers(400, /undeterminable/, `${one}/scale`, [{ metadata: null }, mergePatch]);
  await api.expect(200, 'PATCH', `${one}/scale`, { metadata: { uid: 'zz' } }, mergePatch);
});
