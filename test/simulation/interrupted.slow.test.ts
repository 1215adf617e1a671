// Objects edited or deleted while their controller is at work on them: at each of its first writes in turn.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { appsV1, batchV1, type Cluster, coreV1, createCluster, virtualClock } from '../../src/cluster/index.ts';

type Any = any;

const namespace = 'default';
const writes = 5;
let cluster: Cluster;
let client: Any;
let count = 0;
let name = '';

before(async () => {
  cluster = await createCluster({ nodes: 2, clock: virtualClock(), seed: 4 });
  client = cluster.client;
  await cluster.until(async () => (await client.list(coreV1.nodes)).items.length === 2);
  await cluster.advance('20s');
});
after(() => cluster.stop());
beforeEach(() => cluster.faults.clear());

const template = (spec: object = {}): Any => ({
  metadata: { labels: { app: name } },
  spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'c', image: 'registry.example/i:1' }], ...spec },
});
const replicated = (more: object = {}): Any => ({
  replicas: 3,
  selector: { matchLabels: { app: name } },
  template: template(),
  ...more,
});

const cases: readonly { kind: string; ref: Any; controller: string; spec: () => Any; edit: object; size: number }[] = [
  {
    ...{ kind: 'ReplicaSet', ref: appsV1.replicasets, controller: 'replicaset-controller', spec: replicated },
    ...{ edit: { replicas: 5 }, size: 5 },
  },
  {
    ...{ kind: 'Deployment', ref: appsV1.deployments, controller: 'deployment-controller', spec: replicated },
    ...{ edit: { replicas: 1 }, size: 1 },
  },
  {
    ...{ kind: 'StatefulSet', ref: appsV1.statefulsets, controller: 'statefulset-controller' },
    spec: () => replicated({ serviceName: name, podManagementPolicy: 'Parallel' }),
    ...{ edit: { replicas: 4 }, size: 4 },
  },
  {
    ...{ kind: 'DaemonSet', ref: appsV1.daemonsets, controller: 'daemonset-controller' },
    spec: () => replicated({ replicas: undefined }),
    edit: { template: { spec: { terminationGracePeriodSeconds: 2 } } },
    size: 2,
  },
  {
    ...{ kind: 'Job', ref: batchV1.jobs, controller: 'job-controller' },
    spec: () => ({ parallelism: 3, template: template({ restartPolicy: 'Never' }) }),
    ...{ edit: { parallelism: 2 }, size: 2 },
  },
];

const live = async () =>
  (await client.list(coreV1.pods, { namespace, labelSelector: `app=${name}` })).items.filter(
    (p: Any) => !p.metadata.deletionTimestamp && p.status.phase === 'Running',
  ).length;

/** Makes the object, and does `deed` just before the controller's write of that number reaches the server. */
async function interrupt({ ref, controller, spec }: (typeof cases)[number], nth: number, deed: () => Promise<unknown>) {
  name = `x${++count}`;
  let left = nth;
  const done: Promise<unknown>[] = [];
  const stop = cluster.faults.observe(({ component, resource }) => {
    if (component.endsWith(controller) && resource !== 'events' && --left === 0) done.push(deed());
  });
  await client.create(ref, { metadata: { name, namespace }, spec: spec() });
  await cluster.advance('1m');
  stop();
  if (done.length === 0) await deed();
  await Promise.all(done);
  await cluster.advance('2m');
}

/** No controller writes any more. */
async function silence(what: string): Promise<void> {
  const seen: string[] = [];
  const stop = cluster.faults.observe(({ component, verb, resource, name: n }) => {
    if (component.startsWith('kube-') && resource !== 'leases') seen.push(`${component} ${verb} ${resource} ${n}`);
  });
  await cluster.advance('30m');
  stop();
  assert.deepEqual(seen, [], what);
}

for (const one of cases) {
  test(`a ${one.kind} deleted while its controller is at work leaves nothing behind`, async () => {
    for (let nth = 1; nth <= writes; nth++)
      for (const propagationPolicy of ['Background', 'Foreground']) {
        await interrupt(one, nth, () => client.delete(one.ref, { namespace, name }, { propagationPolicy }));
        const selected = { namespace, labelSelector: `app=${name}` };
        for (const ref of [coreV1.pods, appsV1.replicasets, one.ref])
          assert.deepEqual((await client.list(ref, selected)).items, [], `${propagationPolicy} at write ${nth}`);
      }
    await silence('after the deletions');
  });

  test(`a ${one.kind} edited while its controller is at work comes to what it says in the end`, async () => {
    for (let nth = 1; nth <= writes; nth++) {
      const patch = { type: 'merge', body: { spec: one.edit } };
      await interrupt(one, nth, () => client.patch(one.ref, { namespace, name }, patch));
      assert.equal(await live(), one.size, `write ${nth}`);
      const { metadata, status } = await client.get(one.ref, { namespace, name });
      if (one.kind !== 'Job') assert.equal(status.observedGeneration, metadata.generation);
      await client.delete(one.ref, { namespace, name }, { propagationPolicy: 'Background' });
      await cluster.advance('1m');
    }
    await silence('after the edits');
  });
}
