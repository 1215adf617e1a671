// The essence of the official suite's tests of sets of equal pods, on simulated nodes and virtual time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appsV1, batchV1, coreV1 } from '../api/refs.ts';
import { conformanceBench, webPod as pod, selecting } from './test-conformance.ts';

type Any = any;

const { cluster, client, until, namespace, podsOf, get, patch, gone, ready } = conformanceBench('w', 7);

// The three kinds of sets of equal pods.
for (const [title, ref, extra] of [
  ['[sig-apps] ReplicaSet Replicaset should have a working scale subresource', appsV1.replicasets, {}],
  ['[sig-apps] Deployment Deployment should have a working scale subresource', appsV1.deployments, {}],
  [
    '[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should have a working scale subresource',
    appsV1.statefulsets,
    { serviceName: 's' },
  ],
] as const) {
  test(title, async () => {
    const ns = await namespace();
    await client.create(ref, {
      metadata: { namespace: ns, name: 'x' },
      spec: selecting({ app: 'x' }, { replicas: 1, ...extra }),
    });
    await ready(ref, ns, 'x', 1);
    const scale = await client.getSubresource(ref, { namespace: ns, name: 'x' }, 'scale');
    assert.deepEqual([scale.kind, scale.apiVersion], ['Scale', 'autoscaling/v1']);
    assert.deepEqual([scale.spec.replicas, scale.status.replicas, scale.status.selector], [1, 1, 'app=x']);
    const scaled = await client.updateSubresource(ref, { namespace: ns, name: 'x' }, 'scale', {
      ...scale,
      spec: { replicas: 2 },
    });
    assert.equal(scaled.spec.replicas, 2);
    assert.equal((await get(ref, ns, 'x')).spec.replicas, 2);
    const patched = await patch(ref, ns, 'x', { spec: { replicas: 4 } }, { subresource: 'scale' });
    assert.equal(patched.spec.replicas, 4);
    await ready(ref, ns, 'x', 4);
  });
}

test('[sig-apps] ReplicationController should get and update a ReplicationController scale', async () => {
  const ns = await namespace();
  const spec = { replicas: 1, selector: { app: 'x' }, template: pod({ app: 'x' }) };
  await client.create(coreV1.replicationcontrollers, { metadata: { namespace: ns, name: 'x' }, spec });
  await ready(coreV1.replicationcontrollers, ns, 'x', 1);
  const scale = await client.getSubresource(coreV1.replicationcontrollers, { namespace: ns, name: 'x' }, 'scale');
  assert.equal(scale.status.replicas, 1);
  await client.updateSubresource(coreV1.replicationcontrollers, { namespace: ns, name: 'x' }, 'scale', {
    ...scale,
    spec: { replicas: 2 },
  });
  await ready(coreV1.replicationcontrollers, ns, 'x', 2);
});

const statusCondition = (message: string) => ({
  type: 'StatusUpdate',
  status: 'True',
  reason: 'E2E',
  message,
  lastTransitionTime: '2026-01-01T00:00:00Z',
});

for (const [title, ref, spec] of [
  [
    '[sig-apps] ReplicaSet should validate Replicaset Status endpoints',
    appsV1.replicasets,
    selecting({ app: 'x' }, { replicas: 1 }),
  ],
  [
    '[sig-apps] Deployment should validate Deployment Status endpoints',
    appsV1.deployments,
    selecting({ app: 'x' }, { replicas: 1 }),
  ],
  [
    '[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should validate Statefulset Status endpoints',
    appsV1.statefulsets,
    selecting({ app: 'x' }, { replicas: 1, serviceName: 's' }),
  ],
  [
    '[sig-apps] Daemon set [Serial] should verify changes to a daemon set status',
    appsV1.daemonsets,
    selecting({ app: 'x' }),
  ],
  [
    '[sig-apps] Job should apply changes to a job status',
    batchV1.jobs,
    { template: pod({}, 'i', { restartPolicy: 'Never' }) },
  ],
] as const) {
  test(title, async () => {
    const ns = await namespace();
    await client.create(ref, { metadata: { namespace: ns, name: 'x' }, spec });
    await until(async () => (await podsOf(ns)).some(p => p.status.phase === 'Running'));
    await cluster.settled();
    const read = await client.getSubresource(ref, { namespace: ns, name: 'x' }, 'status');
    const conditions = [...(read.status.conditions ?? []), statusCondition('updated')];
    const updated = await client.updateStatus(ref, { ...read, status: { ...read.status, conditions } });
    assert.ok(updated.status.conditions.some((c: Any) => c.message === 'updated'));
    const body = {
      metadata: { annotations: { patchedstatus: 'true' } },
      status: { conditions: [statusCondition('patched')] },
    };
    const patched = await patch(ref, ns, 'x', body, { subresource: 'status' });
    assert.ok(patched.status.conditions.some((c: Any) => c.message === 'patched'));
    assert.equal(patched.metadata.annotations.patchedstatus, 'true');
    assert.deepEqual(patched.spec, read.spec);
  });
}

test('[sig-apps] ReplicaSet should serve a basic image on each replica with a public image', async () => {
  const ns = await namespace();
  await client.create(appsV1.replicasets, {
    metadata: { namespace: ns, name: 'x' },
    spec: selecting({ app: 'x' }, { replicas: 2 }),
  });
  await ready(appsV1.replicasets, ns, 'x', 2);
  assert.equal((await podsOf(ns, 'app=x')).filter(p => p.status.podIP).length, 2);
});

test('[sig-apps] ReplicationController should serve a basic image on each replica with a public image', async () => {
  const ns = await namespace();
  const spec = { replicas: 2, selector: { app: 'x' }, template: pod({ app: 'x' }) };
  await client.create(coreV1.replicationcontrollers, { metadata: { namespace: ns, name: 'x' }, spec });
  await ready(coreV1.replicationcontrollers, ns, 'x', 2);
  assert.equal((await podsOf(ns, 'app=x')).filter(p => p.status.podIP).length, 2);
});

for (const [title, ref, spec] of [
  [
    '[sig-apps] ReplicaSet should adopt matching pods on creation and release no longer matching pods',
    appsV1.replicasets,
    selecting({ name: 'adopted' }, { replicas: 1 }),
  ],
  [
    // [sig-apps] ReplicationController should release no longer matching pods
    '[sig-apps] ReplicationController should adopt matching pods on creation',
    coreV1.replicationcontrollers,
    { replicas: 1, selector: { name: 'adopted' }, template: pod({ name: 'adopted' }) },
  ],
  ['[sig-apps] Job should adopt matching orphans and release non-matching pods', batchV1.jobs, undefined],
] as const) {
  test(title, async () => {
    const ns = await namespace();
    if (spec) {
      await client.create(coreV1.pods, {
        metadata: { namespace: ns, name: 'p', labels: { name: 'adopted' } },
        spec: pod({}).spec,
      });
      await client.create(ref, { metadata: { namespace: ns, name: 'x' }, spec });
    } else {
      const jobSpec = { parallelism: 1, completions: 1, template: pod({}, 'i', { restartPolicy: 'Never' }) };
      await client.create(ref, { metadata: { namespace: ns, name: 'x' }, spec: jobSpec });
      await until(async () => (await podsOf(ns)).length === 1);
      const [p] = await podsOf(ns);
      await patch(coreV1.pods, ns, p.metadata.name, { metadata: { ownerReferences: null } });
    }
    const { uid } = (await get(ref, ns, 'x')).metadata;
    const owned = async () => (await podsOf(ns)).find(p => p.metadata.ownerReferences?.[0]?.uid === uid);
    const adopted = (await until(owned)) as Any;
    const { name } = adopted.metadata;
    assert.equal(adopted.metadata.ownerReferences[0].controller, true);
    const labels = Object.fromEntries(Object.keys(adopted.metadata.labels).map(k => [k, null]));
    await patch(coreV1.pods, ns, name, { metadata: { labels: { ...labels, name: 'not-matching' } } });
    await until(async () => !(await get(coreV1.pods, ns, name)).metadata.ownerReferences);
    if (spec) await until(async () => (await owned())?.metadata.name !== name && (await owned()));
  });
}

test('[sig-apps] ReplicaSet Replace and Patch tests', async () => {
  const ns = await namespace();
  await client.create(appsV1.replicasets, {
    metadata: { namespace: ns, name: 'x' },
    spec: selecting({ app: 'x' }, { replicas: 1 }),
  });
  await ready(appsV1.replicasets, ns, 'x', 1);
  await patch(appsV1.replicasets, ns, 'x', {
    metadata: { labels: { 'test-rs': 'patched' } },
    spec: {
      replicas: 3,
      template: { spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'c', image: 'new' }] } },
    },
  });
  await ready(appsV1.replicasets, ns, 'x', 3);
  const read = await get(appsV1.replicasets, ns, 'x');
  assert.equal(read.metadata.labels['test-rs'], 'patched');
  assert.equal(read.spec.template.spec.containers[0].image, 'new');
});

for (const [title, ref, spec] of [
  [
    '[sig-apps] ReplicaSet should list and delete a collection of ReplicaSets',
    appsV1.replicasets,
    selecting({ app: 'x' }, { replicas: 2 }),
  ],
  [
    '[sig-apps] Daemon set [Serial] should list and delete a collection of DaemonSets',
    appsV1.daemonsets,
    selecting({ app: 'x' }),
  ],
  [
    '[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should list, patch and delete a collection of StatefulSets',
    appsV1.statefulsets,
    selecting({ app: 'x' }, { replicas: 2, serviceName: 's' }),
  ],
] as const) {
  test(title, async () => {
    const ns = await namespace();
    await client.create(ref, { metadata: { namespace: ns, name: 'x', labels: { e2e: ns } }, spec });
    await until(async () => (await podsOf(ns)).filter(p => p.status.phase === 'Running').length === 2);
    assert.equal((await client.list(ref, { labelSelector: `e2e=${ns}` })).items.length, 1);
    const patched = await patch(ref, ns, 'x', { metadata: { labels: { patched: 'yes' } } });
    assert.equal(patched.metadata.labels.patched, 'yes');
    await client.deleteCollection(ref, { namespace: ns, labelSelector: `e2e=${ns}` });
    await until(async () => (await client.list(ref, { labelSelector: `e2e=${ns}` })).items.length === 0);
    await until(async () => (await podsOf(ns)).length === 0);
  });
}

test('[sig-apps] ReplicationController should surface a failure condition on a common issue like exceeded quota', async () => {
  const ns = await namespace();
  await client.create(coreV1.resourcequotas, { metadata: { namespace: ns, name: 'q' }, spec: { hard: { pods: '2' } } });
  await until(async () => (await get(coreV1.resourcequotas, ns, 'q')).status.hard?.pods === '2');
  const spec = { replicas: 3, selector: { app: 'x' }, template: pod({ app: 'x' }) };
  await client.create(coreV1.replicationcontrollers, { metadata: { namespace: ns, name: 'x' }, spec });
  const failure = async () =>
    (await get(coreV1.replicationcontrollers, ns, 'x')).status.conditions?.find(
      (c: Any) => c.type === 'ReplicaFailure',
    );
  const found = (await until(failure)) as Any;
  assert.deepEqual([found.status, found.reason], ['True', 'FailedCreate']);
  await patch(coreV1.replicationcontrollers, ns, 'x', { spec: { replicas: 2 } });
  await until(async () => !(await failure()));
});

test('[sig-apps] ReplicationController should test the lifecycle of a ReplicationController', async () => {
  const ns = await namespace();
  const rc = coreV1.replicationcontrollers;
  const spec = { replicas: 1, selector: { 'test-rc-static': 'true' }, template: pod({ 'test-rc-static': 'true' }) };
  await client.create(rc, { metadata: { namespace: ns, name: 'rc', labels: { 'test-rc-static': 'true' } }, spec });
  await ready(rc, ns, 'rc', 1);
  await patch(rc, ns, 'rc', { metadata: { labels: { 'test-rc': 'patched' } } });
  const status = await patch(
    rc,
    ns,
    'rc',
    { status: { readyReplicas: 0, availableReplicas: 0 } },
    { subresource: 'status' },
  );
  assert.equal(status.status.readyReplicas ?? 0, 0);
  await ready(rc, ns, 'rc', 1);
  assert.equal(
    (await client.getSubresource(rc, { namespace: ns, name: 'rc' }, 'status')).metadata.labels['test-rc'],
    'patched',
  );
  await patch(rc, ns, 'rc', { spec: { replicas: 2 } }, { subresource: 'scale' });
  await ready(rc, ns, 'rc', 2);
  await client.update(rc, {
    ...(await get(rc, ns, 'rc')),
    metadata: { ...(await get(rc, ns, 'rc')).metadata, annotations: { a: 'b' } },
  });
  await client.deleteCollection(rc, { namespace: ns, labelSelector: 'test-rc-static=true' });
  await until(() => gone(get(rc, ns, 'rc')));
});
