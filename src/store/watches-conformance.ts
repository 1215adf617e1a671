// The sentences of the Store contract on what stores tell: lists and watches.
import assert from 'node:assert/strict';
import { type Store, StoreCompactedError } from './store.ts';
import { atOnce, bytes, type Check, keysOf, Recorder } from './test-store.ts';

export function lists(check: Check): void {
  const fill = async (store: Store, keys: readonly string[]) => {
    for (const key of keys) await store.create(key, bytes(key));
  };

  check('list gives keys with the prefix in UTF-8 order', async ({ store }) => {
    const keys = ['/p/b', '/p/\u{1f600}', '/p/a', '/p', '/p/\uffee', '/q', '/p/a/b', '/p/é', '/p-'];
    await fill(store, keys);
    const page = await store.list('/p/');
    assert.deepEqual(keysOf(page), ['/p/a', '/p/a/b', '/p/b', '/p/é', '/p/\uffee', '/p/\u{1f600}']);
    assert.deepEqual([page.revision, page.more], [keys.length, false]);
    assert.equal(Buffer.from(page.entries[0]!.value).toString(), '/p/a');
    assert.deepEqual(keysOf(await store.list('')).length, keys.length);
  });

  check('limit, after and more walk through pages', async ({ store }) => {
    await fill(store, ['/p/1', '/p/2', '/p/3', '/p/4', '/p/5', '/q']);
    const first = await store.list('/p/', { limit: 2 });
    assert.deepEqual([keysOf(first), first.more], [['/p/1', '/p/2'], true]);
    const second = await store.list('/p/', { limit: 2, after: '/p/2' });
    assert.deepEqual([keysOf(second), second.more], [['/p/3', '/p/4'], true]);
    const third = await store.list('/p/', { limit: 2, after: '/p/4' });
    assert.deepEqual([keysOf(third), third.more], [['/p/5'], false]);
    assert.deepEqual(keysOf(await store.list('/p/', { after: '/p/25' })), ['/p/3', '/p/4', '/p/5']);
    assert.deepEqual(keysOf(await store.list('/p/', { after: '/a' })).length, 5);
    assert.deepEqual(keysOf(await store.list('/p/', { after: '/z' })), []);
    assert.equal((await store.list('/p/', { limit: 5 })).more, false);
  });

  check('a scan shows what a list at its revision does, where values are at hand', async ({ store }) => {
    if (!store.scan) return;
    await fill(store, ['/p/b', '/p/\u{1f600}', '/p/a', '/q', '/p/\uffee']);
    await store.update('/p/a', 3, bytes('new'));
    await store.create('/p/later', bytes('x'.repeat(20_000)));
    for (const revision of [5, 6, 7]) {
      const shown: [string, number, string][] = [];
      await store.scan('/p/', revision, e => shown.push([e.key, e.revision, Buffer.from(e.value).toString()]));
      const { entries } = await store.list('/p/', { revision });
      assert.deepEqual(
        shown,
        entries.map(e => [e.key, e.revision, Buffer.from(e.value).toString()]),
      );
    }
    await assert.rejects(
      store.scan('/p/', 99, () => {}),
      RangeError,
    );
    await store.compact(5);
    await assert.rejects(
      store.scan('/p/', 4, () => {}),
      StoreCompactedError,
    );
  });

  check('what was read and given back can be read and written as before', async ({ store }) => {
    await fill(store, ['/p/a', '/p/b']);
    const [first] = (await store.list('/p/')).entries;
    const before = store.create('/p/c', bytes('c'));
    const unmapped = store.unmap?.();
    const after = store.create('/p/d', bytes('d'));
    await unmapped;
    const made = [await before, await after];
    const last = Math.max(...made);
    assert.equal(Math.min(...made), last - 1);
    assert.equal(Buffer.from((await store.get('/p/c'))!.value).toString(), 'c');
    assert.equal(await store.update('/p/a', first!.revision, bytes('new')), last + 1);
    assert.deepEqual(keysOf(await store.list('/p/')), ['/p/a', '/p/b', '/p/c', '/p/d']);
  });

  check('a list at an old revision shows what was there then', async ({ store }) => {
    await fill(store, ['/p/a', '/p/b', '/p/c']);
    await store.delete('/p/b', 2);
    await store.update('/p/a', 1, bytes('new'));
    await store.create('/p/b', bytes('again'));
    await store.create('/p/aa', bytes('later'));
    const then = await store.list('/p/', { revision: 3 });
    const show = (page: typeof then) => page.entries.map(e => [e.key, e.revision, Buffer.from(e.value).toString()]);
    assert.deepEqual(show(then), [
      ['/p/a', 1, '/p/a'],
      ['/p/b', 2, '/p/b'],
      ['/p/c', 3, '/p/c'],
    ]);
    assert.equal(then.revision, 3);
    const middle = await store.list('/p/', { revision: 5 });
    assert.deepEqual(show(middle), [
      ['/p/a', 5, 'new'],
      ['/p/c', 3, '/p/c'],
    ]);
    const page = await store.list('/p/', { revision: 3, limit: 1, after: '/p/a' });
    assert.deepEqual([keysOf(page), page.more], [['/p/b'], true]);
    await assert.rejects(store.list('/p/', { revision: 99 }), RangeError);
  });

  check(
    'a long list is one revision though writes go on',
    async ({ store }) => {
      const count = 1500;
      await Promise.all(Array.from({ length: count }, (_, i) => store.create(`/p/${i}`, bytes('old'))));
      const listed = store.list('/p/');
      const writes = Array.from({ length: count }, (_, i) => store.update(`/p/${i}`, i + 1, bytes('new')));
      await Promise.all([...writes.slice(0, 10), store.create('/p/x', bytes('new'))]);
      const page = await listed;
      await Promise.all(writes);
      assert.deepEqual([page.revision, page.entries.length], [count, count]);
      assert.ok(page.entries.every(entry => Buffer.from(entry.value).toString() === 'old'));
    },
    atOnce,
  );
}

export function watches(check: Check): void {
  check(
    'a watch tells of puts and deletes with what was before',
    async ({ store }) => {
      const recorder = new Recorder(store, '/p/', 0);
      await store.create('/p/a', bytes('1'));
      await store.create('/q', bytes('x'));
      await store.update('/p/a', 1, bytes('2'));
      await store.delete('/p/a', 3, bytes('final'));
      await store.create('/p/a', bytes('3'));
      await store.delete('/p/a', 5);
      const key = '/p/a';
      assert.deepEqual(recorder.events, [
        { type: 'put', key, revision: 1, value: '1', previous: undefined, previousRevision: 0 },
        { type: 'put', key, revision: 3, value: '2', previous: '1', previousRevision: 1 },
        { type: 'delete', key, revision: 4, value: 'final', previous: '2', previousRevision: 3 },
        { type: 'put', key, revision: 5, value: '3', previous: undefined, previousRevision: 0 },
        { type: 'delete', key, revision: 6, value: '3', previous: '3', previousRevision: 5 },
      ]);
    },
    atOnce,
  );

  check('a watch tells of what was before; of a delete the last value when encode gave none', async ({ store }) => {
    const recorder = new Recorder(store, '/p/', 0);
    await store.create('/p/a', bytes('1'));
    await store.update('/p/a', 1, bytes('2'));
    await store.create('/q', bytes('x'));
    await store.delete('/p/a', 2);
    const key = '/p/a';
    assert.deepEqual(recorder.events, [
      { type: 'put', key, revision: 1, value: '1', previous: undefined, previousRevision: 0 },
      { type: 'put', key, revision: 2, value: '2', previous: '1', previousRevision: 1 },
      { type: 'delete', key, revision: 4, value: '2', previous: '2', previousRevision: 2 },
    ]);
  });

  check('a write is answered after watchers have its event, and the event is durable', async ({ store }) => {
    const log: string[] = [];
    store.watch('/', 0, {
      onEvents: events => {
        for (const event of events) {
          assert.ok(store.revision >= event.revision);
          log.push(`event ${event.revision}`);
        }
      },
      onError: assert.fail,
    });
    const write = async (i: number) => log.push(`answer ${await store.create(`/${i}`, bytes('1'))}`);
    await Promise.all(Array.from({ length: 50 }, (_, i) => write(i)));
    for (let i = 1; i <= 50; i++) assert.ok(log.indexOf(`event ${i}`) < log.indexOf(`answer ${i}`));
    assert.equal(log.length, 100);
  });

  check('a watch from an old revision gets each later event once, in order', async ({ store }) => {
    for (let i = 0; i < 1200; i += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, j) => store.create(`/${i + j}`, bytes('1'))));
    }
    const old = new Recorder(store, '/', 100);
    const now = new Recorder(store, '/', store.revision);
    const future = new Recorder(store, '/', store.revision + 1);
    await store.create('/x', bytes('1'));
    assert.deepEqual(
      old.revisions,
      Array.from({ length: 1101 }, (_, i) => 101 + i),
    );
    await store.create('/y', bytes('1'));
    await store.create('/z', bytes('1'));
    assert.deepEqual(now.revisions, [1201, 1202, 1203]);
    assert.deepEqual(future.revisions, [1202, 1203]);
    const quiet = new Recorder(store, '/', 1);
    await quiet.until(() => quiet.events.length === 1202);
    assert.equal(quiet.revisions.at(-1), 1203);
  });

  check('nothing is told after stop', async ({ store }) => {
    const stopped = new Recorder(store, '/', 0);
    await store.create('/a', bytes('1'));
    stopped.watch.stop();
    stopped.watch.stop();
    const other = new Recorder(store, '/', 1);
    await store.create('/b', bytes('1'));
    assert.deepEqual([stopped.revisions, other.revisions], [[1], [2]]);
  });

  check(
    'nothing is told after stop, not even from within a delivery',
    async ({ store }) => {
      const stopped = new Recorder(store, '/', 0);
      await store.create('/a', bytes('1'));
      stopped.watch.stop();
      stopped.watch.stop();
      const others: Recorder[] = [];
      const stopOthers = () => {
        for (const other of others) other.watch.stop();
      };
      store.watch('/', 1, { onEvents: stopOthers, onError: assert.fail });
      others.push(new Recorder(store, '/', 1), new Recorder(store, '/', 0));
      others.at(-1)!.watch.stop();
      await store.create('/b', bytes('1'));
      assert.deepEqual(stopped.revisions, [1]);
      assert.deepEqual(
        others.map(other => other.revisions),
        [[], []],
      );
    },
    atOnce,
  );

  check('a watcher may write and watch from within a delivery', async ({ store }) => {
    const inner: Recorder[] = [];
    const answers: Promise<number>[] = [];
    store.watch('/a', 0, {
      onEvents: () => {
        inner.push(new Recorder(store, '/', 0));
        answers.push(store.create('/b', bytes('2')));
      },
      onError: assert.fail,
    });
    await store.create('/a', bytes('1'));
    await Promise.all(answers);
    assert.deepEqual(
      inner.map(recorder => recorder.revisions),
      [[1, 2]],
    );
  });

  check('a watcher that throws is ended with that error; others go on', async ({ store }) => {
    const errors: Error[] = [];
    store.watch('/', 0, {
      onEvents: () => {
        throw new Error('cannot take it');
      },
      onError: error => errors.push(error),
    });
    const other = new Recorder(store, '/', 0);
    await store.create('/a', bytes('1'));
    await store.create('/b', bytes('1'));
    assert.deepEqual(
      errors.map(error => error.message),
      ['cannot take it'],
    );
    assert.deepEqual(other.revisions, [1, 2]);
  });
}
