import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import { enoughNodes } from './algorithm.ts';
import { schedulerBench, testNode, testPod } from './test-cluster.ts';

test('how many nodes are enough', () => {
  const adaptive = [50, 99, 100, 150, 1000, 5000, 6000].map(n => enoughNodes(n, 0));
  assert.deepEqual(adaptive, [50, 99, 100, 100, 420, 500, 300]);
  assert.deepEqual([enoughNodes(1000, 20), enoughNodes(200, 20), enoughNodes(1000, 100)], [200, 100, 1000]);
});

const bound = (node: string) => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }],
      },
    },
  },
});

test('a pod that names its node, as those of a DaemonSet, is tried there only', async () => {
  await using b = await schedulerBench({ objects: ['a', 'b', 'c'].map(n => testNode(n)) });
  assert.equal(await b.place(testPod('d', { spec: bound('b') })), 'b');
  await b.place(testPod('large', { requests: { cpu: '64' }, spec: bound('b') }));
  assert.equal(
    b.condition('large')?.message,
    "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. " +
      'no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.',
  );
  await b.place(testPod('lost', { spec: bound('gone') }));
  assert.match(
    b.condition('lost')!.message!,
    /^0\/3 nodes are available: 3 node\(s\) didn't satisfy plugin\(s\) \[NodeAffinity\]\./,
  );
  b.client.set(coreV1.nodes, testNode('gone'));
  await b.clock.advance(2000);
  await b.settle();
  assert.equal(b.nodeOf('lost'), 'gone');
});

test('a place promised to a more important pod is not given away', async () => {
  await using b = await schedulerBench({ objects: [testNode('a', { allocatable: { cpu: '1' } })] });
  const one = { requests: { cpu: '1' } };
  const promised = testPod('promised', {
    ...one,
    spec: { priority: 10, schedulingGates: [{ name: 'g' }] },
    status: { nominatedNodeName: 'a' },
  });
  await b.place(promised);
  assert.equal(await b.place(testPod('lesser', one)), '');
  assert.equal(await b.place(testPod('greater', { ...one, spec: { priority: 11 } })), 'a');
});

test('host ports, by address and protocol', async () => {
  await using b = await schedulerBench({ objects: [testNode('a')] });
  const port = (name: string, more: object) =>
    testPod(name, { container: { ports: [{ containerPort: 1, hostPort: 80, ...more }] } });
  assert.equal(await b.place(port('one', { hostIP: '10.0.0.1' })), 'a');
  assert.equal(await b.place(port('two', { hostIP: '10.0.0.2' })), 'a');
  assert.equal(await b.place(port('udp', { protocol: 'UDP' })), 'a');
  assert.equal(await b.place(port('any', {})), '');
  assert.match(b.condition('any')!.message!, /1 node\(s\) didn't have free ports for the requested pod ports/);
  b.client.remove(coreV1.pods, 'default/one');
  b.client.remove(coreV1.pods, 'default/two');
  await b.clock.advance(5000);
  await b.settle();
  assert.equal(b.nodeOf('any'), 'a');
});

test('init containers, sidecars and overhead count as they run', async () => {
  const of = (cpu: string, more: object = {}) => ({ name: cpu, image: 'i', resources: { requests: { cpu } }, ...more });
  const place = async (cpu: string) => {
    await using b = await schedulerBench({ objects: [testNode('a', { allocatable: { cpu } })] });
    const initContainers = [of('500m', { restartPolicy: 'Always' }), of('2')];
    return await b.place(testPod('p', { requests: { cpu: '1' }, spec: { initContainers, overhead: { cpu: '100m' } } }));
  };
  assert.equal(await place('2600m'), 'a', 'the init container beside the sidecar is the most');
  assert.equal(await place('2599m'), '');
});
