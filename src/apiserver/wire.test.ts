// What goes over the wire, byte by byte: which form an answer takes, and every verb's body in every form.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { normalize } from '../api/decode.ts';
import type { KubeObject } from '../api/meta.ts';
import { decodeProtobuf, encodeProtobuf } from '../api/protobuf.ts';
import { ask, open } from './test-request.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
const namespace = '/api/v1/namespaces/default';
const maps = `${namespace}/configmaps`;
const protobuf = 'application/vnd.kubernetes.protobuf';
const yaml = 'application/yaml';
const json = 'application/json';
const core = 'io.k8s.api.core.v1.';
const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.';

before(async () => {
  server = await startTestServer();
  await send('POST', maps, { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'one' }, data: { a: '1' } });
});
after(() => server.stop());

/** An object as the body of each form. */
const bodies: [type: string, write: (typeName: string, object: object) => Uint8Array | string][] = [
  [json, (_, object) => JSON.stringify(object)],
  [yaml, (_, object) => stringify(object)],
  [protobuf, (typeName, object) => encodeProtobuf(typeName, normalize(typeName, object) as KubeObject)],
];

async function send(method: string, path: string, body: unknown, type = json, accept = json) {
  const raw = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  const headers = { 'content-type': type, accept, 'content-length': String(Buffer.byteLength(raw)) };
  const { code, headers: got, body: answer } = await ask(server, path, { method, headers, raw });
  const text = answer.toString();
  return { code, type: got['content-type'], text, object: got['content-type'] === json ? JSON.parse(text) : undefined };
}

const get = (path: string, accept: string) => ask(server, path, { headers: { accept } });

test('the best that both know is sent: quality before order, a quality of nothing last', async () => {
  const types: [accept: string, type: string | number][] = [
    [`${yaml};q=0.5, ${json};q=0.9`, json],
    [`${json};q=0.1,${yaml}`, yaml],
    [`${protobuf},${json}`, protobuf],
    [`text/html, ${yaml};q=0.2`, yaml],
    // As apiextensions-apiserver's router: a part of a type is none.
    ['text/html, application/*;q=0.1', 406],
    ['text/html, */*;q=0.1', json],
    [`${json};stream=watch`, json],
    ['*/*', json],
    [`${json};as=Nothing;v=v1;g=meta.k8s.io,${yaml}`, yaml],
    [`${json};as=Table;v=v2;g=meta.k8s.io`, 406],
    ['text/html', 406],
    [`${json};q=0`, json],
    [`${json};q=0,${yaml};q=0.1`, yaml],
  ];
  for (const [accept, expected] of types) {
    const { code, headers } = await get(`${maps}/one`, accept);
    assert.equal(code === 200 ? headers['content-type'] : code, expected, accept);
  }
  const refused = JSON.parse((await get(maps, 'text/html')).body.toString());
  assert.equal(refused.reason, 'NotAcceptable');
  assert.match(
    refused.message,
    /^406: Not Acceptable\n\nAvailable representations: application\/json, application\/yaml,/,
  );
});

test('a watch in JSON by either name, with bookmarks', async () => {
  const check = async (accept: string) => {
    const watch = await get(`${maps}?watch=1&allowWatchBookmarks=1&timeoutSeconds=1`, accept);
    assert.equal(watch.headers['content-type'], json, accept);
    const lines = watch.body.toString().trim().split('\n');
    const events = lines.map(line => JSON.parse(line));
    const last = events.at(-1);
    assert.deepEqual([events[0].type, last.type, last.object.kind], ['ADDED', 'BOOKMARK', 'ConfigMap']);
  };
  await Promise.all([json, `${json};stream=watch`, `${protobuf};q=0.5,${json};stream=watch`].map(check));
  const { code } = await get(`${maps}?watch=1`, yaml);
  assert.equal(code, 406);
});

test('metadata alone: of one, of all, of a watch, in JSON and protobuf, also of custom kinds', async () => {
  const as = (kind: string) => `as=${kind};v=v1;g=meta.k8s.io`;
  const one = JSON.parse((await get(`${maps}/one`, `${json};${as('PartialObjectMetadata')}`)).body.toString());
  assert.deepEqual(
    [one.kind, one.apiVersion, one.metadata.name, one.data],
    ['PartialObjectMetadata', 'meta.k8s.io/v1', 'one', undefined],
  );
  const all = JSON.parse((await get(maps, `${json};${as('PartialObjectMetadataList')}`)).body.toString());
  assert.deepEqual(
    [all.kind, all.items[0].kind, typeof all.metadata.resourceVersion],
    ['PartialObjectMetadataList', 'PartialObjectMetadata', 'string'],
  );
  const proto = await get(`${maps}/one`, `${protobuf};${as('PartialObjectMetadata')}`);
  assert.equal(proto.headers['content-type'], protobuf);
  assert.deepEqual(decodeProtobuf(proto.body, `${meta}PartialObjectMetadata`).object, one);
  const watched = await get(
    `${maps}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Done`,
    `${json};${as('PartialObjectMetadata')}`,
  );
  const [event] = watched.body
    .toString()
    .split('\n')
    .map(line => line && JSON.parse(line));
  assert.deepEqual(
    [event.type, event.object.kind, event.object.metadata.name],
    ['ADDED', 'PartialObjectMetadata', 'one'],
  );
  const frames = await get(
    `${maps}?watch=1&timeoutSeconds=1&allowWatchBookmarks=1`,
    `${protobuf};${as('PartialObjectMetadata')}`,
  );
  assert.equal(frames.headers['content-type'], `${protobuf};stream=watch`);
  const kinds: string[] = [];
  for (let at = 0; at < frames.body.length; at += 4 + frames.body.readUInt32BE(at)) {
    const frame = frames.body.subarray(at + 4, at + 4 + frames.body.readUInt32BE(at));
    const { typeMeta } = decodeProtobuf(frame.subarray(frame.indexOf('k8s\0')), `${meta}PartialObjectMetadata`);
    kinds.push(`${frame.subarray(2, 2 + frame[1]!)} ${typeMeta.kind}`);
  }
  assert.ok(kinds.length > 1);
  assert.equal(kinds.at(-1), 'BOOKMARK PartialObjectMetadata');
  assert.equal(kinds[0], 'ADDED PartialObjectMetadata');
});

test('items of a list leave kind and apiVersion to the list', async () => {
  await send('POST', maps, { metadata: { name: 'two' } });
  const { items, kind, apiVersion } = JSON.parse((await get(maps, json)).body.toString());
  assert.deepEqual([kind, apiVersion], ['ConfigMapList', 'v1']);
  const mine = items.filter((i: KubeObject) => ['one', 'two'].includes(i.metadata.name));
  assert.deepEqual(
    mine.map((i: KubeObject) => [i.metadata.name, i.kind, i.apiVersion]),
    [
      ['one', undefined, undefined],
      ['two', undefined, undefined],
    ],
  );
  assert.deepEqual(mine[0].data, { a: '1' });
  const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
  assert.deepEqual(JSON.parse((await get(leases, json)).body.toString()).items, []);
});

test('create, update and delete with bodies of every form, answers in every form', async () => {
  for (const [type, write] of bodies)
    for (const [accept] of bodies) {
      const name = `m-${type.length}-${accept.length}`;
      const map = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name }, data: { k: 'ü' } };
      const made = await send('POST', maps, write(`${core}ConfigMap`, map), type, accept);
      assert.deepEqual([made.code, made.type], [201, accept], made.text);
      const changed = { ...map, data: { k: '2' } };
      const put = await send('PUT', `${maps}/${name}`, write(`${core}ConfigMap`, changed), type, accept);
      assert.deepEqual([put.code, put.type], [200, accept], put.text);
      const options = (uid: string) => ({ kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid } });
      const kept = await send('DELETE', `${maps}/${name}`, write(`${meta}DeleteOptions`, options('0')), type, accept);
      assert.deepEqual([kept.code, kept.type], [409, accept], kept.text);
      const { metadata } = JSON.parse((await get(`${maps}/${name}`, json)).body.toString());
      const gone = await send(
        'DELETE',
        `${maps}/${name}`,
        write(`${meta}DeleteOptions`, options(metadata.uid)),
        type,
        accept,
      );
      assert.deepEqual([gone.code, gone.type], [200, accept], gone.text);
    }
});

test('options of a delete are of their types', async () => {
  const { code, text } = await send('DELETE', `${maps}/one`, 'preconditions: { uid: no }', yaml);
  assert.equal(code, 400);
  assert.match(text, /json: cannot unmarshal bool into Go struct field Preconditions.preconditions.uid of type/);
});

test('subresources take bodies of every form', async () => {
  await send('POST', `${namespace}/serviceaccounts`, { metadata: { name: 'default' } });
  await send('POST', '/apis/apps/v1/namespaces/default/deployments', {
    metadata: { name: 'd' },
    spec: {
      replicas: 0,
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  });
  await send('POST', '/api/v1/nodes', { metadata: { name: 'node-1' } });
  for (const [i, [type, write]] of bodies.entries()) {
    const pod = `${namespace}/pods/p${i}`;
    await send('POST', `${namespace}/pods`, {
      metadata: { name: `p${i}` },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    });
    const binding = {
      kind: 'Binding',
      apiVersion: 'v1',
      metadata: { name: `p${i}` },
      target: { kind: 'Node', name: 'node-1' },
    };
    const bound = await send('POST', `${pod}/binding`, write(`${core}Binding`, binding), type);
    assert.equal(bound.code, 201, `${type}: ${bound.text}`);
    assert.equal(JSON.parse((await get(pod, json)).body.toString()).spec.nodeName, 'node-1');
    const eviction = {
      kind: 'Eviction',
      apiVersion: 'policy/v1',
      metadata: { name: `p${i}` },
      deleteOptions: { gracePeriodSeconds: 0 },
    };
    const evicted = await send('POST', `${pod}/eviction`, write('io.k8s.api.policy.v1.Eviction', eviction), type);
    assert.equal(evicted.code, 201, `${type}: ${evicted.text}`);
    assert.equal((await get(pod, json)).code, 404);
    const scale = { kind: 'Scale', apiVersion: 'autoscaling/v1', metadata: { name: 'd' }, spec: { replicas: i + 1 } };
    const scaled = await send(
      'PUT',
      '/apis/apps/v1/namespaces/default/deployments/d/scale',
      write('io.k8s.api.autoscaling.v1.Scale', scale),
      type,
    );
    assert.deepEqual([scaled.code, scaled.object.spec.replicas], [200, i + 1], `${type}: ${scaled.text}`);
    const asked = {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      spec: { audiences: ['a'], expirationSeconds: 600 },
    };
    const token = await send(
      'POST',
      `${namespace}/serviceaccounts/default/token`,
      write('io.k8s.api.authentication.v1.TokenRequest', asked),
      type,
      type,
    );
    assert.deepEqual([token.code, token.type], [201, type], token.text);
    const status = { kind: 'Namespace', apiVersion: 'v1', metadata: { name: 'default' }, status: { phase: 'Active' } };
    const put = await send('PUT', '/api/v1/namespaces/default/status', write(`${core}Namespace`, status), type);
    assert.equal(put.code, 200, put.text);
  }
});

test('bodies of no known form are 415, patches too', async () => {
  for (const [method, path, type] of [
    ['POST', maps, 'text/plain'],
    ['PUT', `${maps}/one`, 'application/xml'],
    ['DELETE', `${maps}/one`, 'text/plain'],
    ['PATCH', `${maps}/one`, json],
    ['PATCH', `${maps}/one`, protobuf],
  ] as const) {
    const { code, object } = await send(method, path, '{}', type);
    assert.deepEqual([code, object.reason], [415, 'UnsupportedMediaType'], `${method} ${type}`);
    const said = method === 'PATCH' ? /^415: Unsupported Media Type$/ : /accepted media types include: application\//;
    assert.match(object.message, said);
  }
});

test('patches under strict validation: what they say twice and what does not exist is invalid', async () => {
  const at = `${maps}/one?fieldValidation=`;
  const twice = '{"data":{"a":"1","a":"2"},"spex":{"b":1}}';
  const strategic = await send('PATCH', `${at}Strict`, twice, 'application/strategic-merge-patch+json');
  assert.equal(strategic.code, 422);
  assert.equal(
    strategic.object.message,
    ' "" is invalid: patch: Invalid value: "map[data:map[a:2] spex:map[b:1]]": strict decoding error: duplicate field "data.a", unknown field "spex"',
  );
  assert.deepEqual([strategic.object.reason, strategic.object.details.causes[0].field], ['Invalid', 'patch']);
  const merge = await send('PATCH', `${at}Strict`, twice, 'application/merge-patch+json');
  assert.equal(merge.code, 422);
  assert.match(
    merge.object.message,
    /^ "" is invalid: patch: Invalid value: "\{.*\}": strict decoding error: duplicate field "data.a", unknown field "spex"$/,
  );
  const add = [{ op: 'add', path: '/spex', value: 1 }];
  const jsonPatch = await send('PATCH', `${at}Strict`, add, 'application/json-patch+json');
  assert.match(jsonPatch.object.message, /strict decoding error: unknown field "spex"$/);
  const unfit = await send('PATCH', `${maps}/one`, { data: [] }, 'application/merge-patch+json');
  assert.deepEqual([unfit.code, unfit.object.reason], [422, 'Invalid']);
  assert.match(unfit.object.message, /^ "" is invalid: patch: Invalid value: "\{.*\}": json: cannot unmarshal array/);
  const { code, headers } = await ask(server, `${at}Warn`, {
    method: 'PATCH',
    raw: twice,
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  assert.equal(code, 200);
  assert.match(String(headers.warning), /299 - "duplicate field \\"data.a\\"".*299 - "unknown field \\"spex\\""/);
});

test('an object in YAML that says fields twice', async () => {
  const raw =
    'kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: yam\n  name: yam\nspex: 1\ndata:\n  a: "1"\n  a: "2"\n';
  const headers = { 'content-type': 'application/yaml' };
  const strict = await ask(server, `${maps}?fieldValidation=Strict`, { method: 'POST', raw, headers });
  assert.equal(strict.code, 400);
  const keys = 'yaml: unmarshal errors:\n  line 5: key "name" already set in map\n  line 9: key "a" already set in map';
  assert.equal(
    JSON.parse(strict.body.toString()).message,
    `ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: ${keys}, unknown field "spex"`,
  );
});

test('an apply that says a field twice', async () => {
  const twice = 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: one }\ndata:\n  a: "1"\n  a: "2"\n';
  const apply = (validation: string) =>
    ask(server, `${maps}/one?fieldManager=m&force=true&fieldValidation=${validation}`, {
      method: 'PATCH',
      raw: twice,
      headers: { 'content-type': 'application/apply-patch+yaml' },
    });
  const strict = await apply('Strict');
  assert.equal(strict.code, 400);
  const why = 'error converting YAML to JSON: yaml: unmarshal errors:\n  line 6: key "a" already set in map';
  assert.equal(JSON.parse(strict.body.toString()).message, `error strict decoding YAML: ${why}`);
  const warned = await apply('Warn');
  assert.equal(warned.code, 200);
  assert.equal(warned.headers.warning, '299 - "line 6: key \\"a\\" already set in map"');
  assert.equal((await apply('Ignore')).headers.warning, undefined);
});

test('server-side apply of a scale owns the replicas', async () => {
  const deployment = '/apis/apps/v1/namespaces/default/deployments/d';
  const apply = (manager: string, replicas: number, more = '') =>
    send(
      'PATCH',
      `${deployment}/scale?fieldManager=${manager}${more}`,
      `apiVersion: autoscaling/v1\nkind: Scale\nmetadata: { name: d }\nspec: { replicas: ${replicas} }\n`,
      'application/apply-patch+yaml',
    );
  const before = JSON.parse((await get(deployment, json)).body.toString());
  const same = await apply('one', before.spec.replicas);
  assert.equal(same.code, 200, same.text);
  const contested = await apply('two', 7);
  assert.equal(contested.code, 409, contested.text);
  assert.ok(contested.object.details.causes.every((c: { field: string }) => c.field === '.spec.replicas'));
  const forced = await apply('two', 7, '&force=true');
  assert.deepEqual([forced.object.kind, forced.object.spec.replicas], ['Scale', 7]);
  const { spec, metadata } = JSON.parse((await get(deployment, json)).body.toString());
  assert.equal(spec.replicas, 7);
  const own = metadata.managedFields.filter((m: { subresource?: string }) => m.subresource === 'scale');
  assert.deepEqual(
    own.map((m: any) => [m.manager, m.operation, m.apiVersion, m.fieldsV1]),
    [['two', 'Apply', 'apps/v1', { 'f:spec': { 'f:replicas': {} } }]],
  );
  assert.equal((await apply('two', -1, '&force=true')).code, 422);
  const nobody = await send('PATCH', `${deployment}/scale`, '{}', 'application/apply-patch+yaml');
  assert.match(nobody.object.message, /fieldManager: Required value: is required for apply patch/);
  const unknown = await send('PATCH', `${deployment}/scale`, '{}', 'text/plain');
  assert.equal(unknown.code, 415);
});

test('errors and discovery in every form, indented for people', async () => {
  const curl = { 'user-agent': 'curl/8' };
  for (const path of [`${maps}/none`, '/api', '/apis', '/apis/apps', '/apis/apps/v1']) {
    const plain = await get(path, json);
    const document = JSON.parse(plain.body.toString());
    assert.doesNotMatch(plain.body.toString(), /\n./);
    const indented = (await ask(server, path, { headers: curl })).body.toString();
    assert.equal(indented, JSON.stringify(document, null, 2));
    const asYaml = await get(path, yaml);
    assert.deepEqual([asYaml.headers['content-type'], parse(asYaml.body.toString())], [yaml, document]);
    const proto = await get(path, protobuf);
    assert.equal(proto.headers['content-type'], protobuf);
    const decoded = decodeProtobuf(proto.body, `${meta}${document.kind}`).object as object;
    if (document.kind === 'APIResourceList') assert.deepEqual(decoded, normalize(`${meta}APIResourceList`, document));
  }
  assert.equal((await get('/apis/apps', 'text/html')).code, 406);
});

test('plain HTTP on the port of HTTPS is told so', async () => {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.setEncoding('utf8');
  socket.write('GET /version HTTP/1.1\r\nhost: localhost\r\n\r\n');
  let answer = '';
  socket.on('data', text => {
    answer += text;
  });
  await once(socket, 'close');
  assert.equal(answer, 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n');
  assert.equal((await open(server, '/version')).statusCode, 200);
});
