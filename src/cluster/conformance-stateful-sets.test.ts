// The essence of the official suite's tests of stateful sets, on virtual time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appsV1, coreV1 } from '../api/refs.ts';
import { conformanceBench, behavingTemplate as template } from './test-conformance.ts';

type Any = any;

const { cluster, client, until, namespace, podsOf, get, patch } = conformanceBench('t', 17);
const stateful = (ns: string, more: object = {}, podTemplate = template({ app: 's' })) =>
  client.create(appsV1.statefulsets, {
    metadata: { namespace: ns, name: 'ss' },
    spec: { serviceName: 'test', selector: { matchLabels: { app: 's' } }, template: podTemplate, ...more },
  });
const setReady = (ns: string, n: number) =>
  until(async () => {
    const { status, metadata } = await get(appsV1.statefulsets, ns, 'ss');
    return (
      status.observedGeneration === metadata.generation &&
      (status.readyReplicas ?? 0) === n &&
      status.replicas === n &&
      (await podsOf(ns)).length === n
    );
  });
const gated = template({ app: 's' }, undefined, { readinessGates: [{ conditionType: 'example.com/go' }] });
const open = async (ns: string, name: string, status = 'True') => {
  const body = { status: { conditions: [{ type: 'example.com/go', status }] } };
  await client.patch(coreV1.pods, { namespace: ns, name }, { type: 'strategic', body }, { subresource: 'status' });
};

test('[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Scaling should happen in predictable order and halt if any stateful pod is unhealthy [Slow]', async () => {
  const ns = await namespace();
  await stateful(ns, { replicas: 3 }, gated);
  for (const i of [0, 1, 2]) {
    await until(async () =>
      (await podsOf(ns)).some(p => p.metadata.name === `ss-${i}` && p.status.phase === 'Running'),
    );
    await cluster.advance('1m');
    assert.equal((await podsOf(ns)).length, i + 1);
    await open(ns, `ss-${i}`);
  }
  await setReady(ns, 3);
  for (const name of ['ss-0', 'ss-1', 'ss-2']) await open(ns, name, 'False');
  await cluster.settled();
  await patch(appsV1.statefulsets, ns, 'ss', { spec: { replicas: 0 } });
  await cluster.advance('1m');
  assert.equal((await podsOf(ns)).length, 3);
  const order: string[] = [];
  const watching = client.watch(
    coreV1.pods,
    { namespace: ns, resourceVersion: (await client.list(coreV1.pods)).metadata.resourceVersion },
    {
      onEvent: (type: string, p: Any) => type === 'DELETED' && order.push(p.metadata.name),
      onClose() {},
    },
  );
  for (const name of ['ss-0', 'ss-1', 'ss-2']) await open(ns, name);
  await setReady(ns, 0);
  watching.stop();
  assert.deepEqual(order, ['ss-2', 'ss-1', 'ss-0']);
});

test('[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Burst scaling should run to completion even with unhealthy pods [Slow]', async () => {
  const ns = await namespace();
  await stateful(ns, { replicas: 1, podManagementPolicy: 'Parallel' }, gated);
  await until(async () => (await podsOf(ns)).length === 1);
  await patch(appsV1.statefulsets, ns, 'ss', { spec: { replicas: 3 } });
  await until(async () => (await podsOf(ns)).filter(p => p.status.phase === 'Running').length === 3);
  await patch(appsV1.statefulsets, ns, 'ss', { spec: { replicas: 0 } });
  await until(async () => (await podsOf(ns)).length === 0);
});

test('[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Should recreate evicted statefulset', async () => {
  const ns = await namespace();
  await stateful(ns, { replicas: 1 });
  await setReady(ns, 1);
  const [first] = await podsOf(ns);
  await client.updateStatus(coreV1.pods, { ...first, status: { ...first.status, phase: 'Failed', reason: 'Evicted' } });
  await until(async () =>
    (await podsOf(ns)).some(p => p.metadata.uid !== first.metadata.uid && p.status.phase === 'Running'),
  );
});

test('[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should perform rolling updates and roll backs of template modifications', async () => {
  const ns = await namespace();
  await stateful(ns, { replicas: 3 });
  await setReady(ns, 3);
  const { currentRevision } = (await get(appsV1.statefulsets, ns, 'ss')).status;
  const image = (name: string) =>
    patch(appsV1.statefulsets, ns, 'ss', {
      spec: { template: { spec: { containers: [{ name: 'c', image: name }] } } },
    });
  const rolled = async (name: string) => {
    await until(async () => {
      const { status, metadata } = await get(appsV1.statefulsets, ns, 'ss');
      return (
        status.observedGeneration === metadata.generation &&
        status.currentRevision === status.updateRevision &&
        status.readyReplicas === 3
      );
    });
    assert.ok((await podsOf(ns)).every(p => p.spec.containers[0].image === name));
  };
  await image('two');
  await rolled('two');
  assert.notEqual((await get(appsV1.statefulsets, ns, 'ss')).status.currentRevision, currentRevision);
  await image('i');
  await rolled('i');
  assert.equal((await get(appsV1.statefulsets, ns, 'ss')).status.currentRevision, currentRevision);
});

test('[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should perform canary updates and phased rolling updates of template modifications', async () => {
  const ns = await namespace();
  await stateful(ns, { replicas: 3 });
  await setReady(ns, 3);
  const part = (partition: number) =>
    patch(appsV1.statefulsets, ns, 'ss', {
      spec: { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition } } },
    });
  const images = async () =>
    Object.fromEntries((await podsOf(ns)).map(p => [p.metadata.name, p.spec.containers[0].image]));
  await part(3);
  await patch(appsV1.statefulsets, ns, 'ss', {
    spec: { template: { spec: { containers: [{ name: 'c', image: 'two' }] } } },
  });
  await cluster.advance('1m');
  assert.deepEqual(await images(), { 'ss-0': 'i', 'ss-1': 'i', 'ss-2': 'i' });
  await part(2);
  await until(async () => (await images())['ss-2'] === 'two');
  await setReady(ns, 3);
  // A pod that goes comes back in the revision of its part.
  const before = (await podsOf(ns)).map(p => p.metadata.uid);
  for (const name of ['ss-0', 'ss-2']) await client.delete(coreV1.pods, { namespace: ns, name });
  await until(async () => (await podsOf(ns)).filter(p => !before.includes(p.metadata.uid)).length === 2);
  await setReady(ns, 3);
  assert.deepEqual(await images(), { 'ss-0': 'i', 'ss-1': 'i', 'ss-2': 'two' });
  await part(0);
  await until(async () => Object.values(await images()).every(i => i === 'two'));
});
