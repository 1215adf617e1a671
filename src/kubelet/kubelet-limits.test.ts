// What a configuration holds a node to, besides its defaults.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { Draft } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import type { Pod } from '../api/type/core-v1.ts';
import { linuxResources } from './kernel/container-config.ts';
import { podCgroup } from './kernel/qos.ts';
import { startTestNode, type TestNode } from './test-node.ts';

let node: TestNode | undefined;
afterEach(() => node?.stop());

const podOf = (name: string, image: string): Draft<Pod> =>
  ({ metadata: { name }, spec: { containers: [{ name: 'c', image, imagePullPolicy: 'Always' }] } }) as Draft<Pod>;

test('pulls that begin too fast fail, and are tried again', async () => {
  node = await startTestNode({ imagePullRate: { qps: 0.01, burst: 1 } });
  await node.createPod(podOf('a', 'a:1'));
  await node.createPod(podOf('b', 'b:1'));
  await node.pass(500);
  assert.equal((await node.getPod('a')).status?.phase, 'Running');
  assert.ok((await node.events('b')).includes('Failed: Failed to pull image "b:1": pull QPS exceeded'));
  await node.pass(600_000);
  assert.equal((await node.getPod('b')).status?.phase, 'Running');
});

test('events that come too fast wait', async () => {
  node = await startTestNode({ eventRate: { qps: 1, burst: 2 } });
  await node.createPod(podOf('a', 'a:1'));
  await node.pass(1000);
  const written = async () => (await node!.client.list(coreV1.events, {})).items.length;
  const early = await written();
  assert.ok(early <= 4, `${early} events`);
  await node.pass(30_000);
  assert.ok((await written()) > early);
});

test('a node that does not count local storage tells of none', async () => {
  node = await startTestNode({ localStorageIsolation: false });
  const { status } = node.client.object(coreV1.nodes, { name: 'node-a' })!;
  assert.deepEqual(
    [status?.capacity?.['ephemeral-storage'], status?.allocatable?.['ephemeral-storage']],
    [undefined, undefined],
  );
});

test('CPU quotas of another period', () => {
  const resources = { limits: { cpu: '500m', memory: '1Gi' } };
  const pod = { metadata: {}, spec: { containers: [{ name: 'c', resources }] } } as unknown as Pod;
  const settings = { memoryCapacityBytes: 2 ** 33, cgroupVersion: 2 as const, cpuPeriodUs: 10_000 };
  const { cpu_period, cpu_quota } = linuxResources({ pod, container: pod.spec.containers[0]!, ...settings });
  assert.deepEqual([cpu_period, cpu_quota], [10_000, 5000]);
  const { cpuPeriodUs, cpuQuotaUs } = podCgroup(pod, 20_000);
  assert.deepEqual([cpuPeriodUs, cpuQuotaUs], [20_000, 10_000]);
});
