import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLmdbStore } from './lmdb-store.ts';
import { StoreFullError } from './store.ts';
import { bytes, Recorder } from './test-store.ts';

// A small file system of its own, filled until LMDB's commit fails: needs root to mount.
test('a full disk rejects what is under way, keeps the rest, and goes on when there is room', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'k8ts-full', directory]);
  try {
    const ballast = join(directory, 'ballast');
    writeFileSync(ballast, Buffer.alloc(1 << 20));
    let store = await openLmdbStore({ directory });
    const recorder = new Recorder(store, '/', 0);
    const value = () => Buffer.alloc(4000, 'x');
    const answered: number[] = [];
    let failure: unknown;
    while (!failure) {
      const group = Array.from({ length: 10 }, (_, i) => store.create(`/${store.revision + i}`, value));
      for (const outcome of await Promise.allSettled(group)) {
        if (outcome.status === 'fulfilled') answered.push(outcome.value);
        else failure = outcome.reason;
      }
    }
    assert.ok(failure instanceof StoreFullError, String(failure));
    assert.match(failure.message, /its disk is full \(.*\); make room there, then write again/);
    assert.ok(failure.message.includes(directory));
    assert.equal(store.revision, answered.at(-1));
    assert.deepEqual(recorder.revisions, answered);
    assert.equal((await store.list('/')).entries.length, answered.length);

    rmSync(ballast);
    const next = await store.create('/after', bytes('room'));
    assert.ok(next > answered.at(-1)! + 10, 'revisions given to rejected writes are not given again');
    assert.equal(recorder.revisions.at(-1), next);
    await store.close();
    store = await openLmdbStore({ directory });
    assert.equal(store.revision, next);
    assert.equal((await store.list('/')).entries.length, answered.length + 1);
    assert.equal(Buffer.from((await store.get('/after'))!.value).toString(), 'room');
    await store.close();
  } finally {
    // Lazily: after a failure the store still has it open.
    execFileSync('umount', ['-l', directory]);
    rmdirSync(directory);
  }
});
