import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NodeInfo } from '../cache/node-info.ts';
import { CycleState, type Handle } from '../framework.ts';
import { balance, brokenLine, leastRequested, mostRequested, normalizeToMax } from '../kernel/score.ts';
import { podInfoOf } from '../pod-info.ts';
import { schedulerBench, testNode, testPod } from '../test-cluster.ts';
import { nodeResourcesBalancedAllocation } from './balanced-allocation.ts';
import { imageLocality } from './image-locality.ts';
import { resourceScorer } from './resource-scorer.ts';

const info = (allocatable: object, ...pods: object[]) => {
  const node = new NodeInfo('n');
  node.setNode(testNode('n', { allocatable }) as never);
  for (const [i, requests] of pods.entries()) node.addPod(podInfoOf(testPod(`p${i}`, { requests }) as never));
  return node;
};
const pod = (requests: object) => podInfoOf(testPod('p', { requests }) as never);

test('shares of resources', () => {
  assert.equal(leastRequested(3000, 10000), 70);
  assert.equal(leastRequested(11, 10), 0);
  assert.equal(mostRequested(3333, 10000), 33);
  assert.equal(mostRequested(11, 10), 100);
  assert.equal(balance([0.5, 0.5]), 100);
  assert.equal(balance([0.25, 0.75]), 75);
  assert.equal(balance([0, 0.5, 1]), 59);
  const scores = [0, 3, 10];
  normalizeToMax(scores, false);
  assert.deepEqual(scores, [0, 30, 100]);
  normalizeToMax(scores, true);
  assert.deepEqual(scores, [100, 70, 0]);
  const none = [0, 0];
  normalizeToMax(none, true);
  assert.deepEqual(none, [100, 100]);
});

test('a line through points', () => {
  const line = brokenLine([
    { utilization: 0, score: 0 },
    { utilization: 50, score: 100 },
    { utilization: 100, score: 20 },
  ]);
  assert.deepEqual([0, 25, 50, 75, 100, 120].map(line), [0, 50, 100, 60, 20, 20]);
});

test('NodeResourcesFit: least, most and ratio, with defaults for pods that ask for nothing', () => {
  const node = info({ cpu: '4', memory: '8Gi' }, { cpu: '1', memory: '2Gi' });
  const asks = pod({ cpu: '1', memory: '2Gi' });
  assert.equal(resourceScorer()(asks, node), 50);
  assert.equal(resourceScorer({ type: 'MostAllocated' })(asks, node), 50);
  const uneven = resourceScorer({
    resources: [
      { name: 'cpu', weight: 3 },
      { name: 'memory', weight: 1 },
    ],
  });
  assert.equal(uneven(pod({ cpu: '3', memory: '0' }), node), 18);
  assert.equal(resourceScorer()(pod({}), info({ cpu: '1', memory: '400Mi' })), 70, '100m and 200Mi are assumed');
  const shape = [
    { utilization: 0, score: 0 },
    { utilization: 100, score: 10 },
  ];
  const ratio = resourceScorer({ type: 'RequestedToCapacityRatio', requestedToCapacityRatio: { shape } });
  assert.equal(ratio(asks, node), 50);
  const gpu = resourceScorer({ resources: [{ name: 'example.com/gpu' }, { name: 'cpu' }] });
  assert.equal(gpu(asks, info({ cpu: '4', 'example.com/gpu': '4' })), 75, 'only for those who ask for it');
});

test('NodeResourcesBalancedAllocation looks at what is really asked for', () => {
  const plugin = nodeResourcesBalancedAllocation(undefined, undefined);
  const score = (requests: object) => plugin.score!(new CycleState(), pod(requests), info({ cpu: '4', memory: '4Gi' }));
  assert.equal(score({ cpu: '2', memory: '2Gi' }), 100);
  assert.equal(score({ cpu: '2', memory: '0' }), 75);
  assert.equal(plugin.preScore!(new CycleState(), pod({}), [])?.code, 'Skip');
});

test('ImageLocality grows with size and with how many nodes have the image', () => {
  const plugin = imageLocality({ cluster: { nodes: [1, 2] } } as unknown as Handle);
  const score = (mebibytes: number, nodes: number) => {
    const node = info({});
    const names = new Set(Array.from({ length: nodes }, (_, i) => `n${i}`));
    node.images = new Map([['busybox:latest', { sizeBytes: mebibytes * 1024 * 1024, nodes: names }]]);
    return plugin.score!(new CycleState(), pod({}), node);
  };
  assert.equal(score(23, 2), 0);
  assert.equal(score(1000, 2), 100);
  assert.equal(score(1000, 1), 48);
  assert.equal(score(5000, 2), 100);
});

const zone = 'topology.kubernetes.io/zone';
const zoned = (name: string, z: string, more: object = {}) => testNode(name, { labels: { [zone]: z }, ...more });
const tries = [1, 2, 3, 4, 5];

test('pods of one ReplicaSet spread over zones and nodes by themselves', async () => {
  const set = {
    kind: 'ReplicaSet',
    apiVersion: 'apps/v1',
    metadata: { name: 'web', namespace: 'default', uid: 'rs' },
    spec: { selector: { matchLabels: { app: 'web' } } },
  };
  const ownerReferences = [{ kind: 'ReplicaSet', apiVersion: 'apps/v1', name: 'web', uid: 'rs', controller: true }];
  for (const seed of tries) {
    await using b = await schedulerBench({
      seed,
      objects: [set, zoned('a', 'z1'), zoned('b', 'z1'), zoned('c', 'z2'), zoned('d', 'z2')],
    });
    const nodes: string[] = [];
    for (let i = 0; i < 4; i++)
      nodes.push(
        await b.place(
          testPod(`w${i}`, { labels: { app: 'web' }, metadata: { ownerReferences, labels: { app: 'web' } } }),
        ),
      );
    assert.equal(new Set(nodes).size, 4);
    const z = nodes.slice(0, 2).map(n => (n < 'c' ? 'z1' : 'z2'));
    assert.notEqual(z[0], z[1], 'the second goes to the other zone');
  }
});

test('preferences: away from soft taints, towards preferred labels', async () => {
  const soft = { spec: { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] } };
  const preference = {
    weight: 10,
    preference: { matchExpressions: [{ key: zone, operator: 'In', values: ['z2'] }] },
  };
  const prefers = {
    spec: { affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [preference] } } },
  };
  for (const seed of tries) {
    await using b = await schedulerBench({ seed, objects: [testNode('soft', soft), testNode('plain')] });
    assert.equal(await b.place(testPod('p')), 'plain');
    await using c = await schedulerBench({ seed, objects: [zoned('a', 'z1'), zoned('b', 'z2')] });
    assert.equal(await c.place(testPod('p', prefers)), 'b');
  }
});
