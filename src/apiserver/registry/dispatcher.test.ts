// The caches of a store that others write: fresh reads, and catching up after events were lost.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle, VirtualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { memoryStore } from '../../store/memory-store.ts';
import { type Store, StoreCompactedError, type StoreWatch, type StoreWatchHandler } from '../../store/store.ts';
import { Dispatcher } from './dispatcher.ts';
import { decodeStored } from './stored-form.ts';
import { type CacheEvent, WatchCache } from './watch-cache.ts';

const prefix = '/registry/configmaps/';
const value = (data: string) => () =>
  Buffer.from(JSON.stringify({ kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'x' }, data: { data } }));

/** A memory store behaving as one that others write, whose watch can be broken. */
async function shared() {
  const clock = new VirtualClock();
  const inner = memoryStore({ clock });
  let handler: StoreWatchHandler | undefined;
  let watch: StoreWatch;
  let asked = 0;
  const store = {
    get revision() {
      return inner.revision;
    },
    compactedRevision: 0,
    list: inner.list.bind(inner),
    newestRevision: async () => {
      asked++;
      return inner.revision;
    },
    watch(all: string, after: number, given: StoreWatchHandler) {
      handler = given;
      watch = inner.watch(all, after, given);
      return watch;
    },
  } as unknown as Store;
  await inner.create(`${prefix}n/old`, value('1'));
  const cache = new WatchCache({ prefix, decode: (bytes, revision) => decodeStored(bytes, revision) as never });
  const dispatcher = new Dispatcher(store, clock, silentLog);
  await dispatcher.start(new Map([[prefix, cache]]), error => assert.fail(error));
  const told: string[] = [];
  const note = ({ type, key, revision }: CacheEvent) => told.push(`${type} ${key} ${revision}`);
  cache.listen({ onEvent: note });
  return {
    clock,
    inner,
    cache,
    dispatcher,
    told,
    asked: () => asked,
    mute: () => watch.stop(),
    lose: () => handler!.onError(new StoreCompactedError(1, 2)),
  };
}

test('a cache that lost events tells of what differs, in order, and goes on', async () => {
  const { inner, cache, told, dispatcher, mute, lose } = await shared();
  await inner.create(`${prefix}n/stays`, value('1'));
  mute();
  await inner.create(`${prefix}n/new`, value('1'));
  await inner.delete(`${prefix}n/old`, 1);
  await inner.update(`${prefix}n/stays`, 2, value('2'));
  lose();
  await settle();
  assert.deepEqual(told, ['ADDED n/stays 2', 'ADDED n/new 3', 'MODIFIED n/stays 5', 'DELETED n/old 5']);
  assert.equal(dispatcher.revision, 5);
  await inner.create(`${prefix}n/later`, value('1'));
  assert.equal(told.at(-1), 'ADDED n/later 6');
  assert.equal(cache.size, 3);
});

test('calls for freshness at the same time ask twice at most', async () => {
  const { dispatcher, asked } = await shared();
  const before = asked();
  await Promise.all(Array.from({ length: 20 }, () => dispatcher.freshen()));
  assert.equal(asked() - before, 2);
});

test('a fresh read waits for what the store has and the cache has not', async () => {
  const { dispatcher, inner, mute, clock } = await shared();
  mute();
  await inner.create(`${prefix}n/unseen`, value('1'));
  const waiting = assert.rejects(Promise.resolve(dispatcher.freshen()), { code: 504 });
  await clock.advance(3000);
  await waiting;
});

test('who waits when the caches stop is told so, and who asks afterwards', async () => {
  const { dispatcher, inner, mute } = await shared();
  mute();
  await inner.create(`${prefix}n/unseen`, value('1'));
  const waiting = assert.rejects(Promise.resolve(dispatcher.freshen()), { code: 503 });
  await settle();
  dispatcher.stop();
  await waiting;
  await assert.rejects(Promise.resolve(dispatcher.waitFor(dispatcher.revision + 1)), { code: 503 });
});

test('watches resume behind changes of the last five minutes, and behind older ones where few came', async () => {
  const { dispatcher, inner, cache, clock } = await shared();
  const change = async (times: number) => {
    for (let i = 0; i < times; i++) await inner.update(`${prefix}n/old`, inner.revision, value(`${i}`));
  };
  await clock.advance(30_000);
  await change(300);
  const early = dispatcher.revision;
  await clock.advance(300_000);
  assert.equal(cache.windowStart, 0);
  await change(50);
  // A reader of pages that asks for ten minutes whether its revision has expired must see it.
  await clock.advance(60_000);
  assert.deepEqual([cache.windowStart, dispatcher.listableFrom], [early - 50, early]);
  dispatcher.stop();
});
