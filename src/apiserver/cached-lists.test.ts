// Lists and watches send the bytes that were made when an object was written or first asked for.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import { ask } from './test-request.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
before(async () => {
  server = await startTestServer();
});
after(() => server.stop());

const json = 'application/json';
const protobuf = 'application/vnd.kubernetes.protobuf';
const namespace = 'default';
const path = `/api/v1/namespaces/${namespace}/configmaps`;
const count = 60;

test('no item is encoded anew for a list, in JSON, protobuf and gzip', async () => {
  const client = server.server.client({ userAgent: 'test' });
  let reads = 0;
  // Whoever encodes an object reads it. The cache, lists and clients in the process share the one object.
  for (let i = 0; i < count; i++) {
    const name = `c${i}`;
    await client.create(coreV1.configmaps, { metadata: { name, namespace }, data: { k: 'v'.repeat(5000) } });
    const { metadata } = await client.get(coreV1.configmaps, { namespace, name });
    const { uid } = metadata;
    Object.defineProperty(metadata, 'uid', {
      enumerable: true,
      get() {
        reads++;
        return uid;
      },
    });
  }
  const gzip = { 'accept-encoding': 'gzip' };
  const forms: Record<string, string>[] = [
    { accept: json },
    { accept: json, ...gzip },
    { accept: protobuf },
    { accept: protobuf, ...gzip },
  ];
  for (const headers of forms) {
    const list = async (query = '') => {
      const { code, body } = await ask(server, `${path}${query}`, { headers });
      assert.equal(code, 200);
      return body;
    };
    const first = await list();
    reads = 0;
    assert.deepEqual(await list(), first);
    await list('?limit=40');
    await list('?labelSelector=!none');
    assert.equal(reads, 0, JSON.stringify(headers));
  }
  // The counter counts.
  JSON.stringify(await client.get(coreV1.configmaps, { namespace, name: 'c1' }));
  assert.equal(reads, 1);
});
