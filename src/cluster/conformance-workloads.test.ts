// The essence of the official suite's tests of workloads, on simulated nodes and virtual time.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { appsV1, batchV1, coreV1 } from '../api/refs.ts';
import { isNotFound } from '../api/status.ts';
import { type Cluster, createCluster, virtualClock } from './create-cluster.ts';

type Any = any;

let cluster: Cluster;
let client: Any;
let count = 0;
before(async () => {
  cluster = await createCluster({ nodes: 2, clock: virtualClock(), seed: 7 });
  client = cluster.client;
  await cluster.until(async () => (await client.list(coreV1.nodes)).items.length === 2);
});
after(() => cluster.stop());

async function namespace(): Promise<string> {
  const name = `w${++count}`;
  await client.create(coreV1.namespaces, { metadata: { name } });
  await cluster.until(async () =>
    (await client.list(coreV1.serviceaccounts, { namespace: name })).items.some(
      (a: Any) => a.metadata.name === 'default',
    ),
  );
  return name;
}
const simulate = (behaviour: object) => ({ 'k8ts.local/simulate': JSON.stringify(behaviour) });
const pod = (labels: object, image = 'registry.example/web:1', more: object = {}, annotations = {}) => ({
  metadata: { labels, annotations },
  spec: { containers: [{ name: 'c', image }], terminationGracePeriodSeconds: 1, ...more },
});
const selecting = (labels: object, more: object = {}, template: object = pod(labels)) => ({
  selector: { matchLabels: labels },
  template,
  ...more,
});
const podsOf = async (ns: string, labelSelector?: string): Promise<Any[]> =>
  (await client.list(coreV1.pods, { namespace: ns, ...(labelSelector ? { labelSelector } : {}) })).items;
const get = (ref: Any, namespace: string, name: string): Promise<Any> => client.get(ref, { namespace, name });
const patch = (ref: Any, namespace: string, name: string, body: object, options?: object): Promise<Any> =>
  client.patch(ref, { namespace, name }, { type: 'merge', body }, options);
const until = (condition: () => unknown) => cluster.until(condition as () => never);
const gone = async (read: Promise<unknown>) => {
  try {
    await read;
    return false;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return true;
  }
};
const ready = (ref: Any, ns: string, name: string, replicas: number, field = 'readyReplicas') =>
  until(async () => {
    const { status, metadata } = await get(ref, ns, name);
    return (status[field] ?? 0) === replicas && status.observedGeneration === metadata.generation;
  });

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
      annotations: { 'deployment.kubernetes.io/revision': '3546342' },
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
    '3546343',
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
