import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { appsV1, type Cluster, coreV1, createCluster, virtualClock } from '../index.ts';
// Loaded late otherwise, which virtual time does not wait for.
import '../simulated-nodes.ts';

let cluster: Cluster;
before(async () => {
  cluster = await createCluster({ clock: virtualClock(), seed: 5 });
});
after(() => cluster.stop());

const mark = { 'k8ts.dev/simulate': 'true' };
const namespace = 'default';
const make = (name: string, more: object = {}, annotations: object = mark) =>
  cluster.client.create(coreV1.nodes, { metadata: { name, annotations }, ...more });
const node = (name: string) => cluster.client.get(coreV1.nodes, { name });
const readiness = async (name: string) =>
  (await node(name)).status?.conditions?.find(c => c.type === 'Ready')?.status ?? 'none';
const until = (name: string, status: string) => cluster.until(async () => (await readiness(name)) === status);

test('a marked Node object gets a kubelet, of the size it asks for, and runs pods', async () => {
  await make('big', { status: { capacity: { cpu: '64', memory: '256Gi', pods: '500' } } });
  await make('plain');
  await make('silent', {}, {});
  await until('big', 'True');
  await until('plain', 'True');
  const { status } = await node('big');
  assert.deepEqual([status?.capacity?.cpu, status?.capacity?.memory, status?.capacity?.pods], ['64', '256Gi', '500']);
  const { items } = await cluster.client.list(coreV1.nodes);
  const ips = items.flatMap(n => n.status?.addresses?.filter(a => a.type === 'InternalIP').map(a => a.address) ?? []);
  assert.equal(new Set(ips).size, 2);
  assert.equal(await readiness('silent'), 'none');

  const labels = { app: 'web' };
  await cluster.client.create(appsV1.deployments, {
    metadata: { name: 'web', namespace },
    spec: {
      replicas: 120,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'registry.example/web:1' }] } },
    },
  });
  await cluster.until(async () => {
    const { status } = await cluster.client.get(appsV1.deployments, { namespace, name: 'web' });
    return status?.readyReplicas === 120;
  });
  await cluster.client.delete(appsV1.deployments, { namespace, name: 'web' });
  await cluster.advance('1m');
});

test('a node’s heartbeats cost a lease each 40 seconds and a status each 5 minutes, for an hour', async () => {
  await make('beating');
  await until('beating', 'True');
  await cluster.advance('5m');
  const written: Record<string, number> = {};
  const stop = cluster.faults.observe(({ verb, resource, name, component }) => {
    if (name !== 'beating' && component !== 'kubelet/beating') return;
    written[`${verb} ${resource}`] = (written[`${verb} ${resource}`] ?? 0) + 1;
  });
  await cluster.advance('1h');
  stop();
  assert.deepEqual(written, { 'update leases': 90, 'patch nodes/status': 12 });
});

test('without the mark it has no power any more; with it, it comes back', async () => {
  await make('lamp');
  await until('lamp', 'True');
  const annotate = (value: string | null) => {
    const body = { metadata: { annotations: { 'k8ts.dev/simulate': value } } };
    return cluster.client.patch(coreV1.nodes, { name: 'lamp' }, { type: 'merge', body });
  };
  await annotate(null);
  await until('lamp', 'Unknown');
  await annotate('true');
  await until('lamp', 'True');
});

test('a deleted node is not registered again, and its pods are cleared away', async () => {
  await make('gone');
  await until('gone', 'True');
  await cluster.client.create(coreV1.pods, {
    metadata: { name: 'p', namespace },
    spec: { nodeName: 'gone', containers: [{ name: 'c', image: 'registry.example/web:1' }] },
  });
  await cluster.advance('5s');
  await cluster.client.delete(coreV1.nodes, { name: 'gone' });
  await cluster.advance('10m');
  const { items } = await cluster.client.list(coreV1.nodes, { fieldSelector: 'metadata.name=gone' });
  assert.deepEqual(items, []);
  const pods = await cluster.client.list(coreV1.pods, { namespace, fieldSelector: 'metadata.name=p' });
  assert.deepEqual(pods.items, []);
});

test('a node whose agent has reported a machine is left to that agent', async () => {
  const nodeInfo = { kubeletVersion: 'v1.36.2', osImage: 'Debian GNU/Linux 12 (bookworm)' };
  await make('real', { status: { nodeInfo } });
  await cluster.advance('2m');
  assert.equal((await node('real')).status?.nodeInfo?.osImage, nodeInfo.osImage);
  assert.notEqual(await readiness('real'), 'True');
});
