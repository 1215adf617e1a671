// The essence of the official suite's tests of deployments and revisions, on simulated nodes and virtual time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appsV1, coreV1 } from '../api/refs.ts';
import { conformanceBench, webPod as pod, selecting, simulate } from './test-conformance.ts';

type Any = any;

const { cluster, client, until, namespace, podsOf, get, patch, gone, ready } = conformanceBench('v', 19);

test('[sig-apps] Deployment should run the lifecycle of a Deployment', async () => {
  const ns = await namespace();
  const d = appsV1.deployments;
  const labels = { 'test-deployment-static': 'true' };
  await client.create(d, { metadata: { namespace: ns, name: 'd', labels }, spec: selecting(labels, { replicas: 2 }) });
  await ready(d, ns, 'd', 2);
  await patch(d, ns, 'd', {
    metadata: { labels: { 'test-deployment': 'patched' } },
    spec: { replicas: 1, template: { spec: { terminationGracePeriodSeconds: 0 } } },
  });
  await ready(d, ns, 'd', 1);
  assert.equal((await client.list(d, { labelSelector: 'test-deployment-static=true' })).items.length, 1);
  const read = await get(d, ns, 'd');
  await client.update(d, {
    ...read,
    metadata: { ...read.metadata, labels: { ...read.metadata.labels, 'test-deployment': 'updated' } },
    spec: { ...read.spec, replicas: 2 },
  });
  await ready(d, ns, 'd', 2);
  const faked = await patch(
    d,
    ns,
    'd',
    {
      metadata: { labels: { 'test-deployment': 'x' } },
      status: { readyReplicas: 1, availableReplicas: 1, unavailableReplicas: 1 },
    },
    { subresource: 'status' },
  );
  assert.equal(faked.status.readyReplicas, 1);
  assert.equal(faked.metadata.labels['test-deployment'], 'updated');
  await ready(d, ns, 'd', 2);
  await client.deleteCollection(d, { namespace: ns, labelSelector: 'test-deployment-static=true' });
  await until(() => gone(get(d, ns, 'd')));
});

test('[sig-apps] Deployment RecreateDeployment should delete old pods and create new ones', async () => {
  const ns = await namespace();
  const d = appsV1.deployments;
  await client.create(d, {
    metadata: { namespace: ns, name: 'd' },
    spec: selecting({ app: 'x' }, { replicas: 2, strategy: { type: 'Recreate' } }),
  });
  await ready(d, ns, 'd', 2, 'availableReplicas');
  let both = false;
  const watching = client.watch(coreV1.pods, { namespace: ns }, { onEvent() {}, onClose() {} });
  await patch(d, ns, 'd', { spec: { template: { spec: { containers: [{ name: 'c', image: 'two' }] } } } });
  await until(async () => {
    const images = new Set(
      (await podsOf(ns)).filter(p => p.status.phase === 'Running').map(p => p.spec.containers[0].image),
    );
    both ||= images.size > 1;
    return images.size === 1 && images.has('two');
  });
  watching.stop();
  assert.equal(both, false);
});

test('[sig-apps] Deployment RollingUpdateDeployment should delete old pods and create new ones', async () => {
  const ns = await namespace();
  const rs = await client.create(appsV1.replicasets, {
    metadata: {
      namespace: ns,
      name: 'old',
      labels: { name: 'pod' },
      annotations: { 'deployment.kubernetes.io/revision': '3546343826724305832' },
    },
    spec: selecting({ name: 'pod' }, { replicas: 1 }),
  });
  await ready(appsV1.replicasets, ns, 'old', 1);
  await client.create(appsV1.deployments, {
    metadata: { namespace: ns, name: 'd' },
    spec: selecting({ name: 'pod' }, { replicas: 1 }, pod({ name: 'pod' }, 'two')),
  });
  await until(async () => (await get(appsV1.deployments, ns, 'd')).status.updatedReplicas === 1);
  await until(async () => ((await get(appsV1.replicasets, ns, 'old')).status.replicas ?? 0) === 0);
  const old = await get(appsV1.replicasets, ns, 'old');
  assert.equal(old.metadata.uid, rs.metadata.uid);
  assert.equal(old.metadata.ownerReferences[0].name, 'd');
  assert.equal(
    (await get(appsV1.deployments, ns, 'd')).metadata.annotations['deployment.kubernetes.io/revision'],
    '3546343826724305833',
  );
});

test('[sig-apps] Deployment deployment should delete old replica sets', async () => {
  const ns = await namespace();
  await client.create(appsV1.replicasets, {
    metadata: { namespace: ns, name: 'old', labels: { name: 'cleanup' } },
    spec: selecting({ name: 'cleanup' }, { replicas: 1 }),
  });
  await ready(appsV1.replicasets, ns, 'old', 1);
  await client.create(appsV1.deployments, {
    metadata: { namespace: ns, name: 'd' },
    spec: selecting({ name: 'cleanup' }, { replicas: 1, revisionHistoryLimit: 0 }, pod({ name: 'cleanup' }, 'two')),
  });
  await until(
    async () =>
      (await client.list(appsV1.replicasets, { namespace: ns })).items.length === 1 &&
      gone(get(appsV1.replicasets, ns, 'old')),
  );
});

test('[sig-apps] Deployment deployment should support rollover', async () => {
  const ns = await namespace();
  const d = appsV1.deployments;
  await client.create(appsV1.replicasets, {
    metadata: { namespace: ns, name: 'old', labels: { name: 'r' } },
    spec: selecting({ name: 'r' }, { replicas: 1 }),
  });
  await ready(appsV1.replicasets, ns, 'old', 1);
  const rolling = {
    replicas: 1,
    minReadySeconds: 10,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
  };
  // A pod that never gets ready: the roll-out cannot end.
  const stuck = pod({ name: 'r' }, 'stuck', {}, simulate({ startError: 'no' }));
  await client.create(d, { metadata: { namespace: ns, name: 'd' }, spec: selecting({ name: 'r' }, rolling, stuck) });
  await until(async () => (await get(d, ns, 'd')).status.updatedReplicas === 1);
  await patch(d, ns, 'd', {
    spec: { template: pod({ name: 'r' }, 'good', {}, { 'k8ts.local/simulate': null as never }) },
  });
  await until(async () => {
    const { status, metadata } = await get(d, ns, 'd');
    return (
      status.availableReplicas === 1 &&
      status.updatedReplicas === 1 &&
      status.replicas === 1 &&
      status.observedGeneration === metadata.generation
    );
  });
  const sets = (await client.list(appsV1.replicasets, { namespace: ns })).items;
  assert.deepEqual(sets.map((r: Any) => r.spec.replicas).sort(), [0, 0, 1]);
});

test('[sig-apps] Deployment deployment should support proportional scaling', async () => {
  const ns = await namespace();
  const d = appsV1.deployments;
  const rolling = {
    replicas: 10,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } },
  };
  await client.create(d, { metadata: { namespace: ns, name: 'd' }, spec: selecting({ name: 'p' }, rolling) });
  await ready(d, ns, 'd', 10, 'availableReplicas');
  const stuck = pod({ name: 'p' }, 'missing', {}, simulate({ startError: 'no' }));
  await patch(d, ns, 'd', { spec: { template: stuck } });
  const sizes = async () => {
    const sets = (await client.list(appsV1.replicasets, { namespace: ns })).items;
    const of = (image: string) =>
      sets.find((r: Any) => r.spec.template.spec.containers[0].image === image)?.spec.replicas;
    return [of('registry.example/web:1'), of('missing')].join();
  };
  await until(async () => (await sizes()) === '8,5');
  await patch(d, ns, 'd', { spec: { replicas: 30 } });
  await until(async () => (await sizes()) === '20,13');
});

test('[sig-apps] ControllerRevision [Serial] should manage the lifecycle of a ControllerRevision', async () => {
  const ns = await namespace();
  const cr = appsV1.controllerrevisions;
  await client.create(appsV1.daemonsets, { metadata: { namespace: ns, name: 'ds' }, spec: selecting({ app: 'ds' }) });
  const initial = (await until(async () => (await client.list(cr, { namespace: ns })).items[0])) as Any;
  const label = initial.metadata.labels['controller-revision-hash'];
  assert.ok(label);
  await patch(cr, ns, initial.metadata.name, { metadata: { labels: { [initial.metadata.name]: 'patched' } } });
  const copy = await client.create(cr, {
    metadata: {
      namespace: ns,
      name: 'copy',
      labels: initial.metadata.labels,
      ownerReferences: initial.metadata.ownerReferences,
    },
    data: initial.data,
    revision: initial.revision + 1,
  });
  await cluster.settled();
  assert.equal((await client.list(cr, { namespace: ns })).items.length, 2);
  await client.delete(cr, { namespace: ns, name: initial.metadata.name });
  await until(() => gone(get(cr, ns, initial.metadata.name)));
  const read = await get(cr, ns, copy.metadata.name);
  await client.update(cr, {
    ...read,
    metadata: { ...read.metadata, labels: { ...read.metadata.labels, copy: 'updated' } },
  });
  assert.equal((await client.list(cr, { labelSelector: 'copy=updated' })).items.length, 1);
  await assert.rejects(patch(cr, ns, 'copy', { data: { other: 1 } }), /data: Invalid value|field is immutable/);
  await client.deleteCollection(cr, { namespace: ns, labelSelector: 'copy=updated' });
  assert.ok(await gone(get(cr, ns, 'copy')));
});
