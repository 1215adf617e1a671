import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from '../base/clock.ts';
import { openBackup, verifyBackup, writeBackup } from './backup-file.ts';
import { compactLmdb, openLmdbCopy, replaceLmdb } from './lmdb-copy.ts';
import { openLmdbStore } from './lmdb-store.ts';
import type { CopiedEntry, StoreCopy } from './store-copy.ts';
import { bytes, Recorder } from './test-store.ts';

const about = { made: '2026-01-01T00:00:00.000Z', k8ts: '0.1.0' };

function directoryFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-copy-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const plain = (entries: readonly { key: string; revision: number; value: Uint8Array }[]) =>
  entries.map(e => [e.key, e.revision, Buffer.from(e.value).toString('latin1')]);

async function all(copy: StoreCopy): Promise<CopiedEntry[]> {
  const entries: CopiedEntry[] = [];
  for await (const entry of copy.entries()) entries.push(entry);
  return entries;
}

const given = (entries: CopiedEntry[], revision: number): StoreCopy => ({
  revision,
  form: 'embedded',
  async *entries() {
    yield* entries;
  },
  close: async () => {},
});

test('a store in use is copied as it was at one moment, and a backup of it restored', async t => {
  const directory = directoryFor(t);
  const store = await openLmdbStore({ directory, clock: new VirtualClock() });
  for (let i = 0; i < 30; i++) await store.create(`/registry/pods/n/${i}`, bytes(`value ${i}`));
  await store.update('/registry/pods/n/3', 4, bytes('newer'));
  await store.create('/registry/events/n/e', bytes('event'), { ttlMs: 60_000 });
  const before = await store.list('/');
  const copy = await openLmdbCopy(directory);
  await store.update('/registry/pods/n/4', 5, bytes('after the copy'));
  await store.delete('/registry/pods/n/5', 6);
  const file = join(directory, 'backup');
  const written = await writeBackup(file, copy, about);
  assert.deepEqual([written.keys, copy.revision], [31, 32]);
  assert.equal(written.bytes, statSync(file).size);
  await copy.close();

  const target = join(directory, 'target');
  const backup = await openBackup(file);
  assert.deepEqual(backup.header, { ...about, revision: 32, form: 'embedded' });
  await assert.rejects(replaceLmdb(directory, backup, { revision: r => r }), {
    name: 'StoreOpenError',
    reason: 'locked',
  });
  const done = await replaceLmdb(target, backup, { revision: present => Math.max(present, backup.revision) + 1000 });
  assert.deepEqual(done, { keys: 31, revision: 1032 });
  for (const [place, keptAs] of [
    [target, join(target, 'former')],
    [join(directoryFor(t), 'empty'), undefined],
  ] as const) {
    const again = await openBackup(file);
    const { keptAs: told } = await replaceLmdb(place, again, { revision: () => 1032, keepAs: 'former' });
    await again.close();
    assert.equal(told, keptAs);
    assert.equal(existsSync(join(place, 'former')), keptAs !== undefined);
  }
  const clock = new VirtualClock();
  const restored = await openLmdbStore({ directory: target, clock });
  const page = await restored.list('/');
  assert.deepEqual(plain(page.entries), plain(before.entries));
  assert.deepEqual([page.revision, restored.compactedRevision], [1032, 1032]);
  assert.throws(() => restored.watch('/', 32, { onEvents() {}, onError() {} }), { name: 'StoreCompactedError' });
  assert.equal(await restored.update('/registry/pods/n/3', 31, bytes('on')), 1033);
  const recorder = new Recorder(restored, '/registry/events/', 1032);
  await clock.advance(60_000);
  await recorder.until(() => recorder.events.length === 1);
  assert.equal(recorder.events[0]!.type, 'delete', 'it keeps its end');
  await store.close();
  await restored.close();

  const again = await replaceLmdb(directory, await openBackup(file), { revision: r => r + 1, keepAs: 'former' });
  assert.equal(again.revision, 35);
  assert.deepEqual(readdirSync(directory).sort(), ['backup', 'data.mdb', 'former', 'lock', 'lock.pid', 'target']);
  await assert.rejects(
    replaceLmdb(directory, await openBackup(file), { revision: r => r, mustBeEmpty: true }),
    /holds 31 keys: want an empty one/,
  );
});

test('compaction makes the file small and keeps what is there', async t => {
  const directory = directoryFor(t);
  let store = await openLmdbStore({ directory });
  const big = () => Buffer.alloc(9000, 'x');
  for (let i = 0; i < 100; i++) await store.create(`/${i}`, big);
  for (let i = 0; i < 95; i++) await store.delete(`/${i}`, i + 1);
  const before = await store.list('/');
  await assert.rejects(compactLmdb(directory), { reason: 'locked' });
  await store.close();
  const { revision, bytesBefore, bytesAfter } = await compactLmdb(directory);
  assert.equal(revision, 195);
  assert.ok(bytesAfter * 4 < bytesBefore, `${bytesBefore} bytes before, ${bytesAfter} after`);
  store = await openLmdbStore({ directory });
  assert.deepEqual(plain((await store.list('/')).entries), plain(before.entries));
  assert.equal(store.compactedRevision, 195);
  await store.close();
});

test('statistics of a store that another process uses', async t => {
  const directory = directoryFor(t);
  const child = fork(join(import.meta.dirname, 'testdata/hold-store.ts'), [directory], { stdio: 'inherit' });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'message');
  const copy = await openLmdbCopy(directory);
  const { keys, revision, resources, holder, usedBytes, fileBytes } = copy.statistics();
  assert.deepEqual([keys, revision, resources], [1, 1, [{ prefix: '/held', keys: 1, bytes: 12 }]]);
  assert.ok(usedBytes > 0 && fileBytes >= usedBytes);
  if (existsSync('/proc/locks')) assert.equal(holder, String(child.pid));
  await copy.close();
  child.kill('SIGKILL');
  await once(child, 'exit');
  const later = await openLmdbCopy(directory);
  assert.equal(later.statistics().holder, undefined);
  await later.close();
});

test('a backup takes the place of data that is damaged in any of its parts', async t => {
  const directory = directoryFor(t);
  const store = await openLmdbStore({ directory, clock: new VirtualClock() });
  await Promise.all(
    Array.from({ length: 400 }, (_, i) => store.create(`/registry/pods/n/${i}`, bytes('v'.repeat(500)))),
  );
  await store.close();
  const file = join(directory, 'data.mdb');
  const whole = readFileSync(file);
  const page = 8192;
  const pages = whole.length / page;
  assert.ok(pages > 24, `${pages} pages`);
  const entry = { key: '/registry/pods/n/a', revision: 1, value: Buffer.from('restored'), expiresAtMs: 0 };
  for (let i = 0; i < 8; i++) {
    const damaged = Buffer.from(whole);
    damaged.fill(
      0,
      page * (2 + Math.floor(((pages - 2) * i) / 8)),
      page * (2 + Math.floor(((pages - 2) * (i + 1)) / 8)),
    );
    writeFileSync(file, damaged);
    const { keys } = await replaceLmdb(directory, given([entry], 1), { revision: present => present + 1000 });
    assert.equal(keys, 1);
  }
});

test('what is not a store, or not there, is refused', async t => {
  const directory = directoryFor(t);
  await assert.rejects(openLmdbCopy(directory), /there is no data.mdb/);
  writeFileSync(join(directory, 'data.mdb'), 'x'.repeat(100_000));
  await assert.rejects(openLmdbCopy(directory), { reason: 'damaged' });
});

const key = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter(k => k.isWellFormed());
const entry = fc.record({
  key,
  value: fc.uint8Array({ maxLength: 3000 }),
  revision: fc.integer({ min: 1, max: 2 ** 40 }),
  expiresAtMs: fc.constantFrom(0, 1_800_000_000_000),
});

test('a backup file gives back what was written; one that is cut or changed anywhere is refused', async t => {
  const file = join(directoryFor(t), 'backup');
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(entry, { maxLength: 20, selector: e => e.key }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      async (entries, at, flip) => {
        const sorted = entries.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
        await writeBackup(file, given(sorted, 2 ** 40), about);
        const backup = await openBackup(file);
        assert.deepEqual(plain(await all(backup)), plain(sorted));
        const good = readFileSync(file);
        writeFileSync(file, good.subarray(0, at % good.length));
        await assert.rejects(verifyBackup(file), { name: 'StoreCopyError' });
        const bad = Buffer.from(good);
        bad[at % good.length]! ^= flip;
        writeFileSync(file, bad);
        await assert.rejects(verifyBackup(file), { name: 'StoreCopyError' });
      },
    ),
    { numRuns: 60 },
  );
});

test('a backup that is none, of another version or with something behind is refused in words', async t => {
  const directory = directoryFor(t);
  const file = join(directory, 'backup');
  const refused = (what: RegExp) => assert.rejects(verifyBackup(file), { name: 'StoreCopyError', message: what });
  await refused(/no such file/);
  writeFileSync(file, 'kind: Pod\n');
  await refused(/it is not a backup made by k8ts store backup/);
  writeFileSync(file, 'k8ts-backup 2\n{}\n');
  await refused(/its version is 2, this release reads 1; use the release that wrote it, or a newer one/);
  await writeBackup(file, given([], 5), about);
  assert.equal(await verifyBackup(file), 0);
  appendFileSync(file, 'x');
  await refused(/something follows its end/);
  // What cannot be trusted to its end changes nothing.
  const target = join(directory, 'target');
  await replaceLmdb(target, given([{ key: '/a', value: Buffer.from('1'), revision: 1, expiresAtMs: 0 }], 1), {
    revision: () => 1,
  });
  await assert.rejects(replaceLmdb(target, await openBackup(file), { revision: r => r }), { name: 'StoreCopyError' });
  const store = await openLmdbStore({ directory: target });
  assert.equal((await store.get('/a'))?.revision, 1);
  await store.close();
});
