import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coordinationV1, coreV1 } from '../api/refs.ts';
import { startTestNode } from './test-node.ts';

const _container = { name: 'app', image: 'example.com/app:1' };

test('registers the node, its lease and its events', async () => {
  const t = await startTestNode();
  try {
    const node = await t.client.get(coreV1.nodes, { name: 'node-a' });
    assert.equal(node.metadata.labels?.['kubernetes.io/hostname'], 'node-a');
    assert.equal(node.status?.capacity?.memory, '8Gi');
    assert.equal(node.status?.allocatable?.memory, '8092Mi');
    const ready = node.status?.conditions?.find(c => c.type === 'Ready');
    assert.deepEqual([ready?.status, ready?.reason], ['True', 'KubeletReady']);
    await t.pass(20_000);
    const lease = await t.client.get(coordinationV1.leases, { namespace: 'kube-node-lease', name: 'node-a' });
    assert.equal(lease.spec?.leaseDurationSeconds, 40);
    assert.equal(lease.metadata.ownerReferences?.[0]?.uid, node.metadata.uid);
    const events = await t.events('node-a');
    assert.ok(events.includes('Starting: Starting kubelet.'), events.join('\n'));
    assert.ok(events.includes('NodeReady: Node node-a status is now: NodeReady'), events.join('\n'));
  } finally {
    await t.stop();
  }
});

test('an extended resource that an administrator advertises becomes allocatable, stays, and goes', async () => {
  const t = await startTestNode();
  const advertised = async () => {
    const { status } = await t.client.get(coreV1.nodes, { name: 'node-a' });
    return [status?.capacity?.['example.com/dongle'], status?.allocatable?.['example.com/dongle']];
  };
  try {
    await t.client.patch(
      coreV1.nodes,
      { name: 'node-a' },
      { type: 'merge', body: { status: { capacity: { 'example.com/dongle': '4' } } } },
      { subresource: 'status' },
    );
    assert.deepEqual(await advertised(), ['4', undefined]);
    await t.pass(10_000);
    assert.deepEqual(await advertised(), ['4', '4']);
    await t.pass(60_000);
    assert.deepEqual(await advertised(), ['4', '4']);
    await t.client.patch(
      coreV1.nodes,
      { name: 'node-a' },
      { type: 'json', body: [{ op: 'remove', path: '/status/capacity/example.com~1dongle' }] },
      { subresource: 'status' },
    );
    await t.pass(10_000);
    assert.deepEqual(await advertised(), [undefined, undefined]);
  } finally {
    await t.stop();
  }
});

test('tells that it is ready again after nobody had heard of it', async () => {
  const t = await startTestNode();
  const told = async () => (await t.events('node-a')).filter(e => e.startsWith('NodeReady: ')).length;
  try {
    await t.pass(30_000);
    assert.equal(await told(), 1);
    const { status } = await t.client.get(coreV1.nodes, { name: 'node-a' });
    const conditions = status?.conditions?.map(c => ({ ...c, status: 'Unknown', reason: 'NodeStatusUnknown' }));
    const body = { status: { conditions } };
    await t.client.patch(coreV1.nodes, { name: 'node-a' }, { type: 'merge', body }, { subresource: 'status' });
    await t.pass(10_000);
    const again = (await t.client.list(coreV1.events, {})).items.find(e => e.reason === 'NodeReady');
    assert.equal(again?.count, 2);
    await t.pass(60_000);
    const later = (await t.client.list(coreV1.events, {})).items.find(e => e.reason === 'NodeReady');
    assert.equal(later?.count, 2);
  } finally {
    await t.stop();
  }
});

test('tells when its node is cordoned, and when no longer', async () => {
  const t = await startTestNode();
  try {
    for (const [unschedulable, reason] of [
      [true, 'NodeNotSchedulable'],
      [null, 'NodeSchedulable'],
    ] as const) {
      await t.client.patch(coreV1.nodes, { name: 'node-a' }, { type: 'merge', body: { spec: { unschedulable } } });
      await t.pass(60_000);
      const told = (await t.events('node-a')).filter(e => e.includes('Schedulable'));
      assert.equal(told.at(-1), `${reason}: Node node-a status is now: ${reason}`);
    }
    assert.equal((await t.events('node-a')).filter(e => e.includes('chedulable:')).length, 2);
  } finally {
    await t.stop();
  }
});

test('a node takes no more pods than its cores are for', async () => {
  for (const [podsPerCore, pods] of [
    [3, '12'],
    [30, '110'],
  ] as const) {
    const t = await startTestNode({ podsPerCore });
    try {
      const { status } = await t.client.get(coreV1.nodes, { name: 'node-a' });
      assert.deepEqual([status?.capacity?.pods, status?.allocatable?.pods], [pods, pods]);
    } finally {
      await t.stop();
    }
  }
});
