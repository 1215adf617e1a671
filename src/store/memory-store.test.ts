import assert from 'node:assert/strict';
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
