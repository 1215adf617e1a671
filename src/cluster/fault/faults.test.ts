import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { appsV1, coreV1 } from '../../api/refs.ts';
import { type Cluster, createCluster, virtualClock } from '../create-cluster.ts';

let cluster: Cluster;
let count = 0;
let name = '';

before(async () => {
  cluster = await createCluster({ nodes: 2, clock: virtualClock(), seed: 3 });
  await cluster.until(async () => (await cluster.client.list(coreV1.nodes)).items.length === 2);
});
after(() => cluster.stop());
beforeEach(() => {
  cluster.faults.clear();
  name = `d${++count}`;
});

async function deploy(replicas: number): Promise<void> {
  const labels = { app: name };
  await cluster.client.create(appsV1.deployments, {
    metadata: { name, namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'registry.example/web:1' }] } },
    },
  });
}
const pods = async () =>
  (await cluster.client.list(coreV1.pods, { namespace: 'default', labelSelector: `app=${name}` })).items;
const ready = (replicas: number) =>
  cluster.until(async () => {
    const { status } = await cluster.client.get(appsV1.deployments, { namespace: 'default', name });
    return status?.readyReplicas === replicas;
  }, '20m');

for (const fault of ['conflict', 'internal', 'throttled', 'unavailable', 'timeout', 'lost answer', 'slow'] as const)
  test(`a deployment comes up although a third of the calls meet: ${fault}`, async () => {
    cluster.faults.add({ fault, probability: 0.3, delayMs: [0, 3000] });
    await deploy(3);
    await ready(3);
    cluster.faults.clear();
    await cluster.advance('5m');
    assert.equal((await pods()).length, 3);
  });

test('a rule strikes as often as it says, whom it names', async () => {
  cluster.faults.add({ fault: 'internal', component: 'replicaset-controller', resource: 'pods', times: 2 });
  await deploy(1);
  await ready(1);
  const { items } = await cluster.client.list(coreV1.events, { namespace: 'default' });
  const failed = items.filter(e => e.reason === 'FailedCreate' && e.involvedObject.name?.startsWith(name));
  assert.equal(
    failed.reduce((n, e) => n + (e.count ?? 1), 0),
    2,
  );
});

test('informers find their way after broken and expired watches', async () => {
  assert.ok(cluster.faults.dropWatches() > 10);
  await deploy(2);
  await ready(2);
  assert.ok(cluster.faults.expireWatches({ resource: 'pods' }) > 1);
  await cluster.client.patch(
    appsV1.deployments,
    { namespace: 'default', name },
    { type: 'merge', body: { spec: { replicas: 4 } } },
  );
  await ready(4);
});

test('a controller that dies at any of its writes makes exactly what was asked, once back', async () => {
  for (let write = 1; write <= 4; write++) {
    for (const happens of [true, false]) {
      name = `d${++count}`;
      cluster.faults.crashAtWrite({ component: 'replicaset-controller', write, happens });
      await deploy(4);
      await ready(4);
      await cluster.advance('1m');
      assert.equal((await pods()).length, 4, `write ${write}, ${happens ? 'done' : 'not done'}`);
    }
  }
});

test('the scheduler starts again after a crash', async () => {
  cluster.faults.crash('scheduler', 60_000);
  await deploy(1);
  await cluster.advance('50s');
  assert.equal((await pods())[0]?.spec.nodeName, undefined);
  await ready(1);
});

test('pods of a node without power are replaced elsewhere, and gone once it is back', async () => {
  await deploy(2);
  await ready(2);
  cluster.faults.loseNode('node-1');
  await cluster.advance('10m');
  const left = await pods();
  assert.ok(left.some(p => p.spec.nodeName === 'node-1' && p.metadata.deletionTimestamp));
  assert.equal(left.filter(p => p.spec.nodeName === 'node-2' && !p.metadata.deletionTimestamp).length, 2);
  cluster.faults.returnNode('node-1');
  await cluster.advance('2m');
  assert.equal((await pods()).length, 2);
});
