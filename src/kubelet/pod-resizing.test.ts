// Resizes of init containers and of pods as a whole.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cloneDeep } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import type { Pod } from '../api/type/core-v1.ts';
import type { UpdateContainerResourcesRequest } from '../cri/type.ts';
import { noCgroups } from './cgroup.ts';
import { podCgroup } from './kernel/qos.ts';
import { startTestNode, type TestNode, type TestNodeOptions } from './test-node.ts';

const image = 'example.com/app:1';
const both = (cpu: string, memory: string) => ({
  requests: { cpu, memory },
  limits: { cpu, memory },
});
type Resources = ReturnType<typeof both>;

async function startNode(options: TestNodeOptions = {}) {
  const updates: UpdateContainerResourcesRequest[] = [];
  const groups: number[] = [];
  const ensure = async (pod: Pod) => void groups.push(podCgroup(pod).memoryBytes / 2 ** 20);
  const t = await startTestNode({ ...options, cgroups: { ...noCgroups, version: 2, ensure } });
  const update = t.runtime.UpdateContainerResources.bind(t.runtime);
  t.runtime.UpdateContainerResources = request => {
    updates.push(request);
    return update(request);
  };
  return { t, updates, groups };
}

async function change(t: TestNode, name: string, edit: (spec: any) => void): Promise<void> {
  const pod = cloneDeep(await t.getPod(name));
  edit(pod.spec);
  pod.metadata.generation = Number(pod.metadata.generation ?? 1) + 1;
  await t.client.update(coreV1.pods, pod);
  await t.pass(100);
}

const resizeEvents = async (t: TestNode, name: string) =>
  (await t.events(name)).filter(e => e.startsWith('Resize')).map(e => e.split(':')[0]);

test('an init container that runs is resized as it runs', async () => {
  const { t, updates } = await startNode();
  try {
    const setup = { name: 'setup', image, resources: both('1', '64Mi') };
    const app = { name: 'app', image, resources: both('1', '64Mi') };
    await t.createPod({ metadata: { name: 'p' }, spec: { initContainers: [setup], containers: [app] } });
    await change(t, 'p', spec => {
      spec.initContainers[0].resources = both('2', '64Mi');
    });
    const [status] = (await t.getPod('p')).status?.initContainerStatuses ?? [];
    assert.equal(status?.resources?.limits?.cpu, '2');
    assert.deepEqual(
      updates.map(u => u.linux?.cpu_quota),
      [200_000],
    );
    assert.deepEqual(await resizeEvents(t, 'p'), ['ResizeStarted', 'ResizeCompleted']);
  } finally {
    await t.stop();
  }
});

/** The CPU quota and MiB of memory of each. */
const limits = (updates: readonly UpdateContainerResourcesRequest[]) =>
  updates.map(({ linux }) => [linux?.cpu_quota, (linux?.memory_limit_in_bytes ?? 0) / 2 ** 20]);

const podLevel = (resources: Resources) => ({ resources, containers: [{ name: 'app', image }] });

test('a pod with resources of its own is resized as a whole', async () => {
  const { t, groups, updates } = await startNode();
  try {
    await t.createPod({ metadata: { name: 'p' }, spec: podLevel(both('1', '64Mi')) });
    const resourcesOf = async () => {
      const { resources, allocatedResources } = (await t.getPod('p')).status ?? {};
      return { resources, allocatedResources };
    };
    const told = (resources: Resources) => ({ resources, allocatedResources: resources.requests });
    assert.deepEqual(await resourcesOf(), told(both('1', '64Mi')));
    await change(t, 'p', spec => {
      spec.resources = both('1', '128Mi');
    });
    assert.deepEqual(groups, [64, 128]);
    assert.deepEqual(await resourcesOf(), told(both('1', '128Mi')));
    // Its container has no limits of its own: it is held to the pod's, and its status shows none.
    assert.deepEqual(limits(updates), [[100_000, 128]]);
    assert.equal((await t.getPod('p')).status?.containerStatuses?.[0]?.resources?.limits, undefined);
    assert.deepEqual(await resizeEvents(t, 'p'), ['ResizeStarted', 'ResizeCompleted']);
    await change(t, 'p', spec => {
      spec.resources = both('9', '128Mi');
    });
    const { conditions } = (await t.getPod('p')).status!;
    const pending = conditions?.find(c => c.type === 'PodResizePending');
    assert.equal(pending?.reason, 'Infeasible');
    await t.pass(10_000);
    const written = groups.length;
    await t.pass(60_000);
    assert.equal(groups.length, written, 'nothing is written again and again while it waits');
    assert.deepEqual(await resourcesOf(), told(both('1', '128Mi')));
    await t.restart();
    await t.pass(1000);
    assert.deepEqual(await resourcesOf(), told(both('1', '128Mi')), 'what was granted stays');
    assert.deepEqual([...new Set(groups.slice(1))], [128]);
    assert.equal(updates.length, 1);
  } finally {
    await t.stop();
  }
});

test('a pod does not get less memory than it uses', async () => {
  let memoryBytes = 100 * 2 ** 20;
  const behaviour = () => ({
    get memoryBytes() {
      return memoryBytes;
    },
  });
  const { t, groups, updates } = await startNode({ simulate: { behaviour } });
  try {
    await t.createPod({ metadata: { name: 'p' }, spec: podLevel(both('1', '128Mi')) });
    await change(t, 'p', spec => {
      spec.resources = both('1', '64Mi');
    });
    await t.pass(20_000);
    assert.deepEqual([groups, limits(updates)], [[128], []]);
    const progress = async () => (await t.getPod('p')).status?.conditions?.find(c => c.type === 'PodResizeInProgress');
    const message =
      'cannot decrease memory limits: attempting to set pod memory limit (67108864) below current usage (104857600)';
    assert.deepEqual([(await progress())?.reason, (await progress())?.message], ['Error', message]);
    assert.deepEqual(await resizeEvents(t, 'p'), ['ResizeStarted', 'ResizeError']);
    memoryBytes = 2 ** 20;
    await t.pass(6000);
    assert.deepEqual([groups, await progress()], [[128, 64], undefined]);
    assert.deepEqual(limits(updates), [[100_000, 64]]);
    assert.deepEqual(await resizeEvents(t, 'p'), ['ResizeStarted', 'ResizeError', 'ResizeCompleted']);
  } finally {
    await t.stop();
  }
});

test('a resize keeps to what the node enforces', async () => {
  const { t, updates } = await startNode({ enforceCpuQuota: false, singleProcessOomKill: true });
  try {
    await t.createPod({
      metadata: { name: 'p' },
      spec: { containers: [{ name: 'app', image, resources: both('1', '64Mi') }] },
    });
    await change(t, 'p', spec => {
      spec.containers[0].resources = both('2', '64Mi');
    });
    assert.deepEqual(
      updates.map(({ linux }) => [linux?.cpu_shares, linux?.cpu_quota, linux?.unified]),
      [[2048, 0, undefined]],
    );
  } finally {
    await t.stop();
  }
});

test('events of a resize say what is wanted, by which generation, and what is in the way', async () => {
  let failing = false;
  const { t } = await startNode();
  const update = t.runtime.UpdateContainerResources.bind(t.runtime);
  t.runtime.UpdateContainerResources = async request => {
    if (failing) throw new Error('no luck');
    return update(request);
  };
  try {
    await t.restart();
    await t.createPod({
      metadata: { name: 'p' },
      spec: { containers: [{ name: 'app', image, resources: both('1', '64Mi') }] },
    });
    const resize = (cpu: string) =>
      change(t, 'p', spec => {
        spec.containers[0].resources = both(cpu, '64Mi');
      });
    const text = async (generation: number, error?: string) => {
      const { resources } = (await t.getPod('p')).spec.containers[0]!;
      const wanted = {
        containers: [{ name: 'app', resources }],
        generation,
        ...(error === undefined ? {} : { error }),
      };
      return JSON.stringify(wanted);
    };
    const last = async (count: number) => {
      const { items } = await t.client.list(coreV1.events, {});
      const told = items.filter(e => e.reason?.startsWith('Resize')).map(e => `${e.type} ${e.reason}: ${e.message}`);
      return told.slice(-count);
    };
    await resize('2');
    assert.deepEqual(await last(2), [
      `Normal ResizeStarted: Pod resize started: ${await text(2)}`,
      `Normal ResizeCompleted: Pod resize completed: ${await text(2)}`,
    ]);
    await resize('99');
    const capacity = "Node didn't have enough capacity: cpu, requested: 99000, capacity: 4000";
    assert.deepEqual(await last(1), [`Warning ResizeInfeasible: Pod resize Infeasible: ${await text(3, capacity)}`]);
    failing = true;
    await resize('1');
    assert.deepEqual(await last(2), [
      `Normal ResizeStarted: Pod resize started: ${await text(4)}`,
      `Warning ResizeError: Pod resize error: ${await text(4, 'no luck')}`,
    ]);
  } finally {
    await t.stop();
  }
});
