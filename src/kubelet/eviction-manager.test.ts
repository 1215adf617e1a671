import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import type { Pod } from '../api/type/core-v1.ts';
import type { Signals } from './kernel/eviction.ts';
import { startTestNode } from './test-node.ts';

const pod = (name: string, memory: string, memoryBytes: number, more: object = {}, acts: object = {}): Draft<Pod> => ({
  metadata: { name, annotations: { 'k8ts.local/simulate': JSON.stringify({ memoryBytes, ...acts }) } },
  spec: { containers: [{ name: 'c', image: 'i:1', resources: { requests: { memory } } }], ...more },
});
const plenty = { available: 2 ** 33, capacity: 2 ** 33 };

test('under memory pressure the node says so, and the pod that exceeds its request the most goes first', async () => {
  let memory = plenty;
  const t = await startTestNode({
    evictionSignals: async (): Promise<Signals> => ({ 'memory.available': memory, 'nodefs.available': plenty }),
  });
  try {
    await t.createPod(pod('small', '1Gi', 2 ** 29));
    await t.createPod(pod('large', '1Gi', 2 ** 31));
    await t.createPod(pod('critical', '1Mi', 2 ** 32, { priority: 2_000_000_000 }));
    await t.pass(20_000);
    assert.deepEqual(
      (await t.events('node-a')).filter(e => e.startsWith('EvictionThresholdMet')),
      [],
    );
    memory = { available: 50 * 2 ** 20 + 1, capacity: 2 ** 33 };
    await t.pass(11_000);
    memory = plenty;
    await t.pass(5_000);
    const { status } = await t.getPod('large');
    const message =
      'The node was low on resource: memory. Threshold quantity: 100Mi, available: 51200Ki. Container c was using 2Gi, request is 1Gi, has larger consumption of memory. ';
    assert.deepEqual([status.phase, status.reason, status.message], ['Failed', 'Evicted', message]);
    const target = status.conditions?.find(c => c.type === 'DisruptionTarget');
    assert.deepEqual([target?.status, target?.reason], ['True', 'TerminationByKubelet']);
    assert.ok((await t.events('large')).includes(`Evicted: ${message}`));
    assert.ok((await t.events('node-a')).includes('EvictionThresholdMet: Attempting to reclaim memory'));
    for (const name of ['small', 'critical']) assert.equal((await t.getPod(name)).status.phase, 'Running', name);
  } finally {
    await t.stop();
  }
});

test('a soft threshold is for a while, pods get time to end, and pressure stays until enough is back', async () => {
  let memory = plenty;
  const t = await startTestNode({
    evictionSignals: async (): Promise<Signals> => ({ 'memory.available': memory }),
    eviction: {
      soft: { 'memory.available': '1Gi' },
      softGraceMs: { 'memory.available': 60_000 },
      minimumReclaim: { 'memory.available': '512Mi' },
      transitionMs: 30_000,
      maxPodGraceSeconds: 15,
    },
  });
  try {
    const available = (mebibytes: number) => ({ available: mebibytes * 2 ** 20, capacity: 2 ** 33 });
    const pressure = async () => {
      const node = await t.client.get(coreV1.nodes, { name: 'node-a' });
      return node.status?.conditions?.find(c => c.type === 'MemoryPressure')?.status;
    };
    const reclaims = async () => {
      const { items } = await t.client.list(coreV1.events, {});
      return items.filter(e => e.reason === 'EvictionThresholdMet').reduce((sum, e) => sum + (e.count ?? 1), 0);
    };
    await t.createPod(pod('one', '1Gi', 2 ** 30, {}, { ignoresTerm: true }));
    memory = available(1000);
    await t.pass(50_000);
    assert.deepEqual([await pressure(), await reclaims()], ['True', 0]);
    // Well for a moment, and the time begins anew.
    memory = plenty;
    await t.pass(11_000);
    memory = available(1000);
    await t.pass(50_000);
    assert.deepEqual([(await t.getPod('one')).status.phase, await reclaims()], ['Running', 0]);
    await t.pass(20_000);
    assert.deepEqual([(await t.getPod('one')).status.phase, await reclaims()], ['Running', 1]);
    // Above the threshold, but not by what is to be got back.
    memory = available(1100);
    await t.pass(30_000);
    assert.deepEqual([(await t.getPod('one')).status.reason, (await reclaims()) > 1], ['Evicted', true]);
    await t.pass(60_000);
    assert.equal(await pressure(), 'True');
    memory = available(1600);
    await t.pass(50_000);
    assert.equal(await pressure(), 'False');
  } finally {
    await t.stop();
  }
});
