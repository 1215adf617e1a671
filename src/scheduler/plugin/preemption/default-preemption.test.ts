import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../../../api/refs.ts';
import { type PodOptions, schedulerBench, testNode, testPod } from '../../test-cluster.ts';

const one = { requests: { cpu: '1' } };
const at = (node: string, priority: number, more: PodOptions = {}): PodOptions => ({
  ...one,
  ...more,
  spec: { nodeName: node, priority, ...more.spec },
});
const urgent = (priority = 10) => testPod('urgent', { ...one, spec: { priority } });
const small = (name: string) => testNode(name, { allocatable: { cpu: '1' } });

test('deletes the less important pod, tells so, and gets the place', async () => {
  await using b = await schedulerBench({ objects: [small('a'), testPod('lesser', at('a', 1))] });
  await b.place(urgent());
  assert.deepEqual(b.events('lesser'), ['Normal Preempted: Preempted by pod uid-urgent on node a']);
  assert.deepEqual(
    b.client.writes().filter(w => w.includes('lesser') && !w.includes('events')),
    ['patch pods/status default/lesser', 'delete pods default/lesser'],
  );
  const patch = b.client.actions.find(a => a.name === 'lesser' && a.verb === 'patch')?.body.status.conditions[0];
  assert.equal(patch.type, 'DisruptionTarget');
  assert.equal(patch.reason, 'PreemptionByScheduler');
  assert.equal(patch.message, 'default-scheduler: preempting to accommodate a higher priority pod');
  assert.equal(b.events('urgent')[0], 'Warning FailedScheduling: 0/1 nodes are available: 1 Insufficient cpu.');
  assert.equal(b.nodeOf('urgent'), '', 'its grace period is not over');
  b.client.remove(coreV1.pods, 'default/lesser');
  await b.clock.advance(2000);
  await b.settle();
  assert.equal(b.nodeOf('urgent'), 'a');
});

test('a victim that takes its time keeps the place promised, and is not deleted twice', async () => {
  const slow = testPod('slow', at('a', 1, { metadata: { finalizers: ['example.com/f'] } }));
  await using b = await schedulerBench({ objects: [small('a'), slow] });
  await b.place(urgent());
  const promised = () => b.client.object(coreV1.pods, 'default/urgent')?.status?.nominatedNodeName;
  assert.equal(promised(), 'a');
  assert.equal(await b.place(testPod('cutter', { ...one, spec: { priority: 5 } })), '');
  b.client.set(coreV1.nodes, testNode('a', { allocatable: { cpu: '1' }, labels: { x: 'y' } }));
  b.scheduler.queue.activate('uid-urgent');
  await b.settle();
  assert.equal(b.client.writes().filter(w => w === 'delete pods default/slow').length, 1);
  assert.match(
    b.condition('urgent')!.message!,
    /preemption: not eligible due to a terminating pod on the nominated node\.$/,
  );
  b.client.remove(coreV1.pods, 'default/slow');
  await b.clock.advance(5000);
  await b.settle();
  assert.equal(b.nodeOf('urgent'), 'a');
  assert.equal(b.nodeOf('cutter'), '');
});

test('says where preemption would not help', async () => {
  await using b = await schedulerBench({
    objects: [
      small('a'),
      testNode('t', { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } }),
      testPod('peer', at('a', 10)),
    ],
  });
  await b.place(urgent());
  assert.equal(
    b.condition('urgent')?.message,
    '0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). ' +
      'no new claims to deallocate, preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.',
  );
});

test('preemptionPolicy Never', async () => {
  await using b = await schedulerBench({ objects: [small('a'), testPod('lesser', at('a', 1))] });
  await b.place(testPod('urgent', { ...one, spec: { priority: 10, preemptionPolicy: 'Never' } }));
  assert.match(b.condition('urgent')!.message!, / preemption: not eligible due to preemptionPolicy=Never\.$/);
  assert.ok(b.client.object(coreV1.pods, 'default/lesser'));
});

const victimOf = async (objects: any[]) => {
  await using b = await schedulerBench({ objects });
  await b.place(urgent());
  return b.client
    .writes()
    .filter(w => w.startsWith('delete pods'))
    .map(w => w.slice('delete pods default/'.length));
};

test('a node where no budget is violated comes first, then lower priorities, then fewer, then younger victims', async () => {
  const budget = {
    kind: 'PodDisruptionBudget',
    apiVersion: 'policy/v1',
    metadata: { name: 'b', namespace: 'default' },
    spec: { selector: { matchLabels: { app: 'kept' } } },
    status: { disruptionsAllowed: 0 },
  };
  const nodes = [small('a'), small('b')];
  const kept = testPod('kept', at('a', 1, { labels: { app: 'kept' } }));
  assert.deepEqual(await victimOf([...nodes, kept, testPod('free', at('b', 5)), budget]), ['free']);
  assert.deepEqual(await victimOf([...nodes, testPod('x', at('a', 5)), testPod('y', at('b', 1))]), ['y']);
  const half = (n: string) => testPod(n, { ...at('a', 3), requests: { cpu: '500m' } });
  assert.deepEqual(await victimOf([...nodes, half('h1'), half('h2'), testPod('y', at('b', 3))]), ['y']);
  const started = (n: string, node: string, startTime: string) => testPod(n, at(node, 3, { status: { startTime } }));
  assert.deepEqual(
    await victimOf([
      ...nodes,
      started('old', 'a', '2025-01-01T00:00:00Z'),
      started('new', 'b', '2025-02-01T00:00:00Z'),
    ]),
    ['new'],
  );
});

test('spares what need not go, the most important first', async () => {
  const node = testNode('a', { allocatable: { cpu: '3' } });
  const pods = [testPod('p1', at('a', 1)), testPod('p3', at('a', 3)), testPod('p2', at('a', 2))];
  assert.deepEqual(await victimOf([node, ...pods]), ['p1']);
});
