// The essence of the official suite's tests of namespaces, quota, garbage collection, scheduling and accounts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { appsV1, authenticationV1, authorizationV1, certificatesV1, coreV1, schedulingV1 } from '../api/refs.ts';
import { isNotFound } from '../api/status.ts';
import { type Cluster, createCluster, virtualClock } from './create-cluster.ts';

type Any = any;

let cluster: Cluster;
let client: Any;
let count = 0;
before(async () => {
  cluster = await createCluster({ nodes: 2, clock: virtualClock(), seed: 13 });
  client = cluster.client;
  await until(async () => (await client.list(coreV1.nodes)).items.length === 2);
});
after(() => cluster.stop());

const until = (condition: () => unknown, timeout?: string): Promise<Any> =>
  cluster.until(condition as () => never, timeout);
async function namespace(): Promise<string> {
  const name = `c${++count}`;
  await client.create(coreV1.namespaces, { metadata: { name } });
  await until(async () =>
    (await client.list(coreV1.serviceaccounts, { namespace: name })).items.some(
      (a: Any) => a.metadata.name === 'default',
    ),
  );
  return name;
}
const spec = (more: object = {}, container: object = {}): Any => ({
  containers: [{ name: 'c', image: 'i', ...container }],
  terminationGracePeriodSeconds: 1,
  ...more,
});
const template = (labels: object): Any => ({ metadata: { labels }, spec: spec() });
const makePod = (namespace: string, name: string, podSpec: object = spec(), more: object = {}) =>
  client.create(coreV1.pods, { metadata: { namespace, name, ...more }, spec: podSpec });
const podsOf = async (namespace: string): Promise<Any[]> => (await client.list(coreV1.pods, { namespace })).items;
const get = (ref: Any, namespace: string, name: string): Promise<Any> => client.get(ref, { namespace, name });
const remove = (ref: Any, namespace: string, name: string, options?: object) =>
  client.delete(ref, { namespace, name }, options);
const patch = (ref: Any, namespace: string, name: string, body: object, options?: object): Promise<Any> =>
  client.patch(ref, { namespace, name }, { type: 'merge', body }, options);
const gone = async (read: Promise<unknown>) =>
  read.then(
    () => false,
    error => {
      if (!isNotFound(error)) throw error;
      return true;
    },
  );
const refused = (code: number, pattern: RegExp) => (error: Any) => {
  assert.equal(error.code, code, error.message);
  assert.match(error.message, pattern);
  return true;
};

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

test('[sig-scheduling] LimitRange should create a LimitRange with defaults and ensure pod has those defaults applied.', async () => {
  const ns = await namespace();
  const limits = [
    {
      type: 'Container',
      min: { cpu: '50m', memory: '100Mi', 'ephemeral-storage': '100Gi' },
      max: { cpu: '500m', memory: '500Mi', 'ephemeral-storage': '500Gi' },
      default: { cpu: '500m', memory: '500Mi', 'ephemeral-storage': '500Gi' },
      defaultRequest: { cpu: '100m', memory: '200Mi', 'ephemeral-storage': '200Gi' },
    },
  ];
  await client.create(coreV1.limitranges, { metadata: { namespace: ns, name: 'l' }, spec: { limits } });
  const plain = await makePod(ns, 'plain');
  assert.deepEqual(plain.spec.containers[0].resources, {
    limits: limits[0]!.default,
    requests: limits[0]!.defaultRequest,
  });
  const partial = await makePod(
    ns,
    'partial',
    spec({}, { resources: { requests: { cpu: '300m', memory: '150Mi' }, limits: { cpu: '300m' } } }),
  );
  assert.deepEqual(partial.spec.containers[0].resources, {
    limits: { cpu: '300m', 'ephemeral-storage': '500Gi', memory: '500Mi' },
    requests: { cpu: '300m', 'ephemeral-storage': '200Gi', memory: '150Mi' },
  });
  await assert.rejects(
    makePod(ns, 'small', spec({}, { resources: { requests: { cpu: '10m' }, limits: { cpu: '10m' } } })),
    refused(403, /minimum cpu usage per Container is 50m, but request is 10m/),
  );
  await assert.rejects(
    makePod(ns, 'big', spec({}, { resources: { limits: { cpu: '600m' } } })),
    refused(403, /maximum cpu usage per Container is 500m, but limit is 600m/),
  );
  await patch(coreV1.limitranges, ns, 'l', { spec: { limits: [{ ...limits[0], min: { cpu: '9m' } }] } });
  await makePod(ns, 'small', spec({}, { resources: { requests: { cpu: '10m' }, limits: { cpu: '10m' } } }));
});

test('[sig-scheduling] LimitRange should list, patch and delete a LimitRange by collection', async () => {
  const [a, b] = [await namespace(), await namespace()];
  const limits = [{ type: 'Container', defaultRequest: { cpu: '50m' }, default: { cpu: '500m' } }];
  for (const ns of [a, b])
    await client.create(coreV1.limitranges, {
      metadata: { namespace: ns, name: 'l', labels: { set: a } },
      spec: { limits },
    });
  assert.equal((await client.list(coreV1.limitranges, { labelSelector: `set=${a}` })).items.length, 2);
  const patched = await client.patch(
    coreV1.limitranges,
    { namespace: a, name: 'l' },
    {
      type: 'strategic',
      body: {
        metadata: { labels: { l: 'patched' } },
        spec: { limits: [{ type: 'Container', defaultRequest: { cpu: '60m' } }] },
      },
    },
  );
  assert.equal(patched.spec.limits[0].defaultRequest.cpu, '60m');
  await client.deleteCollection(coreV1.limitranges, { namespace: a, labelSelector: 'l=patched' });
  assert.equal((await client.list(coreV1.limitranges, { labelSelector: `set=${a}` })).items.length, 1);
});

test('[sig-architecture] Conformance Tests should have at least two untainted nodes', async () => {
  const { items } = await client.list(coreV1.nodes);
  assert.ok(
    items.filter(
      (n: Any) =>
        !n.spec.taints?.length && n.status.conditions.some((c: Any) => c.type === 'Ready' && c.status === 'True'),
    ).length >= 2,
  );
});

const waiting = (ns: string, name: string) =>
  until(async () =>
    (await get(coreV1.pods, ns, name)).status.conditions?.some(
      (c: Any) => c.type === 'PodScheduled' && c.reason === 'Unschedulable',
    ),
  );
const running = (ns: string, name: string) =>
  until(async () => (await get(coreV1.pods, ns, name)).status.phase === 'Running');

test('[sig-scheduling] SchedulerPredicates [Serial] validates resource limits of pods that are allowed to run', async () => {
  const ns = await namespace();
  for (const node of (await client.list(coreV1.nodes)).items) {
    const cpu = `${Number(node.status.allocatable.cpu) * 700}m`;
    await makePod(
      ns,
      `filler-${node.metadata.name}`,
      spec({ nodeName: node.metadata.name }, { resources: { requests: { cpu } } }),
    );
  }
  await makePod(ns, 'extra', spec({}, { resources: { requests: { cpu: '4' } } }));
  await waiting(ns, 'extra');
  const events = (await client.list(coreV1.events, { namespace: ns, fieldSelector: 'reason=FailedScheduling' })).items;
  assert.match(events[0].message ?? events[0].note, /Insufficient cpu/);
  await client.deleteCollection(coreV1.pods, { namespace: ns }, { gracePeriodSeconds: 0 });
});

test('[sig-scheduling] SchedulerPredicates [Serial] validates that NodeSelector is respected if not matching', async () => {
  const ns = await namespace();
  await makePod(ns, 'p', spec({ nodeSelector: { label: 'nonempty' } }));
  await waiting(ns, 'p');
});

test('[sig-scheduling] SchedulerPredicates [Serial] validates that NodeSelector is respected if matching', async () => {
  const ns = await namespace();
  await client.patch(
    coreV1.nodes,
    { name: 'node-2' },
    { type: 'merge', body: { metadata: { labels: { color: ns } } } },
  );
  await makePod(ns, 'p', spec({ nodeSelector: { color: ns } }));
  await running(ns, 'p');
  assert.equal((await get(coreV1.pods, ns, 'p')).spec.nodeName, 'node-2');
});

test('[sig-scheduling] SchedulerPredicates [Serial] validates that there exists conflict between pods with same hostPort and protocol but one using 0.0.0.0 hostIP', async () => {
  const ns = await namespace();
  const port = (hostIP: string) =>
    spec(
      { nodeSelector: { 'kubernetes.io/hostname': 'node-1' } },
      { ports: [{ containerPort: 80, hostPort: 54322, hostIP }] },
    );
  await makePod(ns, 'p4', port('0.0.0.0'));
  await running(ns, 'p4');
  await makePod(ns, 'p5', port('127.0.0.1'));
  await waiting(ns, 'p5');
});

test('[sig-scheduling] SchedulerPreemption [Serial] validates basic preemption works', async () => {
  // [sig-scheduling] SchedulerPreemption [Serial] validates pod disruption condition is added to the preempted pod
  const ns = await namespace();
  for (const [name, value] of [
    ['low', 1],
    ['high', 1000],
  ] as const)
    await client.create(schedulingV1.priorityclasses, { metadata: { name: `${name}-${ns}` }, value });
  const big = (priority: string, nodeName: string) =>
    spec(
      { priorityClassName: `${priority}-${ns}`, nodeSelector: { 'kubernetes.io/hostname': nodeName } },
      { resources: { requests: { cpu: '5' } } },
    );
  await makePod(ns, 'victim', big('low', 'node-1'), { finalizers: ['example.com/hold'] });
  await running(ns, 'victim');
  await makePod(ns, 'preemptor', big('high', 'node-1'));
  const victim = await until(async () => {
    const p = await get(coreV1.pods, ns, 'victim');
    return p.metadata.deletionTimestamp && p;
  });
  const target = victim.status.conditions.find((c: Any) => c.type === 'DisruptionTarget');
  assert.deepEqual([target.status, target.reason], ['True', 'PreemptionByScheduler']);
  await patch(coreV1.pods, ns, 'victim', { metadata: { finalizers: null } });
  await running(ns, 'preemptor');
  await remove(coreV1.pods, ns, 'preemptor', { gracePeriodSeconds: 0 });
});

test('[sig-scheduling] SchedulerPreemption [Serial] validates lower priority pod preemption by critical pod', async () => {
  const ns = await namespace();
  const big = (priorityClassName?: string) =>
    spec(
      { ...(priorityClassName ? { priorityClassName } : {}), nodeSelector: { 'kubernetes.io/hostname': 'node-1' } },
      { resources: { requests: { cpu: '5' } } },
    );
  await makePod(ns, 'victim', big());
  await running(ns, 'victim');
  await client.create(coreV1.pods, {
    metadata: { namespace: 'kube-system', name: 'critical' },
    spec: big('system-cluster-critical'),
  });
  await running('kube-system', 'critical');
  assert.ok(await gone(get(coreV1.pods, ns, 'victim')));
  await remove(coreV1.pods, 'kube-system', 'critical', { gracePeriodSeconds: 0 });
});

test('[sig-scheduling] SchedulerPreemption [Serial] PreemptionExecutionPath runs ReplicaSets to verify preemption running path', async () => {
  const ns = await namespace();
  await client.patch(
    coreV1.nodes,
    { name: 'node-1' },
    {
      type: 'merge',
      body: { status: { capacity: { 'example.com/fake': '1k' }, allocatable: { 'example.com/fake': '1k' } } },
    },
    { subresource: 'status' },
  );
  for (const n of [1, 2, 3, 4])
    await client.create(schedulingV1.priorityclasses, { metadata: { name: `p${n}-${ns}` }, value: n });
  const set = (name: string, priority: number, amount: string, replicas: number) =>
    client.create(appsV1.replicasets, {
      metadata: { namespace: ns, name },
      spec: {
        replicas,
        selector: { matchLabels: { name } },
        template: {
          metadata: { labels: { name } },
          spec: spec(
            { priorityClassName: `p${priority}-${ns}`, nodeSelector: { 'kubernetes.io/hostname': 'node-1' } },
            { resources: { requests: { 'example.com/fake': amount }, limits: { 'example.com/fake': amount } } },
          ),
        },
      },
    });
  const ready = (name: string, n: number) =>
    until(async () => ((await get(appsV1.replicasets, ns, name)).status.readyReplicas ?? 0) === n);
  await set('rs1', 1, '200', 5);
  await ready('rs1', 5);
  await set('rs2', 2, '500', 1);
  await ready('rs2', 1);
  await set('rs3', 3, '200', 1);
  await ready('rs3', 1);
  await set('rs4', 4, '600', 1);
  await ready('rs4', 1);
  assert.equal((await get(appsV1.replicasets, ns, 'rs3')).status.readyReplicas ?? 0, 1);
});

test('[sig-auth] ServiceAccounts should run through the lifecycle of a ServiceAccount', async () => {
  const ns = await namespace();
  await client.create(coreV1.serviceaccounts, { metadata: { namespace: ns, name: 'sa', labels: { static: ns } } });
  const patched = await client.patch(
    coreV1.serviceaccounts,
    { namespace: ns, name: 'sa' },
    { type: 'strategic', body: { automountServiceAccountToken: false } },
  );
  assert.equal(patched.automountServiceAccountToken, false);
  assert.equal((await client.list(coreV1.serviceaccounts, { labelSelector: `static=${ns}` })).items.length, 1);
  await client.deleteCollection(coreV1.serviceaccounts, { namespace: ns, labelSelector: `static=${ns}` });
  assert.ok(await gone(get(coreV1.serviceaccounts, ns, 'sa')));
});

test('[sig-auth] ServiceAccounts should update a ServiceAccount', async () => {
  const ns = await namespace();
  const made = await client.create(coreV1.serviceaccounts, {
    metadata: { namespace: ns, name: 'sa' },
    automountServiceAccountToken: false,
  });
  const updated = await client.update(coreV1.serviceaccounts, { ...made, automountServiceAccountToken: true });
  assert.equal(updated.automountServiceAccountToken, true);
});

test('[sig-auth] ServiceAccounts should guarantee kube-root-ca.crt exist in any namespace', async () => {
  const ns = await namespace();
  const read = () => until(async () => get(coreV1.configmaps, ns, 'kube-root-ca.crt').catch(() => undefined));
  const first = await read();
  assert.match(first.data['ca.crt'], /BEGIN CERTIFICATE/);
  await remove(coreV1.configmaps, ns, 'kube-root-ca.crt');
  await read();
  await client.update(coreV1.configmaps, {
    metadata: { namespace: ns, name: 'kube-root-ca.crt' },
    data: { 'ca.crt': '' },
  });
  await until(
    async () => (await get(coreV1.configmaps, ns, 'kube-root-ca.crt')).data['ca.crt'] === first.data['ca.crt'],
  );
});

test('[sig-auth] ServiceAccounts should create a serviceAccountToken and ensure a successful TokenReview', async () => {
  const ns = await namespace();
  await client.create(coreV1.serviceaccounts, { metadata: { namespace: ns, name: 'sa' } });
  const token = (await client.createSubresource(coreV1.serviceaccounts, { namespace: ns, name: 'sa' }, 'token', {
    spec: { audiences: null, expirationSeconds: 3600 },
  })) as Any;
  assert.ok(token.status.token);
  const { status } = await client.create(authenticationV1.tokenreviews, { spec: { token: token.status.token } });
  assert.equal(status.authenticated, true);
  assert.equal(status.error, undefined);
  assert.equal(status.user.username, `system:serviceaccount:${ns}:sa`);
  assert.deepEqual([...status.user.groups].sort(), [
    'system:authenticated',
    'system:serviceaccounts',
    `system:serviceaccounts:${ns}`,
  ]);
  assert.ok(status.user.extra['authentication.kubernetes.io/credential-id'][0].startsWith('JTI='));
});

test('[sig-auth] ServiceAccounts should allow opting out of API token automount', async () => {
  const ns = await namespace();
  for (const [name, mount] of [
    ['default-sa', undefined],
    ['mount', true],
    ['nomount', false],
  ] as const)
    await client.create(coreV1.serviceaccounts, {
      metadata: { namespace: ns, name },
      ...(mount === undefined ? {} : { automountServiceAccountToken: mount }),
    });
  for (const [account, asked, mounted] of [
    ['default-sa', undefined, true],
    ['mount', undefined, true],
    ['nomount', undefined, false],
    ['default-sa', true, true],
    ['mount', true, true],
    ['nomount', true, true],
    ['default-sa', false, false],
    ['mount', false, false],
    ['nomount', false, false],
  ] as const) {
    const made = await makePod(
      ns,
      `${account}-${asked}`,
      spec({ serviceAccountName: account, ...(asked === undefined ? {} : { automountServiceAccountToken: asked }) }),
    );
    const has =
      made.spec.containers[0].volumeMounts?.some(
        (m: Any) => m.mountPath === '/var/run/secrets/kubernetes.io/serviceaccount',
      ) ?? false;
    assert.equal(has, mounted, `${account} ${asked}`);
  }
});

test('[sig-auth] SubjectReview should support SubjectReview API operations', async () => {
  const ns = await namespace();
  const resourceAttributes = { verb: 'list', resource: 'configmaps', namespace: ns, version: 'v1' };
  const review = { spec: { user: 'e2e', resourceAttributes } };
  const subject = await client.create(authorizationV1.subjectaccessreviews, review);
  assert.equal(subject.status.allowed, false);
  const local = await client.create(authorizationV1.localsubjectaccessreviews, {
    metadata: { namespace: ns },
    ...review,
  });
  assert.equal(local.status.allowed, false);
  const self = await client.create(authorizationV1.selfsubjectaccessreviews, { spec: { resourceAttributes } });
  assert.equal(self.status.allowed, true);
});

test('[sig-auth] Certificates API [Privileged:ClusterAdmin] should support CSR API operations', async () => {
  const request = Buffer.from(
    '-----BEGIN CERTIFICATE REQUEST-----\nMIIBADCBpwIBADBF\n-----END CERTIFICATE REQUEST-----\n',
  ).toString('base64');
  const csr = certificatesV1.certificatesigningrequests;
  const make = (name: string) =>
    client.create(csr, {
      metadata: { name, labels: { csr: 'e2e' } },
      spec: { request, signerName: 'example.com/e2e', usages: ['client auth'] },
    });
  const made = await make('one');
  assert.equal(made.spec.username, 'system:apiserver');
  const approval = { type: 'Approved', status: 'True', reason: 'E2E', message: 'approved' };
  const approved = await client.updateSubresource(csr, { name: 'one' }, 'approval', {
    ...made,
    status: { conditions: [approval] },
  });
  assert.equal(approved.status.conditions[0].type, 'Approved');
  const patched = await client.patch(
    csr,
    { name: 'one' },
    {
      type: 'merge',
      body: {
        metadata: { annotations: { patchedapproval: 'true' } },
        status: { conditions: [{ ...approval, type: 'ApprovalPatch' }, approval] },
      },
    },
    { subresource: 'approval' },
  );
  assert.equal(patched.metadata.annotations.patchedapproval, 'true');
  await assert.rejects(
    client.updateSubresource(csr, { name: 'one' }, 'approval', { ...patched, status: { conditions: [] } }),
    refused(422, /updates may not remove a condition of type "Approved"/),
  );
  const certificate = Buffer.from('-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n').toString('base64');
  await assert.rejects(
    client.patch(csr, { name: 'one' }, { type: 'merge', body: { status: { certificate } } }, { subresource: 'status' }),
    refused(422, /status\.certificate/),
  );
  const status = await client.patch(
    csr,
    { name: 'one' },
    {
      type: 'merge',
      body: { status: { conditions: [...patched.status.conditions, { ...approval, type: 'StatusUpdate' }] } },
    },
    { subresource: 'status' },
  );
  assert.equal(status.status.conditions.at(-1).type, 'StatusUpdate');
  await client.delete(csr, { name: 'one' });
  await make('two');
  await client.deleteCollection(csr, { labelSelector: 'csr=e2e' });
  assert.equal((await client.list(csr, { labelSelector: 'csr=e2e' })).items.length, 0);
});

test('[sig-auth] ServiceAccounts ServiceAccountIssuerDiscovery should support OIDC discovery of service account issuer', async () => {
  // The paths answer over HTTPS only; who may read them is in the bootstrap policy.
  const { url, kubeconfig } = await cluster.listen();
  const { users, clusters } = JSON.parse(kubeconfig) as Any;
  const { caller } = await import('../apiserver/test-caller.ts');
  const decode = (text: string) => Buffer.from(text, 'base64').toString();
  const api = caller({
    url,
    ca: decode(clusters[0].cluster['certificate-authority-data']),
    cert: decode(users[0].user['client-certificate-data']),
    key: decode(users[0].user['client-key-data']),
  });
  const discovered = await api.expect(200, 'GET', '/.well-known/openid-configuration');
  const ns = await namespace();
  const token = (await client.createSubresource(coreV1.serviceaccounts, { namespace: ns, name: 'default' }, 'token', {
    spec: { audiences: ['oidc-discovery-test'] },
  })) as Any;
  const [head, body] = token.status.token
    .split('.')
    .slice(0, 2)
    .map((part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()));
  assert.equal(body.iss, discovered.issuer);
  assert.deepEqual(body.aud, ['oidc-discovery-test']);
  const jwks = await api.expect(200, 'GET', '/openid/v1/jwks');
  assert.ok(jwks.keys.some((k: Any) => k.kid === head.kid && k.use === 'sig'));
  assert.ok(discovered.id_token_signing_alg_values_supported.includes(head.alg));
  api.close();
});
