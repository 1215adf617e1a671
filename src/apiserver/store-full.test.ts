import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import { StatusError } from '../api/status.ts';
import { openLmdbStore } from '../store/lmdb-store.ts';
import { startTestServer } from './test-server.ts';

test('a full store is 507 with its limit and what to do; reads and deletes go on, and make room', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-full-'));
  const maxBytes = 3 << 20;
  const server = await startTestServer({ store: await openLmdbStore({ directory, maxBytes }) });
  t.after(async () => {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  const client = await server.http();
  const create = (name: string) =>
    client.create(coreV1.configmaps, { metadata: { namespace: 'default', name }, data: { a: 'x'.repeat(30_000) } });
  let refusal: unknown;
  let made = 0;
  for (; !refusal && made < 200; made++)
    await create(`m${made}`).catch(error => {
      refusal = error;
    });
  assert.ok(refusal instanceof StatusError, String(refusal));
  assert.deepEqual([refusal.code, refusal.status.reason], [507, 'InsufficientStorage']);
  assert.match(
    refusal.message,
    /^the cluster's store is full: writing to the store in ".*": it holds \d+ bytes of at most 3145728; delete objects/,
  );
  const { items } = await client.list(coreV1.configmaps, { namespace: 'default' });
  assert.equal(items.filter(i => i.metadata.name.startsWith('m')).length, made - 1);
  for (let i = 0; i < 10; i++) await client.delete(coreV1.configmaps, { namespace: 'default', name: `m${i}` });
  // What was deleted lies in the store's history still; the store lets go of it when it is asked for room.
  for (let tries = 1; ; tries++) {
    const again = await create('again').catch(error => error);
    if (!(again instanceof StatusError)) break;
    assert.ok(again.code === 507 && tries < 100, again.message);
  }
});
