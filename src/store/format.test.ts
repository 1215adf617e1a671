// What was written once is read for good. testdata/format-1.mdb.gz and .backup.gz were written by release 0.1.0 and are
// never written again: a release with another format brings files of its own and must still read, or refuse in words, these.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { VirtualClock } from '../base/clock.ts';
import { openBackup } from './backup-file.ts';
import { openLmdbCopy, replaceLmdb } from './lmdb-copy.ts';
import { formatMessage } from './lmdb-rows.ts';
import { openLmdbStore } from './lmdb-store.ts';
import type { Store } from './store.ts';
import { Recorder } from './test-store.ts';

function unpacked(t: TestContext, name: string, as: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-format-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, as), gunzipSync(readFileSync(join(import.meta.dirname, 'testdata', name))));
  return directory;
}

const pod = (name: string, revision: number, text: string) =>
  `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"${name}","namespace":"n","resourceVersion":"${revision}"},"spec":{"text":"${text}"}}`;

const held: [string, number, string][] = [
  ['/registry/configmaps/n/größe', 10, '{"utf8":"ключ 10"}'],
  ['/registry/events/n/e', 9, 'event 9'],
  ['/registry/pods/n/p0', 1, pod('p0', 1, 'first 0')],
  ['/registry/pods/n/p1', 7, pod('p1', 7, 'second')],
  ['/registry/pods/n/p3', 12, pod('p3', 12, 'second')],
  ['/registry/pods/n/p4', 5, pod('p4', 5, 'first 4')],
  ['/registry/pods/n/p5', 6, pod('p5', 6, 'first 5')],
  ['/registry/secrets/n/large', 11, 'large value '.repeat(4000).slice(0, 40_000)],
];

async function holdsAll(store: Store): Promise<void> {
  const { entries } = await store.list('');
  assert.deepEqual(
    entries.map(e => [e.key, e.revision, Buffer.from(e.value).toString()]),
    held,
  );
}

test('a data file of format 1 opens with every value, the log, the ends of keys, and goes on', async t => {
  const directory = unpacked(t, 'format-1.mdb.gz', 'data.mdb');
  const clock = new VirtualClock();
  const store = await openLmdbStore({ directory, clock });
  assert.deepEqual([store.revision, store.compactedRevision], [12, 4]);
  await holdsAll(store);
  const recorder = new Recorder(store, '', 4);
  await recorder.until(() => recorder.events.length === 8);
  assert.deepEqual(
    recorder.events.map(e => [e.type, e.key.split('/').at(-1), e.revision, e.previousRevision]),
    [
      ['put', 'p4', 5, 0],
      ['put', 'p5', 6, 0],
      ['put', 'p1', 7, 2],
      ['delete', 'p2', 8, 3],
      ['put', 'e', 9, 0],
      ['put', 'größe', 10, 0],
      ['put', 'large', 11, 0],
      ['put', 'p3', 12, 4],
    ],
  );
  assert.equal(recorder.events[3]!.value, pod('p2', 8, 'last'));
  await clock.advance(3_600_000);
  await recorder.until(() => recorder.events.length === 9);
  assert.deepEqual([recorder.events[8]!.type, recorder.events[8]!.key], ['delete', '/registry/events/n/e']);
  await store.close();
});

test('a backup of version 1 is restored with every value', async t => {
  const directory = unpacked(t, 'format-1.backup.gz', 'backup');
  const backup = await openBackup(join(directory, 'backup'));
  assert.deepEqual(backup.header, { revision: 12, form: 'embedded', made: '2026-11-21T00:00:00.000Z', k8ts: '0.1.0' });
  const target = join(directory, 'target');
  await replaceLmdb(target, backup, { revision: () => 12 });
  const store = await openLmdbStore({ directory: target, clock: new VirtualClock() });
  await holdsAll(store);
  await store.close();
  const copy = await openLmdbCopy(target);
  assert.equal(copy.statistics().format, 'k8ts-store 1');
  await copy.close();
});

test('data of another format is refused with what to do', () => {
  assert.match(
    formatMessage('k8ts-store 2'),
    /"k8ts-store 2".*"k8ts-store 1"; it is newer: use the release that wrote it/,
  );
  assert.match(formatMessage('k8ts-store 0'), /it is older: make a backup with the release that wrote it/);
});
