import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { settle, VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { ExpiryQueue } from './expiry-queue.ts';
import { RevisionIndex } from './revision-index.ts';
import { RevisionStore } from './revision-store.ts';
import type { Commit, Rows } from './rows.ts';
import { bytesOf, StoreConflictError, StoreFullError } from './store.ts';
import { bytes, Recorder } from './test-store.ts';

/** Rows whose commits end when and how the test says. */
class StagedRows implements Rows {
  readonly readsAtOnce = 500;
  readonly values = new Map<number, Uint8Array>();
  commits: { commit: Commit; end(error?: Error): void }[] = [];

  read(revision: number): Uint8Array | undefined {
    return this.values.get(revision);
  }

  peek(revision: number): Uint8Array | undefined {
    return this.read(revision);
  }

  admit(): void {}

  commit(commit: Commit): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error?: Error) => {
        if (error) return reject(error);
        for (const write of commit.writes) this.values.set(write.revision, bytesOf(write.value));
        resolve();
      };
      this.commits.push({ commit, end });
    });
  }

  /** Ends the commit under way, and lets what follows from it happen. */
  async end(error?: Error): Promise<number[]> {
    await settle();
    const { commit, end } = this.commits.shift()!;
    end(error);
    await settle();
    return commit.writes.map(write => write.revision);
  }

  defer(fn: () => void): void {
    setImmediate(fn);
  }

  async snapshot(): Promise<void> {}
  async close(): Promise<void> {}
}

function open(clock = new VirtualClock()) {
  const rows = new StagedRows();
  const options = { compacted: 0, trimmed: 0, clock, log: silentLog, logLength: 100 };
  const store = new RevisionStore({ rows, index: new RevisionIndex(), expiries: new ExpiryQueue(), ...options });
  return { rows, store, clock };
}

test('writes decided while a commit is under way share the next one', async () => {
  const { rows, store } = open();
  const writes = [store.create('/a', bytes('1')), store.create('/b', bytes('2'))];
  await settle();
  writes.push(store.create('/c', bytes('3')), store.update('/a', 1, bytes('4')));
  assert.deepEqual(await rows.end(), [1, 2]);
  assert.equal(store.revision, 2);
  assert.deepEqual(await rows.end(), [3, 4]);
  assert.deepEqual(await Promise.all(writes), [1, 2, 3, 4]);
});

test('a commit that finds no room takes back every write that is not durable, and only those', async () => {
  const { rows, store } = open();
  const recorder = new Recorder(store, '/', 0);
  const kept = store.create('/kept', bytes('1'));
  await rows.end();
  assert.equal(await kept, 1);
  const full = new StoreFullError('no room');
  const lost = [store.update('/kept', 1, bytes('2')), store.create('/new', bytes('3'))];
  await settle();
  lost.push(store.delete('/kept', 2), store.update('/new', 3, bytes('5')));
  const conflict = store.create('/new', bytes('x'));
  const outcomes = Promise.allSettled([...lost, conflict]);
  await rows.end(full);
  const reasons = (await outcomes).map(outcome => outcome.status === 'rejected' && outcome.reason);
  assert.deepEqual(reasons.slice(0, 4), [full, full, full, full]);
  assert.ok(reasons[4] instanceof StoreConflictError);
  assert.equal(store.revision, 1);
  assert.deepEqual(
    (await store.list('/')).entries.map(entry => [entry.key, entry.revision]),
    [['/kept', 1]],
  );
  // Revisions 2 to 5 were given out once.
  const next = [store.update('/kept', 1, bytes('6')), store.create('/new', bytes('7'))];
  assert.deepEqual(await rows.end(), [6, 7]);
  assert.deepEqual(await Promise.all(next), [6, 7]);
  assert.deepEqual(
    recorder.events.map(event => [event.revision, event.previousRevision]),
    [
      [1, 0],
      [6, 1],
      [7, 0],
    ],
  );
  assert.deepEqual((await store.list('/', { revision: 4 })).entries.length, 1);
});

test('any other failure stops the store: writers, watchers and later callers get it', async () => {
  const { rows, store } = open();
  const recorder = new Recorder(store, '/', 0);
  const broken = new Error('the disk is gone');
  const outcomes = Promise.allSettled([store.create('/a', bytes('1')), store.create('/b', bytes('2'))]);
  await rows.end(broken);
  for (const outcome of await outcomes) assert.ok(outcome.status === 'rejected' && outcome.reason === broken);
  assert.deepEqual(recorder.errors, [broken]);
  await assert.rejects(store.get('/a'), broken);
  await assert.rejects(store.create('/a', bytes('1')), broken);
  assert.throws(() => store.watch('/', 0, { onEvents() {}, onError() {} }), broken);
  assert.deepEqual(rows.commits, []);
  await store.close();
});

test('a key whose end could not be written is deleted later', async () => {
  const { rows, store, clock } = open();
  const created = store.create('/a', bytes('1'), { ttlMs: 1000 });
  await rows.end();
  await created;
  await clock.advance(1000);
  await rows.end(new StoreFullError('no room'));
  assert.equal((await store.get('/a'))?.revision, 1);
  await clock.advance(60_000);
  await rows.end();
  assert.equal(await store.get('/a'), undefined);
  assert.equal(store.revision, 3);
});

test('ExpiryQueue gives what is due, soonest first', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 50 })), fc.integer({ min: 0, max: 50 }), (times, now) => {
      const queue = new ExpiryQueue();
      for (const atMs of times) queue.push({ atMs, key: '/a', revision: 1 });
      const got: number[] = [];
      for (let due = queue.takeDue(now); due; due = queue.takeDue(now)) got.push(due.atMs);
      const sorted = times.toSorted((a, b) => a - b);
      assert.deepEqual(
        got,
        sorted.filter(atMs => atMs <= now),
      );
      assert.equal(queue.nextMs, sorted[got.length]);
    }),
  );
});
