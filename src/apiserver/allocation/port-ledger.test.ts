import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../base/clock.ts';
import { memoryStore } from '../../store/memory-store.ts';
import { decodeStored } from '../registry/stored-form.ts';
import { PortLedger } from './port-ledger.ts';

function ledgers(used: number[] = [], range: readonly [number, number] = [30000, 32767]) {
  const store = memoryStore({ clock: new VirtualClock() });
  const make = () => new PortLedger({ store, range, inUse: () => used });
  return { store, one: make(), two: make() };
}

test('a port is claimed once, all or nothing, and can be had again', async () => {
  const { one, two } = ledgers([30005]);
  assert.equal(await one.claim([30001, 30002]), undefined);
  assert.equal(await two.claim([30003, 30002]), 30002);
  assert.equal(await two.claim([30003]), undefined);
  assert.equal(await one.claim([30005]), 30005);
  await two.release([30001]);
  assert.equal(await one.claim([30001]), undefined);
});

test('of servers claiming at the same time one gets the port', async () => {
  const { one, two } = ledgers();
  const results = await Promise.all(Array.from({ length: 10 }, (_, i) => (i % 2 ? one : two).claim([30007])));
  assert.equal(results.filter(r => r === undefined).length, 1);
});

test('repair takes what services have and frees what none had three times in a row', async () => {
  const used = [30001];
  const { one, two } = ledgers(used);
  await one.claim([30009]);
  used.push(30002);
  assert.deepEqual(await two.repair(), { lost: new Set([30002]), suspects: true });
  assert.equal(await one.claim([30002]), 30002);
  used.push(30009);
  assert.deepEqual(await two.repair(), { lost: new Set(), suspects: false }, 'a service has it');
  used.pop();
  for (const suspects of [true, true, false]) {
    assert.equal(await one.claim([30009]), 30009);
    assert.deepEqual(await two.repair(), { lost: new Set(), suspects });
  }
  assert.equal(await one.claim([30009]), undefined);
});

test('the record is kube-apiserver\u2019s: a big-endian number, bit by bit from the first port', async () => {
  const { store, one } = ledgers();
  await one.claim([30000, 30009]);
  const entry = await store.get('/registry/ranges/servicenodeports');
  const record = decodeStored(entry!.value, entry!.revision) as unknown as {
    kind: string;
    range: string;
    data: string;
  };
  assert.deepEqual([record.kind, record.range, record.data], ['RangeAllocation', '30000-32767', 'AgE=']);
});
