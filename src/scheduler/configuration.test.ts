import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import { type KubeSchedulerConfiguration, readConfiguration } from './configuration.ts';
import type { Handle, Plugin } from './framework.ts';
import { Status, unschedulable } from './status.ts';
import { schedulerBench, testNode, testPod } from './test-cluster.ts';

const bench = (config: KubeSchedulerConfiguration, objects: object[], more = {}) =>
  schedulerBench({ objects, ...readConfiguration(config, more) });
const nodes = ['full', 'empty'].map(n => testNode(n));
const busy = testPod('busy', { requests: { cpu: '2', memory: '4Gi' }, spec: { nodeName: 'full' } });
const small = { requests: { cpu: '500m', memory: '1Gi' } };

test('profiles differ by plugins and arguments, and pods choose by name', async () => {
  const packing = {
    schedulerName: 'packing',
    plugins: { score: { disabled: [{ name: '*' }], enabled: [{ name: 'NodeResourcesFit', weight: 5 }] } },
    pluginConfig: [
      {
        name: 'NodeResourcesFit',
        args: { scoringStrategy: { type: 'MostAllocated', resources: [{ name: 'cpu', weight: 1 }] } },
      },
    ],
  };
  await using b = await bench({ profiles: [{}, packing] }, [...nodes, busy]);
  assert.equal(await b.place(testPod('spread', small)), 'empty');
  assert.equal(await b.place(testPod('packed', { ...small, spec: { schedulerName: 'packing' } })), 'full');
  assert.match(await b.metrics.text(), /attempts_total\{result="scheduled",profile="packing"\} 1/);
  assert.deepEqual(b.events('packed'), ['Normal Scheduled: Successfully assigned default/packed to full']);
});

test('a disabled filter does not filter', async () => {
  const off = { plugins: { multiPoint: { disabled: [{ name: 'TaintToleration' }] } } };
  const tainted = testNode('t', { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } });
  await using b = await bench({ profiles: [off] }, [tainted]);
  assert.equal(await b.place(testPod('p')), 't');
});

test('added affinity, and defaults for spreading', async () => {
  const zone = 'topology.kubernetes.io/zone';
  const added = { nodeSelectorTerms: [{ matchExpressions: [{ key: zone, operator: 'Exists' }] }] };
  const profile = {
    pluginConfig: [
      { name: 'NodeAffinity', args: { addedAffinity: { requiredDuringSchedulingIgnoredDuringExecution: added } } },
    ],
  };
  await using b = await bench({ profiles: [profile] }, nodes);
  await b.place(testPod('p'));
  assert.match(b.condition('p')!.message!, /2 node\(s\) didn't match scheduler-enforced node affinity/);
});

test('faults of a configuration are told with their paths', () => {
  const faults = (c: KubeSchedulerConfiguration) => {
    try {
      readConfiguration(c);
    } catch (error) {
      return (error as Error).message.split('\n');
    }
    return [];
  };
  assert.deepEqual(faults({ apiVersion: 'kubescheduler.config.k8s.io/v1', kind: 'KubeSchedulerConfiguration' }), []);
  assert.deepEqual(faults({ percentageOfNodesToScore: 101, profiles: [{}, {}] }), [
    'percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]',
    'profiles[1].schedulerName: Duplicate value: "default-scheduler"',
  ]);
  assert.deepEqual(faults({ profiles: [{ plugins: { filter: { enabled: [{ name: 'Nope' }] } } }] }), [
    'profiles[0].plugins: Invalid value: "Nope": plugin "Nope" does not exist',
  ]);
});

test('permit: a pod waits with its place held until allowed, refused or out of time', async () => {
  let handle: Handle | undefined;
  const gate = (h: Handle): Plugin => {
    handle = h;
    return {
      name: 'Gate',
      permit: (_state, pod) =>
        pod.labels.refused
          ? { status: unschedulable('Gate', 'not you') }
          : { status: new Status('Wait'), timeoutMs: 5000 },
      eventsToRegister: () => [],
    };
  };
  const config = { profiles: [{ plugins: { multiPoint: { enabled: [{ name: 'Gate' }] } } }] };
  await using b = await bench(config, [testNode('a', { allocatable: { cpu: '1' } })], { Gate: gate });
  assert.equal(await b.place(testPod('p', { requests: { cpu: '1' } })), '');
  assert.equal(b.scheduler.cache.node('a')!.requested.milliCpu, 1000, 'its place is held');
  assert.deepEqual(handle!.waitingPod('uid-p')!.pendingPlugins, ['Gate']);
  const promised = () => b.client.object(coreV1.pods, 'default/p')?.status?.nominatedNodeName;
  assert.equal(promised(), 'a', 'others know where it is going');
  handle!.waitingPod('uid-p')!.allow('Gate');
  await b.settle();
  assert.equal(b.nodeOf('p'), 'a');
  b.client.remove(coreV1.pods, 'default/p');

  const featureEnabled = (name: string) => name !== 'NominatedNodeNameForExpectation';
  const options = readConfiguration(config, { Gate: gate });
  await using quiet = await schedulerBench({ objects: [testNode('a')], ...options, featureEnabled });
  await quiet.place(testPod('p'));
  assert.ok(handle!.waitingPod('uid-p'));
  assert.equal(quiet.client.object(coreV1.pods, 'default/p')?.status?.nominatedNodeName, undefined);

  quiet.client.remove(coreV1.pods, 'default/p');

  await b.place(testPod('late', { requests: { cpu: '1' } }));
  await b.clock.advance(5000);
  await b.settle();
  assert.equal(
    b.condition('late')?.message,
    '0/1 nodes are available: 1 rejected due to timeout after waiting 5s at plugin Gate.',
  );
  assert.equal(b.condition('late')?.reason, 'Unschedulable');
  assert.equal(b.scheduler.cache.assumedCount, 0);

  await b.place(testPod('refused', { labels: { refused: 'yes' } }));
  assert.equal(b.condition('refused')?.message, '0/1 nodes are available: 1 not you.');
  await b.place(testPod('doomed', { requests: { cpu: '1' } }));
  b.client.remove(coreV1.pods, 'default/doomed');
  await b.settle();
  assert.equal(b.scheduler.cache.assumedCount, 0, 'a deleted pod does not wait');
});

test('the dump shows nodes, pods and why pods wait', async () => {
  await using b = await schedulerBench({ objects: [...nodes, busy] });
  await b.place(testPod('huge', { requests: { cpu: '64' } }));
  const text = b.scheduler.dump();
  assert.match(text, /Node name: full\nRequested: cpu=2000m memory=4294967296/);
  assert.match(text, /default\/busy uid=uid-busy/);
  assert.match(text, /default\/huge unschedulable attempts=1 priority=0 rejected by NodeResourcesFit/);
  assert.match(
    await b.metrics.text(),
    /scheduler_unschedulable_pods\{plugin="NodeResourcesFit",profile="default-scheduler"\} 1/,
  );
});
