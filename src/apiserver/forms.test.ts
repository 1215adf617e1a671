import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { parse } from 'yaml';
import type { KubeObject } from '../api/meta.ts';
import { decodeProtobuf } from '../api/protobuf.ts';
import { ask, kubectlFor, open } from './test-request.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
const maps = '/api/v1/namespaces/default/configmaps';
const map = (name: string, data = {}) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });
const protobuf = 'application/vnd.kubernetes.protobuf';
const table = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';

before(async () => {
  server = await startTestServer();
  const made = await ask(server, maps, { method: 'POST', body: map('one', { a: '1', b: '2' }) });
  assert.equal(made.code, 201, made.body.toString());
});
after(() => server.stop());

test('an object, a list and a Status in protobuf', async () => {
  const one = await ask(server, `${maps}/one`, { headers: { accept: protobuf } });
  assert.equal(one.headers['content-type'], protobuf);
  const json = JSON.parse((await ask(server, `${maps}/one`)).body.toString());
  assert.deepEqual(decodeProtobuf(one.body).object, json);

  const list = await ask(server, maps, { headers: { accept: `${protobuf},application/json` } });
  const decoded = decodeProtobuf(list.body).object as unknown as { kind: string; metadata: any; items: any[] };
  assert.equal(decoded.kind, 'ConfigMapList');
  assert.match(decoded.metadata.resourceVersion, /^\d+$/);
  const mine = decoded.items.find(i => i.metadata.name === 'one');
  assert.deepEqual(mine.data, { a: '1', b: '2' });

  const missing = await ask(server, `${maps}/none`, { headers: { accept: protobuf } });
  assert.equal(missing.code, 404);
  const status = decodeProtobuf(missing.body).object as unknown as { reason: string; details: { name: string } };
  assert.equal(status.reason, 'NotFound');
  assert.equal(status.details.name, 'none');

  const partial = await ask(server, maps, {
    headers: { accept: `${protobuf};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1` },
  });
  const metadata = decodeProtobuf(partial.body, 'io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadataList')
    .object as unknown as { items: KubeObject[] };
  assert.ok(metadata.items.some(i => i.metadata.name === 'one'));
});

test('aggregated discovery in protobuf', async () => {
  const parameters = ';g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const answer = (type: string) => ask(server, '/apis', { headers: { accept: `${type}${parameters},${type}` } });
  const [binary, text] = [await answer(protobuf), await answer('application/json')];
  assert.equal(binary.headers['content-type'], protobuf + parameters);
  assert.equal(binary.headers.etag, text.headers.etag);
  const type = 'io.k8s.api.apidiscovery.v2.APIGroupDiscoveryList';
  const { typeMeta, object } = decodeProtobuf(binary.body, type);
  const json = JSON.parse(text.body.toString());
  assert.deepEqual(typeMeta, { apiVersion: json.apiVersion, kind: json.kind });
  const items = (object as unknown as { items: any[] }).items.map(i => ({ name: i.metadata.name, ...i.versions[0] }));
  assert.deepEqual(
    items,
    json.items.map((i: any) => ({ name: i.metadata.name, ...i.versions[0] })),
  );
});

test('a list in protobuf with a continue token longer than a byte can count', async () => {
  const list = await ask(server, '/api/v1/namespaces?limit=1', { headers: { accept: protobuf } });
  const { metadata, items } = decodeProtobuf(list.body).object as unknown as { metadata: any; items: any[] };
  assert.equal(items.length, 1);
  assert.ok(metadata.continue.length > 20 && metadata.remainingItemCount > 0);
});

test('a watch in protobuf: frames behind their length, bookmarks too', async () => {
  const watch = await open(server, `${maps}?watch=1&allowWatchBookmarks=true&timeoutSeconds=1`, {
    headers: { accept: protobuf },
  });
  assert.equal(watch.headers['content-type'], `${protobuf};stream=watch`);
  const chunks: Buffer[] = [];
  let changed = false;
  for await (const chunk of watch) {
    chunks.push(chunk);
    if (changed) continue;
    changed = true;
    await ask(server, maps, { method: 'POST', body: map('two') });
    await ask(server, `${maps}/two`, { method: 'DELETE' });
  }
  const events = frames(Buffer.concat(chunks));
  const mine = events.filter(e => e.object.metadata.name !== 'kube-root-ca.crt');
  assert.deepEqual(
    mine.map(e => `${e.type} ${e.object.metadata.name ?? ''}`),
    ['ADDED one', 'BOOKMARK ', 'ADDED two', 'DELETED two', 'BOOKMARK '],
  );
});

/** [4 bytes length] { 1: type, 2: { 1: enveloped object } } */
function frames(bytes: Buffer): { type: string; object: any }[] {
  const out: { type: string; object: any }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = bytes.readUInt32BE(at);
    const event = bytes.subarray(at + 4, at + 4 + size);
    assert.equal(event[0], 10);
    const type = event.subarray(2, 2 + event[1]!).toString();
    const start = event.indexOf('k8s\0');
    out.push({ type, object: decodeProtobuf(event.subarray(start)).object });
    at += 4 + size;
  }
  return out;
}

test('tables: a list, one object, and the rows of a watch with its deletions', async () => {
  const list = JSON.parse((await ask(server, maps, { headers: { accept: table } })).body.toString());
  assert.equal(list.kind, 'Table');
  assert.deepEqual(
    list.columnDefinitions.map((c: { name: string }) => c.name),
    ['Name', 'Data', 'Age'],
  );
  const row = list.rows.find((r: any) => r.object.metadata.name === 'one');
  assert.deepEqual(row.cells.slice(0, 2), ['one', 2]);
  assert.equal(row.object.kind, 'PartialObjectMetadata');
  const bare = JSON.parse(
    (await ask(server, `${maps}/one?includeObject=None`, { headers: { accept: table } })).body.toString(),
  );
  assert.deepEqual(Object.keys(bare.rows[0]), ['cells', 'object']);
  assert.equal(bare.rows[0].object, null);

  const { resourceVersion } = list.metadata;
  await ask(server, maps, { method: 'POST', body: map('three') });
  await ask(server, `${maps}/three`, { method: 'DELETE' });
  const watch = await ask(server, `${maps}?watch=1&resourceVersion=${resourceVersion}&timeoutSeconds=1`, {
    headers: { accept: table },
  });
  const events = watch.body
    .toString()
    .trim()
    .split('\n')
    .map(l => JSON.parse(l));
  assert.deepEqual(
    events.map(e => `${e.type} ${e.object.rows[0].cells[0]} ${e.object.columnDefinitions?.length}`),
    ['ADDED three 3', 'DELETED three undefined'],
  );
  // There is no Table in protobuf: the next clause counts.
  const both = await ask(server, maps, { headers: { accept: `${protobuf};as=Table;v=v1;g=meta.k8s.io,${table}` } });
  assert.equal(both.headers['content-type'], 'application/json');
  const none = await ask(server, maps, { headers: { accept: `${protobuf};as=Table;v=v1;g=meta.k8s.io` } });
  assert.equal(none.code, 406);
});

test('yaml, pretty JSON, and nothing that fits', async () => {
  const yaml = await ask(server, `${maps}/one`, { headers: { accept: 'application/yaml' } });
  assert.equal(yaml.headers['content-type'], 'application/yaml');
  assert.equal(parse(yaml.body.toString()).metadata.name, 'one');
  const error = await ask(server, `${maps}/none`, { headers: { accept: 'application/yaml' } });
  assert.equal(parse(error.body.toString()).reason, 'NotFound');
  for (const how of [{ path: '?pretty=true' }, { path: '', headers: { 'user-agent': 'curl/8' } }]) {
    const { body } = await ask(server, `${maps}/one${how.path}`, { headers: how.headers ?? {} });
    assert.match(body.toString(), /^\{\n {2}"kind": "ConfigMap",\n/);
  }
  assert.doesNotMatch((await ask(server, `${maps}/one`)).body.toString(), /\n./);
  assert.equal((await ask(server, maps, { headers: { accept: 'text/html' } })).code, 406);
});

test('large answers are compressed for those who take gzip', async () => {
  const headers = { 'accept-encoding': 'gzip' };
  assert.equal((await ask(server, maps, { headers })).headers['content-encoding'], undefined);
  const text = 'x'.repeat(200_000);
  await ask(server, maps, { method: 'POST', body: map('large', { text }) });
  for (const path of [maps, `${maps}/large`]) {
    const packed = await ask(server, path, { headers });
    assert.equal(packed.headers['content-encoding'], 'gzip');
    assert.equal(packed.headers.vary, 'Accept-Encoding');
    assert.ok(packed.body.length < 10_000);
    for (const weighed of ['br, gzip;q=0.5', 'gzip; q=0.001', 'GZIP'])
      assert.equal(
        (await ask(server, path, { headers: { 'accept-encoding': weighed } })).headers['content-encoding'],
        'gzip',
      );
    for (const refused of ['gzip;q=0', 'br, gzip; q=0.000, *', 'x-gzip'])
      assert.equal(
        (await ask(server, path, { headers: { 'accept-encoding': refused } })).headers['content-encoding'],
        undefined,
        refused,
      );
    const plain = await ask(server, path);
    assert.equal(plain.headers['content-encoding'], undefined);
    assert.equal(gunzipSync(packed.body).toString(), plain.body.toString());
  }
});

test('answers about deprecated resources carry a warning', async () => {
  const { headers } = await ask(server, '/api/v1/namespaces/default/endpoints');
  assert.match(String(headers.warning), /^299 - "v1 Endpoints is deprecated in v1\.33\+; use /);
  assert.equal((await ask(server, maps)).headers.warning, undefined);
});

test('kubectl shows what it shows', async () => {
  const kubectl = kubectlFor(server);
  try {
    const get = await kubectl.run(['get', 'configmap', 'one']);
    assert.match(get.out, /^NAME +DATA +AGE\none +2 +\d+s\n$/, get.err);
    const service = await kubectl.run(['get', 'svc', 'kubernetes', '-o', 'wide']);
    if (service.code === 0)
      assert.match(service.out, /^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE +SELECTOR\n/);
    const roles = await kubectl.run(['get', 'clusterrole', 'cluster-admin']);
    assert.match(roles.out, /^NAME +CREATED AT\ncluster-admin +\d{4}-\d\d-\d\dT/, roles.err);
    const priority = await kubectl.run(['get', 'priorityclass']);
    assert.match(priority.out, /^NAME +VALUE +GLOBAL-DEFAULT +AGE +PREEMPTIONPOLICY\n/, priority.err);
    const status = await kubectl.run(['create', 'deployment', 'web', '--image', 'nginx', '--replicas', '2']);
    assert.equal(status.code, 0, status.err);
    const scale = await kubectl.run(['get', 'deploy', 'web', '--subresource', 'scale']);
    assert.match(scale.out, /^NAME +DESIRED +AVAILABLE +AGE\nweb +2 +0 +\d+s\n$/, scale.err);
    const deleted = await kubectl.run(['delete', 'deploy', 'web']);
    assert.match(deleted.out, /deployment.apps "web" deleted/, deleted.err);
  } finally {
    kubectl.cleanup();
  }
});
