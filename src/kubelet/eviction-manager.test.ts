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
    assert.deepEqual([target?.status, target?.reason, target?.observedGeneration], ['True', 'TerminationByKubelet', 1]);
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

test('under pressure the node takes no more pods but critical ones, and of memory those that ask for some', async () => {
  let lacks: readonly string[] = [];
  const t = await startTestNode({
    evictionHard: { 'memory.available': '1Gi', 'nodefs.available': '1Gi', 'pid.available': '10%' },
    evictionSignals: async (): Promise<Signals> =>
      Object.fromEntries(
        ['memory.available', 'nodefs.available', 'pid.available'].map(signal => [
          signal,
          { ...plenty, ...(lacks.includes(signal) ? { available: 1 } : {}) },
        ]),
      ),
  });
  let count = 0;
  const fate = async (more: object = {}, memory = '') => {
    const name = `p${count++}`;
    const requests = memory ? { resources: { requests: { memory } } } : {};
    await t.createPod({
      metadata: { name },
      spec: { containers: [{ name: 'c', image: 'i:1', ...requests }], ...more },
    });
    const { status } = await t.getPod(name);
    if (status.reason) assert.ok((await t.events(name)).includes(`Evicted: ${status.message?.slice(18)}`), name);
    return status.reason ? `${status.reason}: ${status.message}` : status.phase;
  };
  const refused = (conditions: string) => `Evicted: Pod was rejected: The node had condition: [${conditions}]. `;
  try {
    lacks = ['memory.available'];
    await t.pass(11_000);
    const key = 'node.kubernetes.io/memory-pressure';
    const tolerations = [{ key, operator: 'Exists', effect: 'NoSchedule' }];
    assert.equal(await fate(), refused('MemoryPressure'));
    assert.deepEqual([await fate({}, '1Mi'), await fate({ tolerations })], ['Running', 'Running']);
    lacks = ['memory.available', 'nodefs.available', 'pid.available'];
    await t.pass(11_000);
    assert.equal(await fate({ tolerations }, '1Mi'), refused('MemoryPressure DiskPressure PIDPressure'));
    assert.equal(await fate({ priority: 2_000_000_000 }), 'Running');
  } finally {
    await t.stop();
  }
});
