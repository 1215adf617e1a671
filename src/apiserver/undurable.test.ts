// Between the moment a write is decided and the moment it is on disk nobody may learn of it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import { isAlreadyExists, isNotFound } from '../api/status.ts';
import { openLmdbStore } from '../store/lmdb-store.ts';
import { memoryStore } from '../store/memory-store.ts';
import type { Store } from '../store/store.ts';
import { startTestServer } from './test-server.ts';

const key = { namespace: 'default', name: 'a' };
const object = { metadata: key, data: { a: '1' } };

test('an answer that rests on a write under way comes when that write can be read', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-undurable-'));
  const server = await startTestServer({ store: await openLmdbStore({ directory }) });
  t.after(async () => {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  const client = server.server.client({ userAgent: 'test' });
  for (let round = 0; round < 20; round++) {
    const created = client.create(coreV1.configmaps, object);
    await assert.rejects(client.create(coreV1.configmaps, object), isAlreadyExists);
    assert.ok(await client.get(coreV1.configmaps, key), 'refused because of it, so it is there');
    const { metadata } = await created;
    const changed = client.patch(coreV1.configmaps, key, { type: 'merge', body: { data: { a: '2' } } });
    // Changes nothing more.
    const same = await client.patch(coreV1.configmaps, key, { type: 'merge', body: { data: { a: '2' } } });
    const read = await client.get(coreV1.configmaps, key);
    assert.deepEqual([read.data, read.metadata.resourceVersion], [{ a: '2' }, same.metadata.resourceVersion]);
    await changed;
    const deleted = client.delete(coreV1.configmaps, key);
    const late = { ...object, metadata: { ...key, uid: metadata.uid! } };
    const refusal = await client.update(coreV1.configmaps, late as never).then(
      () => undefined,
      error => error,
    );
    if (refusal && isNotFound(refusal)) await assert.rejects(client.get(coreV1.configmaps, key), isNotFound);
    await deleted;
  }
});

test('what waits for a write to be seen when the server stops is told so', async () => {
  const inner = memoryStore();
  let muted = false;
  const watch: Store['watch'] = (prefix, after, handler) =>
    inner.watch(prefix, after, {
      onEvents: events => void (muted || handler.onEvents(events)),
      onError: error => handler.onError(error),
    });
  const store = new Proxy(inner, {
    get(target, name) {
      if (name === 'watch') return watch;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const server = await startTestServer({ store });
  const client = server.server.client({ userAgent: 'test' });
  await client.get(coreV1.namespaces, { name: 'default' });
  muted = true;
  await client.create(coreV1.configmaps, object);
  const refused = assert.rejects(client.create(coreV1.configmaps, object), {
    code: 503,
    message: 'the API server is shutting down',
  });
  await server.stop();
  await refused;
});
