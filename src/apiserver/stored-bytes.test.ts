// What an embedded store is given: the bytes of the answer, where that is the object in protobuf.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { KubeObject } from '../api/meta.ts';
import { normalize } from '../api/normalize.ts';
import { encodeProtobuf, isProtobuf } from '../api/protobuf.ts';
import { coreV1 } from '../api/refs.ts';
import { systemClock } from '../base/clock.ts';
import { openLmdbStore } from '../store/lmdb-store.ts';
import type { StoreEvent } from '../store/store.ts';
import { ask } from './test-request.ts';
import { startTestServer } from './test-server.ts';

const protobuf = 'application/vnd.kubernetes.protobuf';
const json = 'application/json';
const merge = 'application/merge-patch+json';
const maps = '/api/v1/namespaces/default/configmaps';
const typeName = 'io.k8s.api.core.v1.ConfigMap';

test('objects lie in an embedded store as their last answer was written, and are the same when read again', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-stored-'));
  t.after(() => rmSync(directory, { recursive: true }));
  let store = await openLmdbStore({ directory, clock: systemClock });
  const first = await startTestServer({ store });
  const send = async (method: string, path: string, body: unknown, type: string, accept: string, server = first) => {
    const raw = body instanceof Uint8Array ? body : JSON.stringify(body);
    const headers = { 'content-type': type, accept, 'content-length': String(Buffer.byteLength(raw)) };
    const answer = await ask(server, path, { method, headers, raw });
    assert.ok(answer.code < 300, `${method} ${path}: ${answer.code} ${answer.body}`);
    return answer.body;
  };
  const lies = async (name: string) => {
    const found = await store.get(`/registry/configmaps/default/${name}`);
    return isProtobuf(found!.value) ? 'protobuf' : 'JSON';
  };
  const map = (name: string) => ({
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: { name, labels: { x: '1' } },
    data: { a: 'ä', b: '' },
    binaryData: { c: 'AAEC' },
  });
  const bytes = (name: string) => encodeProtobuf(typeName, normalize(typeName, map(name)) as KubeObject);
  await send('POST', maps, bytes('both'), protobuf, protobuf);
  assert.equal(await lies('both'), 'protobuf');
  // Whatever the body is in, the answer decides.
  await send('POST', maps, bytes('one'), protobuf, json);
  assert.equal(await lies('one'), 'JSON');
  await send('PATCH', `${maps}/both`, { data: { d: '1' } }, merge, json);
  assert.equal(await lies('both'), 'JSON');
  await send('PATCH', `${maps}/both`, { data: { e: '1' } }, merge, protobuf);
  assert.equal(await lies('both'), 'protobuf');
  // The metadata alone is not the object.
  await send(
    'PATCH',
    `${maps}/one`,
    { data: { f: '1' } },
    merge,
    `${protobuf};as=PartialObjectMetadata;g=meta.k8s.io;v=v1`,
  );
  assert.equal(await lies('one'), 'JSON');
  // In process nothing is encoded for an answer: it stays what it was.
  const client = first.server.client({ userAgent: 'inside' });
  for (const name of ['both', 'one']) {
    const patch = { type: 'merge', body: { data: { g: '2' } } } as const;
    await client.patch(coreV1.configmaps, { namespace: 'default', name }, patch);
  }
  assert.deepEqual([await lies('both'), await lies('one')], ['protobuf', 'JSON']);

  const texts = async (server: typeof first) =>
    Promise.all(['both', 'one'].map(name => ask(server, `${maps}/${name}`, { headers: { accept: json } })));
  const before = await texts(first);
  await first.stop();
  store = await openLmdbStore({ directory, clock: systemClock });
  const second = await startTestServer({ store });
  t.after(() => second.stop());
  assert.deepEqual(
    (await texts(second)).map(a => a.body.toString()),
    before.map(a => a.body.toString()),
  );
  // What was read remembers what it was.
  const events: StoreEvent[] = [];
  const watch = store.watch('/registry/configmaps/default/', store.revision, {
    onEvents: more => void events.push(...more),
    onError: assert.fail,
  });
  t.after(() => watch.stop());
  for (const name of ['both', 'one']) await send('DELETE', `${maps}/${name}`, {}, json, json, second);
  assert.deepEqual(
    events.map(e => [e.type, e.key.split('/').at(-1), isProtobuf(e.value)]),
    [
      ['delete', 'both', true],
      ['delete', 'one', false],
    ],
  );
});
