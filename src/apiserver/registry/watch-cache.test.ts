import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KubeObject } from '../../api/meta.ts';
import { isExpired, StatusError } from '../../api/status.ts';
import type { StoreEvent } from '../../store/store.ts';
import { Stored } from './stored.ts';
import { type CacheEvent, WatchCache } from './watch-cache.ts';

const prefix = '/registry/configmaps/';
const objectAt = (key: string, revision: number): KubeObject => {
  const [namespace, name] = key.split('/') as [string, string];
  const metadata = { namespace, name, resourceVersion: String(revision) };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata } as unknown as KubeObject;
};

const write = fc.record({
  key: fc.constantFrom('a/x', 'a/y', 'a/z', 'b/x', 'c/é'),
  remove: fc.boolean(),
  // Through this server: decided before it is durable. Or lost in between.
  how: fc.constantFrom('other', 'own', 'lost'),
});

/** The twin: all events, from the first on, in an array. */
const contentAt = (events: readonly CacheEvent[], revision: number): [string, number][] => {
  const content = new Map<string, number>();
  for (const e of events) {
    if (e.revision > revision) break;
    if (e.type === 'DELETED') content.delete(e.key);
    else content.set(e.key, e.revision);
  }
  return [...content].sort(([a], [b]) => (a < b ? -1 : 1));
};

const shown = (tree: ReturnType<WatchCache['snapshot']>): [string, number][] => {
  const found: [string, number][] = [];
  tree.scan('', undefined, stored => {
    found.push([stored.key, stored.revision]);
    return undefined;
  });
  return found;
};

test('events, contents now and then, and what writes build on, against a plain array of events', () => {
  fc.assert(
    fc.property(fc.array(write, { maxLength: 60 }), fc.integer({ min: 1, max: 40 }), (writes, window) => {
      const decode = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString()) as KubeObject;
      const cache = new WatchCache({ prefix, decode, window });
      const all: CacheEvent[] = [];
      cache.listen({ onEvent: e => all.push(e) });
      const live = new Map<string, number>();
      const sizes = new Map<string, number>();
      writes.forEach(({ key, remove, how }, i) => {
        const revision = i + 1;
        const gone = remove && live.has(key);
        const stored = new Stored(key, objectAt(key, revision), revision);
        if (how !== 'other') {
          if (gone) cache.notePending(key, revision, undefined, stored);
          else cache.notePending(key, revision, stored);
          assert.equal(cache.latest(key), gone ? undefined : stored);
          assert.equal(cache.undurable(key), revision);
          assert.equal(cache.get(key)?.revision, live.get(key), 'reads show what is durable');
        }
        if (how === 'lost') cache.dropPending(key, revision);
        else {
          const value = Buffer.from(JSON.stringify(objectAt(key, gone ? live.get(key)! : revision)));
          const type = gone ? ('delete' as const) : ('put' as const);
          cache.apply({ type, key: `${prefix}${key}`, revision, value, previousRevision: live.get(key) ?? 0 });
          const told = all.at(-1)!;
          assert.equal(told.type, gone ? 'DELETED' : live.has(key) ? 'MODIFIED' : 'ADDED');
          assert.deepEqual([told.revision, told.stored.object.metadata.resourceVersion], [revision, String(revision)]);
          if (gone) live.delete(key);
          else live.set(key, revision);
          if (gone) sizes.delete(key);
          else sizes.set(key, value.length);
          assert.equal(
            cache.bytes,
            [...sizes.values()].reduce((sum, n) => sum + n, 0),
          );
        }
        assert.deepEqual([cache.undurable(key), cache.latest(key)?.revision], [0, live.get(key)]);
      });
      assert.equal(cache.size, live.size);
      for (let revision = 0; revision <= writes.length; revision++) {
        if (revision < cache.windowStart) {
          assert.throws(() => cache.since(revision), isExpired);
          assert.throws(() => cache.snapshotAt(revision), isExpired);
          continue;
        }
        assert.deepEqual(
          cache.since(revision).map(e => e.revision),
          all.filter(e => e.revision > revision).map(e => e.revision),
        );
        assert.deepEqual(shown(cache.snapshotAt(revision)), contentAt(all, revision));
      }
      assert.deepEqual(shown(cache.snapshot()), contentAt(all, writes.length));
      const kept = all.filter(e => e.revision > cache.windowStart).length;
      assert.ok(kept >= Math.min(all.length, window), `${kept} of ${all.length} events kept, of a window of ${window}`);
    }),
    { numRuns: 150 },
  );
});

test('old changes are forgotten but for the newest hundred: what was there before them is expired, what came after is not', () => {
  const cache = new WatchCache({ prefix, decode: () => assert.fail('not asked for') });
  const put = (revision: number) => {
    const stored = new Stored('n/x', objectAt('n/x', revision), revision);
    cache.notePending('n/x', revision, stored);
    const event = {
      type: 'put',
      key: `${prefix}n/x`,
      revision,
      value: Buffer.from('{}'),
      previousRevision: revision - 1,
    };
    cache.apply(event as StoreEvent);
  };
  for (let revision = 1; revision <= 250; revision++) put(revision);
  cache.forget(0);
  assert.equal(cache.since(0).length, 250);
  cache.forget(60);
  assert.throws(() => cache.since(59), isExpired);
  assert.deepEqual([cache.windowStart, cache.since(60).length, shown(cache.snapshotAt(60))], [60, 190, [['n/x', 60]]]);
  cache.forget(240);
  assert.throws(() => cache.snapshotAt(149), isExpired);
  assert.deepEqual([cache.windowStart, cache.since(150).length], [150, 100]);
  put(251);
  assert.deepEqual([cache.windowStart, cache.since(150).at(-1)?.revision], [150, 251]);
});

test('what cannot be decoded is refused, not left out, until it is written anew or gone', () => {
  const undecodable: string[] = [];
  const cache = new WatchCache({
    prefix,
    decode(bytes, revision) {
      if (!bytes.length) throw new StatusError(500, '', 'no object');
      return objectAt(Buffer.from(bytes).toString(), revision);
    },
    onUndecodable: key => undecodable.push(key),
  });
  const entry = (key: string, revision: number, text = key) => ({
    ...{ key: prefix + key, value: Buffer.from(text), revision, createRevision: revision, previousRevision: 0 },
    type: 'put' as const,
  });
  const refuses = (read: () => unknown) => assert.throws(read, { code: 500, message: 'no object' });
  cache.load([entry('a/x', 1), entry('a/y', 2, '')], 2);
  assert.equal(cache.get('a/x')?.revision, 1);
  refuses(() => cache.get('a/y'));
  refuses(() => cache.checkReadable('a/'));
  cache.checkReadable('b/');
  assert.deepEqual([cache.unreadableAt('a/y'), cache.unreadableAt('a/x')], [2, 0]);
  // Read again, and still none.
  cache.restore(entry('a/y', 2, ''));
  refuses(() => cache.get('a/y'));
  cache.apply(entry('a/y', 3));
  assert.equal(cache.get('a/y')?.revision, 3);
  cache.apply(entry('a/x', 4, ''));
  refuses(() => cache.get('a/x'));
  cache.apply({ ...entry('a/x', 5), type: 'delete' });
  assert.equal(cache.get('a/x'), undefined);
  cache.checkReadable('a/');
  refuses(() => cache.treeOf([entry('a/z', 6, '')]));
  assert.deepEqual(undecodable, [`${prefix}a/y`, `${prefix}a/y`, `${prefix}a/x`]);
});
