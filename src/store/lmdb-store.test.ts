import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { VirtualClock } from '../base/clock.ts';
import { openLmdbStore } from './lmdb-store.ts';
import { type Store, StoreFullError } from './store.ts';
import { storeConformance } from './store-conformance.ts';
import { StoreOpenError } from './store-error.ts';
import { bytes, Recorder } from './test-store.ts';

const temporary = () => mkdtempSync(join(tmpdir(), 'k8ts-store-'));

// The second gives its pages back after every write.
for (const [name, unmapBytes] of [
  ['lmdb', undefined],
  ['lmdb that is mapped again and again', 1],
] as const)
  storeConformance(name, async () => {
    const clock = new VirtualClock();
    const directory = temporary();
    const options = { directory, clock, ...(unmapBytes ? { unmapBytes } : {}) };
    let store = await openLmdbStore(options);
    return {
      store,
      clock,
      async reopen() {
        await store.close();
        store = await openLmdbStore(options);
        return store;
      },
      async cleanup() {
        await store.close();
        rmSync(directory, { recursive: true, force: true });
      },
    };
  });

function directoryFor(t: TestContext): string {
  const directory = temporary();
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const text = async (store: Store, key: string) => {
  const entry = await store.get(key);
  return entry && Buffer.from(entry.value).toString();
};

function failsToOpen(directory: string, reason: StoreOpenError['reason'], message: RegExp): Promise<void> {
  return assert.rejects(openLmdbStore({ directory }), (error: unknown) => {
    assert.ok(error instanceof StoreOpenError, String(error));
    assert.equal(error.reason, reason);
    assert.match(error.message, message);
    assert.ok(error.message.includes(directory), error.message);
    return true;
  });
}

test('a snapshot taken while writes go on opens in another directory', async t => {
  const directory = directoryFor(t);
  const store = await openLmdbStore({ directory });
  await Promise.all(Array.from({ length: 300 }, (_, i) => store.create(`/${i}`, bytes(`value ${i}`))));
  assert.equal(await store.sizeBytes!(), statSync(join(directory, 'data.mdb')).size);
  const others = Array.from({ length: 300 }, (_, i) => store.create(`/later/${i}`, bytes('x')));
  const target = join(directory, 'copy');
  mkdirSync(target);
  await store.snapshot(join(target, 'data.mdb'));
  await Promise.all(others);
  await store.close();
  const copy = await openLmdbStore({ directory: target });
  const page = await copy.list('/');
  assert.ok(copy.revision >= 300);
  assert.equal(page.entries.length, copy.revision);
  assert.equal(await text(copy, '/7'), 'value 7');
  await copy.create('/new', bytes('y'));
  await copy.close();
  assert.deepEqual(
    readdirSync(target).filter(name => name.endsWith('.partial')),
    [],
  );
});

test('a directory in use is refused with the process that uses it, in this process too', async t => {
  const directory = directoryFor(t);
  const child = fork(join(import.meta.dirname, 'testdata/hold-store.ts'), [directory], { stdio: 'inherit' });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'message');
  await failsToOpen(directory, 'locked', new RegExp(`in use by process ${child.pid}; stop that one first`));
  child.kill('SIGKILL');
  await once(child, 'exit');
  const store = await openLmdbStore({ directory });
  assert.equal(await text(store, '/held'), 'by the child');
  await failsToOpen(directory, 'locked', new RegExp(`in use by process ${process.pid}`));
  await store.close();
  await (await openLmdbStore({ directory })).close();
});

test('damage is told with the directory and what to do', async t => {
  const directory = directoryFor(t);
  const file = join(directory, 'data.mdb');
  const store = await openLmdbStore({ directory });
  for (let i = 0; i < 20; i++) await store.create(`/${i}`, () => Buffer.alloc(5000, `value ${i}`));
  await store.close();
  const good = readFileSync(file);
  const hint = /put a snapshot in its place, or move the directory away/;

  truncateSync(file, good.length - 8192 * 5);
  await failsToOpen(directory, 'damaged', /bytes where \d+ were written/);
  writeFileSync(file, 'this is not a database, whatever its name says'.repeat(1000));
  await failsToOpen(directory, 'damaged', hint);
  writeFileSync(file, good.subarray(0, 8192));
  await failsToOpen(directory, 'damaged', hint);
  const flipped = Buffer.from(good);
  flipped.write('VALUE', good.lastIndexOf('value 7') - 700);
  writeFileSync(file, flipped);
  await failsToOpen(directory, 'damaged', /the bytes are not those written/);
  writeFileSync(file, good);
  await (await openLmdbStore({ directory })).close();
});

test('a value damaged behind the log is found when read', async t => {
  const directory = directoryFor(t);
  const file = join(directory, 'data.mdb');
  const store = await openLmdbStore({ directory });
  for (let i = 0; i < 20; i++) await store.create(`/${i}`, () => Buffer.alloc(5000, `value ${i}`));
  await store.compact(20);
  await store.close();
  const bad = readFileSync(file);
  bad.write('VALUE', bad.lastIndexOf('value 7') - 700);
  writeFileSync(file, bad);
  const again = await openLmdbStore({ directory });
  await assert.rejects(again.get('/7'), { name: 'StoreDamagedError', message: /reading revision 8 in/ });
  assert.equal((await again.get('/8'))?.revision, 9);
  await again.close();
});

test('a newer format, another program’s file and an unusable path are refused', async t => {
  const directory = directoryFor(t);
  const { open } = await import('lmdb');
  const make = async (where: string, fill: (root: ReturnType<typeof open>) => Promise<unknown>) => {
    mkdirSync(where);
    const root = open({ path: join(where, 'data.mdb'), noSubdir: true, pageSize: 8192, overlappingSync: false });
    await fill(root);
    await root.close();
  };
  const newer = join(directory, 'newer');
  await make(newer, root =>
    root
      .openDB<Buffer, Buffer>('meta', { encoding: 'binary', keyEncoding: 'binary' })
      .put(Buffer.from('format'), Buffer.from('k8ts-store 2')),
  );
  await failsToOpen(newer, 'newer', /its format is "k8ts-store 2", this release reads "k8ts-store 1"/);
  const foreign = join(directory, 'foreign');
  await make(foreign, root => root.put('something', 'else'));
  await failsToOpen(foreign, 'damaged', /some other program/);
  writeFileSync(join(directory, 'plain'), '');
  await failsToOpen(join(directory, 'plain'), 'unusable', /making the directory/);
});

test('a full store refuses puts, takes deletes and, once compacted, puts again', async t => {
  const directory = directoryFor(t);
  const store = await openLmdbStore({ directory, maxBytes: 2 << 20 });
  const value = () => Buffer.alloc(4096, 'x');
  let count = 0;
  const full = (error: unknown) => {
    assert.ok(error instanceof StoreFullError);
    assert.match(
      error.message,
      /: it holds \d+ bytes of at most 2097152; delete objects and compact, or start with a higher maximum/,
    );
    assert.ok(error.message.includes(directory));
    return true;
  };
  const crowd = await openLmdbStore({ directory: join(directory, 'crowd'), maxBytes: 2 << 20 });
  const attempts = Array.from({ length: 300 }, (_, i) => crowd.create(`/${i}`, value));
  for (const attempt of await Promise.allSettled(attempts))
    if (attempt.status === 'rejected')
      assert.match(attempt.reason.message, /: it holds \d+ bytes of at most 2097152; /);
  await crowd.close();
  await assert.rejects(async () => {
    for (; count < 1000; count++) await store.create(`/${count}`, value);
  }, full);
  assert.ok(count > 200 && count < 260, `${count} values of 4 KB in 2 MB of 8 KB pages`);
  assert.equal(store.revision, count);
  for (let i = 0; i < 50; i++) await store.delete(`/${i}`, i + 1);
  await store.compact(store.revision);
  for (let i = 0; i < 40; i++) await store.create(`/${i}`, value);
  assert.ok(statSync(join(directory, 'data.mdb')).size < 3 << 20);
  await store.close();
});

test('the log is kept to its length, also across a restart, and old rows go', async t => {
  const directory = directoryFor(t);
  let store = await openLmdbStore({ directory, logLength: 100 });
  let revision = await store.create('/a', bytes('0'));
  for (let i = 1; i <= 500; i++) revision = await store.update('/a', revision, bytes(String(i)));
  assert.equal(store.compactedRevision, 401);
  const recorder = new Recorder(store, '/', 401);
  await recorder.until(() => recorder.events.length === 100);
  assert.equal(recorder.events[0]?.previous, '400');
  await store.close();
  store = await openLmdbStore({ directory, logLength: 100 });
  assert.deepEqual([store.revision, store.compactedRevision], [501, 401]);
  assert.throws(() => store.watch('/', 400, { onEvents() {}, onError() {} }), { name: 'StoreCompactedError' });
  assert.equal(await text(store, '/a'), '500');
  await store.close();
  copyFileSync(join(directory, 'data.mdb'), join(directory, 'copy.mdb'));
  const { open } = await import('lmdb');
  const root = open({ path: join(directory, 'copy.mdb'), noSubdir: true, readOnly: true });
  const rows = root.openDB('revision', { encoding: 'binary', keyEncoding: 'binary' });
  assert.equal(rows.getCount(), 101);
  await root.close();
});

test('an overdue ttl fires after a restart', async t => {
  const directory = directoryFor(t);
  const clock = new VirtualClock();
  const store = await openLmdbStore({ directory, clock });
  await store.create('/a', bytes('1'), { ttlMs: 1000 });
  await store.close();
  const later = new VirtualClock(clock.now() + 5000);
  const again = await openLmdbStore({ directory, clock: later });
  const recorder = new Recorder(again, '/', 1);
  await later.advance(0);
  await recorder.until(() => recorder.events.length === 1);
  assert.equal(recorder.events[0]?.type, 'delete');
  await again.close();
});

function mappedKb(directory: string): number {
  const maps = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[\da-f]+-[\da-f]+ )/m);
  const ours = maps.filter(map => map.split('\n', 1)[0]!.includes(directory) && map.includes('data.mdb'));
  return ours.reduce((sum, map) => sum + Number(/^Rss:\s+(\d+) kB/m.exec(map)![1]), 0);
}

test('pages that were read and given back are no memory of the process', async t => {
  const directory = directoryFor(t);
  const store = await openLmdbStore({ directory });
  await Promise.all(Array.from({ length: 500 }, (_, i) => store.create(`/${i}`, bytes('x'.repeat(5000)))));
  await store.list('/');
  assert.ok(mappedKb(directory) > 3000, `${mappedKb(directory)} kB are mapped after all was read`);
  await store.unmap!();
  assert.ok(mappedKb(directory) < 500, `${mappedKb(directory)} kB are mapped after all was given back`);
  assert.equal((await text(store, '/7'))?.length, 5000);
  await store.close();
});

test('pages are given back by themselves once much was written, while others read, write and copy', async t => {
  const directory = directoryFor(t);
  const store = await openLmdbStore({ directory, unmapBytes: 1 << 20 });
  const value = bytes('x'.repeat(5000));
  let reading = true;
  const reader = (async () => {
    for (let i = 0; reading; i++) {
      const { entries } = await store.list('/', { limit: 20 });
      assert.ok(entries.every(entry => entry.value.length === 5000));
      await store.get(`/${i % 100}`);
      await new Promise(resolve => setImmediate(resolve));
    }
  })();
  for (let round = 0; round < 20; round++) {
    await Promise.all(Array.from({ length: 100 }, (_, i) => store.create(`/${round * 100 + i}`, value)));
    if (round % 5 === 0) await store.snapshot(join(directory, `copy-${round}`));
  }
  reading = false;
  await reader;
  for (let tries = 0; tries < 100 && mappedKb(directory) > 4000; tries++) await new Promise(r => setTimeout(r, 10));
  // All of it would be 16 MB.
  assert.ok(mappedKb(directory) <= 4000, `${mappedKb(directory)} kB are mapped`);
  assert.equal((await store.list('/')).entries.length, 2000);
  await store.close();
});
