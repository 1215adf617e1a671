import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { VirtualClock } from '../base/clock.ts';
import { type Store, StoreCompactedError, StoreConflictError, type StoreEvent, type StoreWatch } from './store.ts';
import { conformToModel } from './store-model.ts';

export interface OpenedStore {
  readonly store: Store;
  /** The clock the store was opened with. */
  readonly clock: VirtualClock;
  /** Closes the store and opens its data again; absent where nothing outlives a store. */
  readonly reopen?: () => Promise<Store>;
  cleanup(): Promise<void>;
}

export const bytes = (text: string) => () => Buffer.from(text);

/** An event as a plain object with text for bytes, to compare. */
export function plain(event: StoreEvent) {
  return {
    type: event.type,
    key: event.key,
    revision: event.revision,
    value: Buffer.from(event.value).toString(),
    previous: event.previous === undefined ? undefined : Buffer.from(event.previous).toString(),
    previousRevision: event.previousRevision,
  };
}

/** A watch that remembers, and can be waited on. */
export class Recorder {
  readonly events: ReturnType<typeof plain>[] = [];
  readonly errors: Error[] = [];
  readonly watch: StoreWatch;
  #wake = () => {};

  constructor(store: Store, prefix: string, after: number) {
    this.watch = store.watch(prefix, after, {
      onEvents: events => {
        this.events.push(...events.map(plain));
        this.#wake();
      },
      onError: error => {
        this.errors.push(error);
        this.#wake();
      },
    });
  }

  get revisions(): number[] {
    return this.events.map(event => event.revision);
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise<void>(resolve => (this.#wake = resolve));
  }
}

const keysOf = (page: { entries: readonly { key: string }[] }) => page.entries.map(entry => entry.key);

function conflict(key: string, currentRevision: number) {
  return (error: unknown) => {
    assert.ok(error instanceof StoreConflictError);
    assert.deepEqual([error.key, error.currentRevision], [key, currentRevision]);
    return true;
  };
}

/** What not every store can promise. */
export interface StoreTraits {
  /**
   * It decides writes in the order they are asked for, before anything is awaited, knows their revisions then, and keeps
   * what a delete leaves for watchers. A store other processes write too cannot.
   */
  readonly decidesAtOnce: boolean;
}

/** Registers a test for each sentence of the Store contract. */
export function storeConformance(
  name: string,
  open: () => Promise<OpenedStore>,
  traits: StoreTraits = { decidesAtOnce: true },
): void {
  const check: Check = (sentence, body, needs = {}) => {
    if (needs.decidesAtOnce && !traits.decidesAtOnce) return;
    test(`${name}: ${sentence}`, async t => {
      const opened = await open();
      try {
        await body(opened, t);
      } finally {
        await opened.cleanup();
      }
    });
  };
  writes(check);
  lists(check);
  watches(check);
  compaction(check);
  expiry(check);
  lifetime(check);
  conformToModel(name, open, traits);
}

type Check = (
  sentence: string,
  body: (opened: OpenedStore, t: TestContext) => Promise<void>,
  /** Registered only for stores that can. */
  needs?: Partial<StoreTraits>,
) => void;

const atOnce: Partial<StoreTraits> = { decidesAtOnce: true };

function writes(check: Check): void {
  check('a new store is at revision 0 and empty', async ({ store }) => {
    assert.equal(store.revision, 0);
    assert.equal(store.compactedRevision, 0);
    assert.equal(await store.get('/a'), undefined);
    assert.deepEqual(await store.list('/'), { entries: [], revision: 0, more: false });
  });

  check('each write gets the next revision and shows its value', async ({ store }) => {
    assert.equal(await store.create('/a', bytes('1')), 1);
    assert.equal(await store.create('/b', bytes('2')), 2);
    assert.equal(await store.update('/a', 1, bytes('3')), 3);
    assert.equal(await store.delete('/b', 2), 4);
    assert.equal(store.revision, 4);
    const a = await store.get('/a');
    assert.deepEqual([a?.key, a?.revision, Buffer.from(a!.value).toString()], ['/a', 3, '3']);
    assert.equal(await store.get('/b'), undefined);
  });

  check('an empty and a large value come back', async ({ store }) => {
    const large = Buffer.alloc(3 << 20, 'k8ts');
    await store.create('/empty', () => new Uint8Array());
    await store.create('/large', () => large);
    assert.equal((await store.get('/empty'))?.value.byteLength, 0);
    assert.ok(large.equals((await store.get('/large'))!.value));
    assert.deepEqual(
      (await store.list('/')).entries.map(entry => entry.value.byteLength),
      [0, 3 << 20],
    );
  });

  check('create rejects an existing key, update and delete another revision', async ({ store }) => {
    await store.create('/a', bytes('1'));
    await assert.rejects(store.create('/a', bytes('2')), conflict('/a', 1));
    await assert.rejects(store.update('/a', 7, bytes('2')), conflict('/a', 1));
    await assert.rejects(store.update('/a', 0, bytes('2')), conflict('/a', 1));
    await assert.rejects(store.update('/x', 1, bytes('2')), conflict('/x', 0));
    await assert.rejects(store.update('/x', 0, bytes('2')), conflict('/x', 0));
    await assert.rejects(store.delete('/a', 7), conflict('/a', 1));
    await assert.rejects(store.delete('/x', 0), conflict('/x', 0));
    assert.equal(store.revision, 1);
    await store.delete('/a', 1);
    await assert.rejects(store.update('/a', 1, bytes('2')), conflict('/a', 0));
    assert.equal(await store.create('/a', bytes('3')), 3);
  });

  check(
    'encode is called at once with the revision the write gets',
    async ({ store }) => {
      const seen: number[] = [];
      const encode = (revision: number) => {
        seen.push(revision);
        return Buffer.from(String(revision));
      };
      const first = store.create('/a', encode);
      const second = store.update('/a', 1, encode);
      const third = store.delete('/a', 2, encode);
      assert.deepEqual(seen, [1, 2, 3]);
      assert.deepEqual(await Promise.all([first, second, third]), [1, 2, 3]);
    },
    atOnce,
  );

  check(
    'encode is not called on a conflict, and its error rejects the write alone',
    async ({ store }) => {
      await store.create('/a', bytes('1'));
      const never = () => assert.fail('encode was called');
      await assert.rejects(store.create('/a', never), StoreConflictError);
      const broken = () => {
        throw new Error('cannot encode');
      };
      await assert.rejects(store.create('/b', broken), /cannot encode/);
      assert.equal(await store.create('/b', bytes('2')), 2);
    },
    atOnce,
  );

  check(
    'decisions count before they are durable; reads show what is durable',
    async ({ store }) => {
      const created = store.create('/a', bytes('1'));
      const refused = store.create('/a', bytes('2'));
      assert.equal(store.revision, 0);
      assert.equal(await store.get('/a'), undefined);
      await assert.rejects(refused, conflict('/a', 1));
      await created;
      assert.equal((await store.get('/a'))?.revision, 1);
    },
    atOnce,
  );

  check(
    'a conflict is told when the write it lost to can be read',
    async ({ store }) => {
      await store.create('/a', bytes('1'));
      const written = store.update('/a', 1, bytes('2'));
      await assert.rejects(store.update('/a', 1, bytes('3')), conflict('/a', 2));
      assert.equal((await store.get('/a'))?.revision, 2);
      assert.equal(await written, 2);
    },
    atOnce,
  );

  check('an error of encode rejects the write alone', async ({ store }) => {
    const broken = () => {
      throw new Error('cannot encode');
    };
    await assert.rejects(store.create('/b', broken), /cannot encode/);
    assert.equal(await store.create('/b', bytes('2')), 1);
  });

  check('of concurrent writers one wins each round', async ({ store }) => {
    await store.create('/n', bytes('0'));
    let conflicts = 0;
    const add = async () => {
      for (;;) {
        const entry = (await store.get('/n'))!;
        const next = String(Number(Buffer.from(entry.value).toString()) + 1);
        try {
          return await store.update('/n', entry.revision, bytes(next));
        } catch (error) {
          assert.ok(error instanceof StoreConflictError);
          conflicts++;
        }
      }
    };
    const revisions = await Promise.all(Array.from({ length: 20 }, add));
    assert.equal(Buffer.from((await store.get('/n'))!.value).toString(), '20');
    assert.equal(new Set(revisions).size, 20);
    assert.equal(store.revision, 21);
    assert.ok(conflicts > 0);
  });

  check('a key that is empty, too long or no Unicode is refused and the next write goes on', async ({ store }) => {
    await assert.rejects(store.create('', bytes('1')), RangeError);
    await assert.rejects(store.create('/\ud800', bytes('1')), RangeError);
    await assert.rejects(store.create('/'.repeat(3000), bytes('1')), RangeError);
    assert.equal(await store.create('/'.repeat(2048), bytes('1')), 1);
    assert.equal((await store.list('//')).entries[0]?.key.length, 2048);
  });
}

function lists(check: Check): void {
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

function watches(check: Check): void {
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

function compaction(check: Check): void {
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

function expiry(check: Check): void {
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

function lifetime(check: Check): void {
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
