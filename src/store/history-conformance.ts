// The sentences of the Store contract on what stores forget and keep: compaction, expiry, closing and opening.
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StoreCompactedError } from './store.ts';
import { atOnce, bytes, type Check, conflict, Recorder } from './test-store.ts';

export function compaction(check: Check): void {
  check('compact forgets events and superseded values up to the revision', async ({ store }) => {
    await store.create('/a', bytes('1'));
    await store.update('/a', 1, bytes('2'));
    await store.create('/b', bytes('3'));
    await store.delete('/b', 3);
    await store.update('/a', 2, bytes('5'));
    await store.compact(4);
    assert.equal(store.compactedRevision, 4);
    await assert.rejects(store.list('/', { revision: 3 }), StoreCompactedError);
    assert.throws(() => store.watch('/', 3, { onEvents() {}, onError() {} }), StoreCompactedError);
    const then = await store.list('/', { revision: 4 });
    assert.deepEqual(
      then.entries.map(entry => [entry.key, entry.revision, Buffer.from(entry.value).toString()]),
      [['/a', 2, '2']],
    );
    const recorder = new Recorder(store, '/', 4);
    await recorder.until(() => recorder.events.length === 1);
    assert.deepEqual(recorder.events, [
      { type: 'put', key: '/a', revision: 5, value: '5', previous: '2', previousRevision: 2 },
    ]);
    await store.compact(2);
    assert.equal(store.compactedRevision, 4);
    await assert.rejects(store.compact(6), RangeError);
    await store.compact(5);
    assert.equal(Buffer.from((await store.get('/a'))!.value).toString(), '5');
    assert.equal(await store.create('/c', bytes('6')), 6);
  });

  check(
    'a compaction leaves a list and a watch under way what they need',
    async ({ store }) => {
      const count = 900;
      await Promise.all(Array.from({ length: count }, (_, i) => store.create(`/${i}`, bytes('old'))));
      await Promise.all(Array.from({ length: count }, (_, i) => store.update(`/${i}`, i + 1, bytes('new'))));
      const listed = store.list('/', { revision: count });
      const recorder = new Recorder(store, '/', 0);
      await store.compact(store.revision);
      assert.ok((await listed).entries.every(entry => Buffer.from(entry.value).toString() === 'old'));
      await recorder.until(() => recorder.events.length === 2 * count || recorder.errors.length > 0);
      assert.deepEqual(recorder.errors, []);
    },
    atOnce,
  );
}

export function expiry(check: Check): void {
  check('a key with a ttl is deleted when it is due, as an event', async ({ store, clock }) => {
    const recorder = new Recorder(store, '/', 0);
    await store.create('/a', bytes('1'), { ttlMs: 5000 });
    await store.create('/b', bytes('2'), { ttlMs: 1000 });
    await clock.advance(999);
    assert.equal(recorder.events.length, 2);
    await clock.advance(1);
    await recorder.until(() => recorder.events.length === 3);
    assert.deepEqual(recorder.events[2], {
      type: 'delete',
      key: '/b',
      revision: 3,
      value: '2',
      previous: '2',
      previousRevision: 2,
    });
    await clock.advance(4000);
    await recorder.until(() => recorder.events.length === 4);
    assert.deepEqual((await store.list('/')).entries, []);
  });

  check('another write starts the ttl again or ends it', async ({ store, clock }) => {
    const recorder = new Recorder(store, '/', 0);
    await store.create('/again', bytes('1'), { ttlMs: 1000 });
    await store.create('/forever', bytes('1'), { ttlMs: 1000 });
    await clock.advance(900);
    await store.update('/again', 1, bytes('2'), { ttlMs: 1000 });
    await store.update('/forever', 2, bytes('2'));
    await clock.advance(999);
    await store.create('/mark', bytes('1'));
    assert.equal(recorder.events.length, 5);
    await clock.advance(1);
    await recorder.until(() => recorder.events.length === 6);
    assert.deepEqual([recorder.events[5]?.type, recorder.events[5]?.key], ['delete', '/again']);
    await clock.advance(100_000);
    assert.equal((await store.get('/forever'))?.revision, 4);
  });
}

export function lifetime(check: Check): void {
  check('close waits for what is in flight, tells watchers and refuses the rest', async ({ store }) => {
    const recorder = new Recorder(store, '/', 0);
    const writes = Array.from({ length: 20 }, (_, i) => store.create(`/${i}`, bytes('1')));
    const closed = store.close();
    await assert.rejects(store.create('/late', bytes('1')), { name: 'StoreClosedError' });
    await closed;
    assert.equal((await Promise.all(writes)).length, 20);
    assert.equal(recorder.events.length, 20);
    assert.deepEqual(
      recorder.errors.map(error => error.name),
      ['StoreClosedError'],
    );
    await store.close();
    await assert.rejects(store.get('/1'), { name: 'StoreClosedError' });
    await assert.rejects(store.list('/'), { name: 'StoreClosedError' });
    assert.throws(() => store.watch('/', 0, { onEvents() {}, onError() {} }), { name: 'StoreClosedError' });
  });

  check('snapshot writes a file', async ({ store }) => {
    await store.create('/a', bytes('1'));
    const file = join(tmpdir(), `k8ts-snapshot-${process.pid}`);
    try {
      await store.snapshot(file);
      assert.ok(readFileSync(file).byteLength > 0);
    } finally {
      rmSync(file, { force: true });
    }
  });

  check('a reopened store has its revision, values, log, compaction and ttls', async ({ store, reopen, clock }, t) => {
    if (!reopen) return t.diagnostic('nothing outlives this store');
    await store.create('/a', bytes('1'));
    await store.update('/a', 1, bytes('2'));
    await store.create('/gone', bytes('3'), { ttlMs: 1000 });
    await store.update('/a', 2, bytes('4'));
    await store.create('/b', bytes('5'));
    await store.delete('/b', 5);
    await store.compact(1);
    const again = await reopen();
    assert.deepEqual([again.revision, again.compactedRevision], [6, 1]);
    const then = await again.list('/', { revision: 5 });
    assert.deepEqual(
      then.entries.map(entry => [entry.key, Buffer.from(entry.value).toString()]),
      [
        ['/a', '4'],
        ['/b', '5'],
        ['/gone', '3'],
      ],
    );
    const recorder = new Recorder(again, '/a', 1);
    await recorder.until(() => recorder.events.length === 2);
    assert.deepEqual(
      recorder.events.map(event => [event.revision, event.previous]),
      [
        [2, '1'],
        [4, '2'],
      ],
    );
    const all = new Recorder(again, '/', 6);
    await clock.advance(1000);
    await all.until(() => all.events.length === 1);
    assert.deepEqual([all.events[0]?.type, all.events[0]?.key, all.events[0]?.revision], ['delete', '/gone', 7]);
    await assert.rejects(again.update('/a', 2, bytes('x')), conflict('/a', 4));
  });
}
