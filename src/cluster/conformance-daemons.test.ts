// The essence of the official suite's tests of daemon sets, on virtual time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appsV1, coreV1 } from '../api/refs.ts';
import { conformanceBench, simulate, behavingTemplate as template } from './test-conformance.ts';

type Any = any;

const { cluster, client, until, namespace, podsOf, get, patch, gone } = conformanceBench('d', 16);
const daemon = (ns: string, more: object = {}, podTemplate = template({ app: 'd' })) =>
  client.create(appsV1.daemonsets, {
    metadata: { namespace: ns, name: 'd' },
    spec: { selector: { matchLabels: { app: 'd' } }, template: podTemplate, ...more },
  });
const daemonReady = (ns: string, n: number) =>
  until(async () => {
    const { status, metadata } = await get(appsV1.daemonsets, ns, 'd');
    return (
      status.observedGeneration === metadata.generation &&
      status.numberAvailable === n &&
      status.updatedNumberScheduled === n
    );
  });

test('[sig-apps] Daemon set [Serial] should run and stop simple daemon', async () => {
  const ns = await namespace();
  await daemon(ns);
  await daemonReady(ns, 2);
  const [first] = await podsOf(ns);
  await client.delete(coreV1.pods, { namespace: ns, name: first.metadata.name });
  await until(
    async () =>
      (await podsOf(ns)).filter(p => p.metadata.uid !== first.metadata.uid && p.status.phase === 'Running').length ===
      2,
  );
});

test('[sig-apps] Daemon set [Serial] should run and stop complex daemon', async () => {
  const ns = await namespace();
  await daemon(ns, {}, template({ app: 'd' }, undefined, { nodeSelector: { color: 'blue' } }));
  await cluster.settled();
  assert.equal((await podsOf(ns)).length, 0);
  const paint = (color: string | null) =>
    client.patch(coreV1.nodes, { name: 'node-1' }, { type: 'merge', body: { metadata: { labels: { color } } } });
  await paint('blue');
  await until(async () => (await podsOf(ns)).length === 1);
  await paint('green');
  await until(async () => (await podsOf(ns)).length === 0);
  await patch(appsV1.daemonsets, ns, 'd', {
    spec: { template: { spec: { nodeSelector: { color: 'green' } } }, updateStrategy: { type: 'RollingUpdate' } },
  });
  await until(async () => (await podsOf(ns)).length === 1);
  await paint(null);
});

test('[sig-apps] Daemon set [Serial] should retry creating failed daemon pods', async () => {
  const ns = await namespace();
  await daemon(ns);
  await daemonReady(ns, 2);
  const [first] = await podsOf(ns);
  await client.updateStatus(coreV1.pods, { ...first, status: { ...first.status, phase: 'Failed' } });
  await until(() => gone(get(coreV1.pods, ns, first.metadata.name)));
  await daemonReady(ns, 2);
});

test('[sig-apps] Daemon set [Serial] should update pod when spec was updated and update strategy is RollingUpdate', async () => {
  const ns = await namespace();
  await daemon(ns);
  await daemonReady(ns, 2);
  await patch(appsV1.daemonsets, ns, 'd', {
    spec: { template: { spec: { containers: [{ name: 'c', image: 'two' }] } } },
  });
  await daemonReady(ns, 2);
  assert.ok((await podsOf(ns)).every(p => p.spec.containers[0].image === 'two'));
  const revisions = (await client.list(appsV1.controllerrevisions, { namespace: ns })).items;
  assert.deepEqual(revisions.map((r: Any) => r.revision).sort(), [1, 2]);
  // The suite knows the present one by its bytes: those that Go writes of a map.
  const { template } = (await get(appsV1.daemonsets, ns, 'd')).spec;
  const inOrder = (_: string, value: Any) =>
    value && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  assert.equal(
    JSON.stringify(revisions.find((r: Any) => r.revision === 2).data),
    JSON.stringify({ spec: { template: { ...template, $patch: 'replace' } } }, inOrder),
  );
});

test('[sig-apps] Daemon set [Serial] should rollback without unnecessary restarts', async () => {
  const ns = await namespace();
  await daemon(ns);
  await daemonReady(ns, 2);
  const image = (name: string) =>
    patch(appsV1.daemonsets, ns, 'd', {
      spec: {
        template: {
          metadata: { annotations: name === 'i' ? { 'k8ts.local/simulate': null } : simulate({ startError: 'no' }) },
          spec: { containers: [{ name: 'c', image: name }] },
        },
      },
    });
  await image('foo:non-existent');
  const untouched = await until(async () => {
    const pods = await podsOf(ns);
    return pods.some(p => p.spec.containers[0].image !== 'i') && pods.filter(p => p.spec.containers[0].image === 'i');
  });
  assert.equal(untouched.length, 1);
  await image('i');
  await daemonReady(ns, 2);
  const now = await get(coreV1.pods, ns, untouched[0].metadata.name);
  assert.equal(now.metadata.uid, untouched[0].metadata.uid);
  assert.equal(now.status.containerStatuses[0].restartCount, 0);
});
