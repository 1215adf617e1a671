import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import { VirtualClock } from '../../base/clock.ts';
import { createMetrics } from '../../base/metrics.ts';
import { memoryStore } from '../../store/memory-store.ts';
import type { Store } from '../../store/store.ts';
import { startTestServer } from '../test-server.ts';
import { consistencyEveryMs } from './consistency.ts';

const checks = /^apiserver_storage_consistency_checks_total\{group="",resource="configmaps",status="(\w+)"\} (\d+)$/gm;

async function looked(options: { gate?: boolean; list?: (listed: Store['list']) => Store['list'] } = {}) {
  const clock = new VirtualClock();
  const metrics = createMetrics();
  const store = memoryStore({ clock });
  const { gate = true, list } = options;
  const server = await startTestServer({ clock, store, metrics, featureGates: { DetectCacheInconsistency: gate } });
  const client = server.server.client({ userAgent: 'test' });
  for (const name of ['a', 'b']) await client.create(coreV1.configmaps, { metadata: { name, namespace: 'default' } });
  if (list) store.list = list(store.list.bind(store));
  const found: string[][] = [];
  for (let n = 0; n < 2; n++) {
    await clock.advance(consistencyEveryMs);
    for (let turn = 0; turn < 500; turn++) await new Promise(resolve => setImmediate(resolve));
    found.push([...(await metrics.text()).matchAll(checks)].map(([, status, count]) => `${status} ${count}`));
  }
  await server.stop();
  return found;
}

test('caches that hold what the store holds are counted as such, every five minutes', async () => {
  assert.deepEqual(await looked(), [['success 1'], ['success 2']]);
  assert.deepEqual(await looked({ gate: false }), [[], []]);
});

test('what differs is counted, and what could not be told', async () => {
  const without =
    (listed: Store['list']): Store['list'] =>
    async (prefix, options) => {
      const page = await listed(prefix, options);
      return { ...page, entries: page.entries.filter(e => !e.key.endsWith('configmaps/default/b')) };
    };
  assert.deepEqual(await looked({ list: () => without(() => Promise.reject(new Error('away'))) }), [
    ['error 1'],
    ['error 2'],
  ]);
  assert.deepEqual(await looked({ list: without }), [['failure 1'], ['failure 2']]);
});
