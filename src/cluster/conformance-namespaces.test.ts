// The essence of the official suite's tests of namespaces, quota and garbage collection.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appsV1, coreV1 } from '../api/refs.ts';
import { conformanceBench, refused, podSpec as spec, podTemplate as template } from './test-conformance.ts';

type Any = any;

const { cluster, client, until, namespace, podsOf, get, remove, patch, gone, makePod } = conformanceBench('n', 13);

test('[sig-api-machinery] Namespaces [Serial] should ensure that all pods are removed when a namespace is deleted', async () => {
  const ns = await namespace();
  await makePod(ns, 'p');
  await until(async () => (await get(coreV1.pods, ns, 'p')).status.phase === 'Running');
  await client.delete(coreV1.namespaces, { name: ns });
  await until(() => gone(client.get(coreV1.namespaces, { name: ns })));
  await client.create(coreV1.namespaces, { metadata: { name: ns } });
  assert.equal((await podsOf(ns)).length, 0);
});

test('[sig-api-machinery] Namespaces [Serial] should ensure that all services are removed when a namespace is deleted', async () => {
  const ns = await namespace();
  await client.create(coreV1.services, { metadata: { namespace: ns, name: 's' }, spec: { ports: [{ port: 80 }] } });
  await client.delete(coreV1.namespaces, { name: ns });
  await until(() => gone(client.get(coreV1.namespaces, { name: ns })));
  await client.create(coreV1.namespaces, { metadata: { name: ns } });
  assert.equal((await client.list(coreV1.services, { namespace: ns })).items.length, 0);
});

test('[sig-api-machinery] OrderedNamespaceDeletion namespace deletion should delete pod first', async () => {
  const ns = await namespace();
  await makePod(ns, 'p', spec(), { finalizers: ['example.com/hold'] });
  await client.create(coreV1.configmaps, { metadata: { namespace: ns, name: 'm' } });
  await client.delete(coreV1.namespaces, { name: ns });
  await until(async () => (await get(coreV1.pods, ns, 'p')).metadata.deletionTimestamp);
  await cluster.advance('10s');
  assert.equal((await get(coreV1.configmaps, ns, 'm')).metadata.deletionTimestamp, undefined);
  const { status } = await client.get(coreV1.namespaces, { name: ns });
  assert.equal(status.phase, 'Terminating');
  const blocked = status.conditions.find((c: Any) => c.type === 'NamespaceContentRemaining');
  assert.equal(blocked.status, 'True');
  await patch(coreV1.pods, ns, 'p', { metadata: { finalizers: null } });
  await until(() => gone(client.get(coreV1.namespaces, { name: ns })));
});

const quota = async (ns: string, hard: object, more: object = {}, name = 'q') => {
  await client.create(coreV1.resourcequotas, { metadata: { namespace: ns, name }, spec: { hard, ...more } });
  await until(async () => Object.keys((await get(coreV1.resourcequotas, ns, name)).status?.hard ?? {}).length > 0);
};
const used = (ns: string, wanted: Record<string, string>, name = 'q') =>
  until(async () => {
    const { status } = await get(coreV1.resourcequotas, ns, name);
    return Object.entries(wanted).every(([k, v]) => status.used?.[k] === v);
  });
const allHard = {
  pods: '5',
  services: '10',
  'services.nodeports': '1',
  'services.loadbalancers': '1',
  replicationcontrollers: '10',
  resourcequotas: '1',
  secrets: '10',
  configmaps: '10',
  cpu: '1',
  memory: '500Mi',
  'count/replicasets.apps': '5',
};

test('[sig-api-machinery] ResourceQuota should create a ResourceQuota and ensure its status is promptly calculated.', async () => {
  const ns = await namespace();
  await quota(ns, allHard);
  await used(ns, { resourcequotas: '1', pods: '0', cpu: '0' });
});

for (const [title, ref, draft, counted, extra] of [
  [
    'service',
    coreV1.services,
    { spec: { type: 'NodePort', ports: [{ port: 80 }] } },
    { services: '1', 'services.nodeports': '1' },
    'type',
  ],
  ['secret', coreV1.secrets, { data: {} }, { secrets: '1' }, ''],
  ['configMap', coreV1.configmaps, { data: {} }, { configmaps: '2' }, ''],
  [
    'replication controller',
    coreV1.replicationcontrollers,
    { spec: { replicas: 0, selector: { a: 'b' }, template: template({ a: 'b' }) } },
    { replicationcontrollers: '1' },
    '',
  ],
  [
    'replica set',
    appsV1.replicasets,
    { spec: { replicas: 0, selector: { matchLabels: { a: 'b' } }, template: template({ a: 'b' }) } },
    { 'count/replicasets.apps': '1' },
    '',
  ],
] as const) {
  // [sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a service.
  // [sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a secret.
  // [sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a configMap.
  // [sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a replication controller.
  // [sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a replica set.
  test(`a quota captures the life of a ${title}`, async () => {
    const ns = await namespace();
    await until(() => get(coreV1.configmaps, ns, 'kube-root-ca.crt').catch(() => undefined));
    await quota(ns, allHard);
    const before = Object.fromEntries(Object.keys(counted).map(k => [k, k === 'configmaps' ? '1' : '0']));
    await used(ns, before);
    await client.create(ref, { metadata: { namespace: ns, name: 'x' }, ...draft });
    await used(ns, counted as Record<string, string>);
    if (extra) {
      const second = { metadata: { namespace: ns, name: 'y' }, ...draft };
      await assert.rejects(
        client.create(ref, second),
        refused(
          403,
          /exceeded quota: q, requested: services\.nodeports=1, used: services\.nodeports=1, limited: services\.nodeports=1/,
        ),
      );
    }
    await remove(ref, ns, 'x');
    await used(ns, before);
  });
}

test('[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a pod.', async () => {
  const ns = await namespace();
  const hard = {
    pods: '5',
    cpu: '1',
    memory: '500Mi',
    'requests.ephemeral-storage': '50Gi',
    'requests.example.com/dongle': '3',
  };
  await quota(ns, hard);
  const asks = (requests: object, limits: object = {}) => spec({}, { resources: { requests, limits } });
  const dongles = (n: string) => ({ 'example.com/dongle': n });
  await makePod(
    ns,
    'p',
    asks({ cpu: '500m', memory: '252Mi', 'ephemeral-storage': '30Gi', ...dongles('2') }, dongles('2')),
  );
  await used(ns, {
    pods: '1',
    cpu: '500m',
    memory: '252Mi',
    'requests.ephemeral-storage': '30Gi',
    'requests.example.com/dongle': '2',
  });
  await assert.rejects(
    makePod(ns, 'big', asks({ cpu: '600m', memory: '100Mi', 'ephemeral-storage': '1Gi' })),
    refused(403, /exceeded quota: q, requested: cpu=600m, used: cpu=500m, limited: cpu=1/),
  );
  await assert.rejects(
    makePod(ns, 'more', asks({ cpu: '1m', memory: '1Mi', 'ephemeral-storage': '1Gi', ...dongles('2') }, dongles('2'))),
    refused(403, /exceeded quota: q, requested: requests\.example\.com\/dongle=2/),
  );
  await assert.rejects(makePod(ns, 'none'), refused(403, /failed quota: q: must specify cpu for: c; memory for: c/));
  await assert.rejects(
    patch(coreV1.pods, ns, 'p', {
      spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '100m' } } }] },
    }),
    refused(422, /pod updates may not change fields other than/),
  );
  await remove(coreV1.pods, ns, 'p', { gracePeriodSeconds: 0 });
  await used(ns, {
    pods: '0',
    cpu: '0',
    memory: '0',
    'requests.ephemeral-storage': '0',
    'requests.example.com/dongle': '0',
  });
});

test('[sig-api-machinery] ResourceQuota should be able to update and delete ResourceQuota.', async () => {
  const ns = await namespace();
  await quota(ns, { cpu: '500m', memory: '500Mi' });
  const read = await get(coreV1.resourcequotas, ns, 'q');
  await client.update(coreV1.resourcequotas, { ...read, spec: { hard: { cpu: '1', memory: '1Gi' } } });
  await until(async () => (await get(coreV1.resourcequotas, ns, 'q')).status.hard.cpu === '1');
  await remove(coreV1.resourcequotas, ns, 'q');
  assert.ok(await gone(get(coreV1.resourcequotas, ns, 'q')));
});

test('[sig-api-machinery] ResourceQuota should manage the lifecycle of a ResourceQuota', async () => {
  const ns = await namespace();
  await quota(ns, { cpu: '1', memory: '500Mi' });
  const patched = await patch(coreV1.resourcequotas, ns, 'q', {
    metadata: { labels: { q: ns } },
    spec: { hard: { memory: '750Mi' } },
  });
  assert.equal(patched.spec.hard.memory, '750Mi');
  assert.equal((await client.list(coreV1.resourcequotas, { labelSelector: `q=${ns}` })).items.length, 1);
  await client.deleteCollection(coreV1.resourcequotas, { namespace: ns, labelSelector: `q=${ns}` });
  assert.ok(await gone(get(coreV1.resourcequotas, ns, 'q')));
});

test('[sig-api-machinery] ResourceQuota should apply changes to a resourcequota status', async () => {
  const ns = await namespace();
  await quota(ns, { cpu: '500m', memory: '500Mi' });
  const read = await client.getSubresource(coreV1.resourcequotas, { namespace: ns, name: 'q' }, 'status');
  const updated = await client.updateStatus(coreV1.resourcequotas, {
    ...read,
    status: { hard: { cpu: '7' }, used: { cpu: '1' } },
  });
  assert.equal(updated.status.hard.cpu, '7');
  assert.deepEqual(updated.spec.hard, { cpu: '500m', memory: '500Mi' });
  await until(async () => (await get(coreV1.resourcequotas, ns, 'q')).status.hard.cpu === '500m', '10m');
});

test('[sig-api-machinery] ResourceQuota should verify ResourceQuota with terminating scopes.', async () => {
  const ns = await namespace();
  const hard = { pods: '5', 'requests.cpu': '1', 'limits.cpu': '2' };
  await quota(ns, hard, { scopes: ['Terminating'] }, 'terminating');
  await quota(ns, hard, { scopes: ['NotTerminating'] }, 'not-terminating');
  const resources = { requests: { cpu: '500m' }, limits: { cpu: '1' } };
  await makePod(ns, 'long', spec({}, { resources }));
  await used(ns, { pods: '1', 'requests.cpu': '500m', 'limits.cpu': '1' }, 'not-terminating');
  await used(ns, { pods: '0', 'requests.cpu': '0' }, 'terminating');
  await remove(coreV1.pods, ns, 'long', { gracePeriodSeconds: 0 });
  await used(ns, { pods: '0' }, 'not-terminating');
  await makePod(ns, 'short', spec({ activeDeadlineSeconds: 3600 }, { resources }));
  await used(ns, { pods: '1', 'limits.cpu': '1' }, 'terminating');
  await used(ns, { pods: '0' }, 'not-terminating');
});

test('[sig-api-machinery] ResourceQuota should verify ResourceQuota with best effort scope.', async () => {
  const ns = await namespace();
  await quota(ns, { pods: '5' }, { scopes: ['BestEffort'] }, 'best');
  await quota(ns, { pods: '5' }, { scopes: ['NotBestEffort'] }, 'not-best');
  await makePod(ns, 'p');
  await used(ns, { pods: '1' }, 'best');
  await used(ns, { pods: '0' }, 'not-best');
  await remove(coreV1.pods, ns, 'p', { gracePeriodSeconds: 0 });
  await makePod(ns, 'p2', spec({}, { resources: { requests: { cpu: '10m' } } }));
  await used(ns, { pods: '1' }, 'not-best');
  await used(ns, { pods: '0' }, 'best');
});

const rcSpec = (replicas: number) => ({ replicas, selector: { app: 'x' }, template: template({ app: 'x' }) });
const deploymentSpec = { replicas: 2, selector: { matchLabels: { app: 'x' } }, template: template({ app: 'x' }) };
const setsOf = async (namespace: string): Promise<Any[]> =>
  (await client.list(appsV1.replicasets, { namespace })).items;

for (const [title, ref, make, propagationPolicy] of [
  [
    '[sig-api-machinery] Garbage collector should delete pods created by rc when not orphaning',
    coreV1.replicationcontrollers,
    rcSpec(2),
    'Background',
  ],
  [
    '[sig-api-machinery] Garbage collector should delete RS created by deployment when not orphaning',
    appsV1.deployments,
    deploymentSpec,
    'Background',
  ],
  [
    '[sig-api-machinery] Garbage collector should orphan pods created by rc if delete options say so [Serial]',
    coreV1.replicationcontrollers,
    rcSpec(3),
    'Orphan',
  ],
  [
    '[sig-api-machinery] Garbage collector should orphan RS created by deployment when deleteOptions.PropagationPolicy is Orphan',
    appsV1.deployments,
    deploymentSpec,
    'Orphan',
  ],
  [
    '[sig-api-machinery] Garbage collector should keep the rc around until all its pods are deleted if the deleteOptions says so [Serial]',
    coreV1.replicationcontrollers,
    rcSpec(3),
    'Foreground',
  ],
] as const) {
  test(title, async () => {
    const ns = await namespace();
    await client.create(ref, { metadata: { namespace: ns, name: 'x' }, spec: make });
    await until(async () => (await podsOf(ns)).filter(p => p.status.phase === 'Running').length === make.replicas);
    let early = false;
    const watching = client.watch(
      ref,
      { namespace: ns },
      {
        onEvent: (type: string) => {
          if (type === 'DELETED') void podsOf(ns).then(p => (early ||= p.length > 0));
        },
        onClose() {},
      },
    );
    await remove(ref, ns, 'x', { propagationPolicy });
    await until(() => gone(get(ref, ns, 'x')));
    const dependents = () => (ref === appsV1.deployments ? setsOf(ns) : podsOf(ns));
    if (propagationPolicy === 'Orphan') {
      await cluster.advance('1m');
      const left = await dependents();
      assert.equal(left.length, ref === appsV1.deployments ? 1 : make.replicas);
      assert.ok(left.every(d => !d.metadata.ownerReferences));
    } else {
      if (propagationPolicy === 'Foreground') assert.equal(early, false);
      await until(async () => (await dependents()).length === 0);
    }
    watching.stop();
  });
}

const owner = (kind: string, o: Any, more: object = {}) => ({
  apiVersion: 'v1',
  kind,
  name: o.metadata.name,
  uid: o.metadata.uid,
  ...more,
});

test('[sig-api-machinery] Garbage collector should not be blocked by dependency circle', async () => {
  const ns = await namespace();
  const [a, b, c] = [await makePod(ns, 'a'), await makePod(ns, 'b'), await makePod(ns, 'c')];
  for (const [p, o] of [
    [a, c],
    [b, a],
    [c, b],
  ] as const)
    await patch(coreV1.pods, ns, p.metadata.name, {
      metadata: { ownerReferences: [owner('Pod', o, { controller: true, blockOwnerDeletion: true })] },
    });
  await remove(coreV1.pods, ns, 'a', { propagationPolicy: 'Foreground' });
  await until(async () => (await podsOf(ns)).length === 0);
});

test("[sig-api-machinery] Garbage collector should not delete dependents that have both valid owner and owner that's waiting for dependents to be deleted [Serial]", async () => {
  const ns = await namespace();
  const rc = (name: string, replicas: number) =>
    client.create(coreV1.replicationcontrollers, {
      metadata: { namespace: ns, name },
      spec: { ...rcSpec(replicas), selector: { app: name }, template: template({ app: name }) },
    });
  const [going] = [await rc('going', 4), await rc('staying', 0)];
  const staying = await get(coreV1.replicationcontrollers, ns, 'staying');
  await until(async () => (await podsOf(ns)).length === 4);
  for (const p of (await podsOf(ns)).slice(0, 2))
    await patch(coreV1.pods, ns, p.metadata.name, {
      metadata: { ownerReferences: [...p.metadata.ownerReferences, owner('ReplicationController', staying)] },
    });
  await remove(coreV1.replicationcontrollers, ns, 'going', { propagationPolicy: 'Foreground' });
  await until(() => gone(get(coreV1.replicationcontrollers, ns, going.metadata.name)));
  const left = await podsOf(ns);
  assert.equal(left.length, 2);
  assert.ok(
    left.every(p => p.metadata.ownerReferences.length === 1 && p.metadata.ownerReferences[0].name === 'staying'),
  );
});
