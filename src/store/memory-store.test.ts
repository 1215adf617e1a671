import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { VirtualClock } from '../base/clock.ts';
import { memoryStore } from './memory-store.ts';
import { storeConformance } from './store-conformance.ts';

storeConformance('memory', async () => {
  const clock = new VirtualClock();
  const store = memoryStore({ clock });
  return { store, clock, cleanup: () => store.close() };
});

test('bytes are made for who reads them, not for the write', async () => {
  const store = memoryStore({ clock: new VirtualClock() });
  let made = 0;
  const late = {
    get bytes() {
      made++;
      return Buffer.from('1');
    },
  };
  let told = 0;
  store.watch('/', 0, { onEvents: events => (told += events.length), onError() {} });
  await store.create('/a', () => late);
  await store.update('/a', 1, () => late);
  assert.deepEqual([made, told], [0, 2]);
  assert.equal(Buffer.from((await store.get('/a'))!.value).toString(), '1');
  assert.equal(made, 1);
  await store.close();
});

test('a snapshot has the newest of each key that there is, whatever was forgotten', async () => {
  const store = memoryStore({ clock: new VirtualClock() });
  const write = (text: string) => () => Buffer.from(text);
  await store.create('/a', write('1'));
  await store.create('/b', write('2'));
  await store.update('/a', 1, write('3'));
  await store.delete('/b', 2);
  await store.create('/c', write('4'));
  await store.compact(3);
  const file = join(tmpdir(), `k8ts-memory-snapshot-${process.pid}`);
  try {
    for (const step of ['before', 'after'] as const) {
      if (step === 'after') await store.compact(5);
      await store.snapshot(file);
      const [head, ...rows] = readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map(line => JSON.parse(line));
      assert.deepEqual(head, { revision: 5 });
      assert.deepEqual(
        rows.map(row => [row.key, row.revision, Buffer.from(row.value, 'base64').toString()]),
        [
          ['/a', 3, '3'],
          ['/c', 5, '4'],
        ],
      );
    }
  } finally {
    rmSync(file, { force: true });
    await store.close();
  }
});
