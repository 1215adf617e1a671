// What the generic API server of Kubernetes 1.36.2 answers to requests it refuses, letter for letter: recorded from
// k8s.io/sample-apiserver, which is made of it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { applyPatch, type Caller, caller, type Json, jsonPatch, mergePatch, strategicPatch } from './test-caller.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
const one = `${leases}/one`;
const lease = (metadata: object = {}, spec: object = {}) => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'one', ...metadata },
  spec,
});

let server: TestServer;
let api: Caller;
let uid: string;
before(async () => {
  server = await startTestServer();
  api = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
  uid = (await api.expect(201, 'POST', leases, lease())).metadata.uid;
});
after(async () => {
  api.close();
  await server.stop();
});

type Case = readonly [code: number, message: string, method: string, path: string, body?: unknown, headers?: object];

async function refused(cases: readonly Case[]): Promise<void> {
  for (const [code, message, method, path, body, headers] of cases) {
    const { code: got, object } = await api.send(method, path, body, headers as Record<string, string>);
    const told = String(object.message).replaceAll(uid, 'UID');
    assert.deepEqual([got, told], [code, message], `${method} ${path} ${JSON.stringify(body)}`);
  }
}

test('parameters of lists and watches', async () => {
  const options = 'ListOptions.meta.k8s.io "" is invalid:';
  const match = `${options} resourceVersionMatch:`;
  await refused([
    [400, 'strconv.ParseInt: parsing "x": invalid syntax', 'GET', `${leases}?limit=x`],
    [
      400,
      'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax',
      'GET',
      `${leases}?resourceVersion=abc`,
    ],
    [
      422,
      `${match} Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided`,
      'GET',
      `${leases}?resourceVersionMatch=Exact`,
    ],
    [
      422,
      `${match} Unsupported value: "Foo": supported values: "Exact", "NotOlderThan", ""`,
      'GET',
      `${leases}?resourceVersion=1&resourceVersionMatch=Foo`,
    ],
    [
      422,
      `${options} sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list`,
      'GET',
      `${leases}?sendInitialEvents=true`,
    ],
    [
      500,
      'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax',
      'GET',
      `${leases}?watch=1&resourceVersion=abc`,
    ],
    [
      500,
      'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax',
      'GET',
      `${one}?resourceVersion=abc`,
    ],
  ]);
  assert.equal((await api.expect(200, 'GET', `${leases}?limit=-1`)).items.length, 1);
  const far = await api.expect(504, 'GET', `${one}?resourceVersion=99999999`);
  assert.match(far.message, /^Timeout: Too large resource version: 99999999, current: \d+$/);
});

test('without a namespace, namespaced objects are listed and nothing else', async () => {
  const all = '/apis/coordination.k8s.io/v1/leases';
  const method = 'the server does not allow this method on the requested resource';
  const path = 'the server could not find the requested resource';
  await refused([
    [405, method, 'POST', all, lease({ name: 'two' })],
    [405, method, 'DELETE', all],
    [404, path, 'GET', `${all}/one`],
    [404, path, 'DELETE', `${all}/one`],
    [404, path, 'PUT', `${all}/one`, lease()],
  ]);
  assert.equal((await api.send('HEAD', one)).code, 405);
  assert.equal((await api.expect(200, 'GET', all)).items.length, 1);
});

test('whose uid and which version an update means', async () => {
  const mismatch = (given: string) =>
    `Operation cannot be fulfilled on leases.coordination.k8s.io "one": StorageError: invalid object, Code: 4, Key: /registry/leases/default/one, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${given}, UID in object meta: UID`;
  const immutable = (field: string, value: string) =>
    `Lease.coordination.k8s.io "one" is invalid: metadata.${field}: Invalid value: "${value}": field is immutable`;
  await refused([
    [409, mismatch('zz'), 'PUT', one, lease({ uid: 'zz' })],
    [422, immutable('uid', 'zz'), 'PATCH', one, { metadata: { uid: 'zz' } }, mergePatch],
    [
      422,
      immutable('deletionTimestamp', '2020-01-01T00:00:00Z'),
      'PATCH',
      one,
      { metadata: { deletionTimestamp: '2020-01-01T00:00:00Z' } },
      mergePatch,
    ],
    [
      422,
      'leases.coordination.k8s.io "one" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update',
      'PUT',
      one,
      lease({ resourceVersion: '0' }),
    ],
    [
      500,
      'strconv.ParseUint: parsing "abc": invalid syntax',
      'PATCH',
      one,
      { metadata: { resourceVersion: 'abc' } },
      mergePatch,
    ],
    [
      500,
      'resourceVersion should not be set on objects to be created',
      'POST',
      leases,
      lease({ name: 'two', resourceVersion: '5' }),
    ],
    [
      409,
      'Operation cannot be fulfilled on leases.coordination.k8s.io "two": uid mismatch: the provided object specified uid u, and no existing object was found',
      'PATCH',
      `${leases}/two?fieldManager=m`,
      lease({ name: 'two', uid: 'u' }),
      applyPatch,
    ],
    [
      409,
      'Operation cannot be fulfilled on Lease.coordination.k8s.io "one": the UID in the precondition (zz) does not match the UID in record (UID). The object might have been deleted and then recreated',
      'DELETE',
      one,
      { preconditions: { uid: 'zz' } },
    ],
  ]);
  await api.expect(
    201,
    'PATCH',
    `${leases}/three?fieldManager=m`,
    lease({ name: 'three', resourceVersion: '3' }),
    applyPatch,
  );
});

test('names longer than the store takes, of kinds whose names have no limit', async () => {
  const event = (name: string) => ({
    metadata: { name },
    involvedObject: { namespace: 'default', kind: 'Pod', name: 'p' },
  });
  const path = '/api/v1/namespaces/default/events';
  const name = 'x'.repeat(2048 - '/registry/events/default/'.length);
  assert.equal((await api.send('POST', path, event(name))).code, 201);
  const { code, object } = await api.send('POST', path, event(`${name}x`));
  assert.equal(code, 422);
  const message = `Event "${name}x" is invalid: metadata.name: Too long: may not be more than ${name.length} bytes`;
  assert.equal(object.message, message);
});

test('patches that are none', async () => {
  await refused([
    [400, 'error decoding patch: unexpected end of JSON input', 'PATCH', one, '{', mergePatch],
    [400, 'unexpected end of JSON input', 'PATCH', one, '{', strategicPatch],
    [400, 'Invalid JSON Patch', 'PATCH', one, 'null', mergePatch],
    [
      400,
      'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp',
      'PATCH',
      one,
      {},
      jsonPatch,
    ],
    [400, 'invalid object type: /, Kind=', 'PATCH', `${one}?fieldManager=m`, {}, applyPatch],
    [
      400,
      'invalid object type: coordination.k8s.io/v7, Kind=Lease',
      'PATCH',
      `${one}?fieldManager=m`,
      { ...lease(), apiVersion: 'coordination.k8s.io/v7' },
      applyPatch,
    ],
    [
      400,
      'invalid object type: /, Kind=',
      'PATCH',
      `${one}?fieldManager=m`,
      { apiVersion: { toString: null }, kind: [{ toString: null }] },
      applyPatch,
    ],
    [
      500,
      `failed to create typed patch object (/; coordination.k8s.io/v1, Kind=Lease): errors:
  .metadata.name: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"toString":interface {}(nil)}}
  .metadata.namespace: expected string, got &value.valueUnstructured{Value:1}
  .spec.nonsense: field not declared in schema`,
      'PATCH',
      `${one}?fieldManager=m`,
      { ...lease({}, { nonsense: 1 }), metadata: { name: { toString: null }, namespace: 1 } },
      applyPatch,
    ],
    [415, '415: Unsupported Media Type', 'PATCH', one, {}, { 'content-type': 'application/json' }],
    [415, '415: Unsupported Media Type', 'PATCH', one, {}, { 'content-type': 'constructor' }],
  ]);
  assert.equal((await api.expect(200, 'PATCH', one, 'null', jsonPatch)).metadata.name, 'one');
});

test('options of writes', async () => {
  const options = 'CreateOptions.meta.k8s.io "" is invalid:';
  const post = (query: string, why: string): Case => [422, `${options} ${why}`, 'POST', `${leases}?${query}`, lease()];
  await refused([
    post(
      'fieldValidation=Bad',
      'fieldValidation: Unsupported value: "Bad": supported values: "", "Ignore", "Strict", "Warn"',
    ),
    post('dryRun=Foo', 'dryRun: Unsupported value: ["Foo"]: supported values: "All"'),
    post('fieldManager=%01', 'fieldManager: Invalid value: "\\x01": invalid character U+0001 (at position 0)'),
  ]);
});

test('forms that are not to be had', async () => {
  const types = 'application/json, application/yaml, application/vnd.kubernetes.protobuf';
  const partial = (as: string) => ({ accept: `application/json;as=${as};g=meta.k8s.io;v=v1` });
  const streams = 'application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch';
  await refused([
    [406, `406: Not Acceptable\n\nAvailable representations: ${types}`, 'GET', one, undefined, { accept: 'a/b' }],
    [
      406,
      `406: Not Acceptable\n\nAvailable representations: ${types}, ${streams}`,
      'GET',
      leases,
      undefined,
      { accept: 'a/b' },
    ],
    [
      406,
      'you requested PartialObjectMetadataList, but the requested object is not a list (*coordination.Lease)',
      'GET',
      one,
      undefined,
      partial('PartialObjectMetadataList'),
    ],
    [
      406,
      'you requested PartialObjectMetadata, but the requested object is a list (*coordination.LeaseList)',
      'GET',
      leases,
      undefined,
      partial('PartialObjectMetadata'),
    ],
  ]);
});

test('YAML has its keys in order, and quotes what older readers take for something else', async () => {
  const { object } = (await api.send('GET', one, undefined, { accept: 'application/yaml' })) as { object: Json };
  const keys = [...String(object).matchAll(/^(\w+):/gm)].map(m => m[1]);
  assert.deepEqual(keys, ['apiVersion', 'kind', 'metadata', 'spec']);
  assert.match(object, /\n {2}creationTimestamp: "\d{4}-/);
});
