import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cloneDeep } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import { StatusError } from '../api/status.ts';
import { schedulerBench, testNode, testPod } from './test-cluster.ts';

test('places a pod, tells so, and leaves what others schedule alone', async () => {
  await using b = await schedulerBench({ objects: [testNode('a')] });
  assert.equal(await b.place(testPod('web', { requests: { cpu: '1' } })), 'a');
  assert.deepEqual(b.events('web'), ['Normal Scheduled: Successfully assigned default/web to a']);
  assert.equal(b.condition('web')?.status, 'True');
  assert.equal(await b.place(testPod('other', { spec: { schedulerName: 'mine' } })), '');
  assert.deepEqual(b.events('other'), []);
  const text = await b.metrics.text();
  assert.match(text, /scheduler_schedule_attempts_total\{result="scheduled",profile="default-scheduler"\} 1/);
  assert.match(text, /scheduler_pending_pods\{queue="active"\} 0/);
  assert.match(text, /scheduler_cache_size\{type="pods"\} 1/);
  assert.match(text, /scheduler_event_handling_duration_seconds_count\{event="NodeAdd"\} 1/);
  assert.match(text, /scheduler_goroutines\{operation="binding"\} 0/);
});

test('times each plugin in one cycle of ten', async () => {
  await using b = await schedulerBench({ objects: [testNode('a', { allocatable: { cpu: '100' } })] });
  const count = async (plugin: string, point: string, status = 'Success') =>
    new RegExp(
      `^scheduler_plugin_execution_duration_seconds_count\\{extension_point="${point}",plugin="${plugin}",status="${status}"\\} (\\d+)$`,
      'm',
    ).exec(await b.metrics.text())?.[1];
  for (let i = 0; i < 20; i++) await b.place(testPod(`web-${i}`, { requests: { cpu: '1' } }));
  assert.equal(await count('NodeAffinity', 'PreFilter', 'Skip'), '2');
  assert.equal(await count('NodeResourcesFit', 'Filter'), '2');
  assert.equal(await count('DefaultBinder', 'Bind'), '2');
  assert.match(
    await b.metrics.text(),
    /scheduler_plugin_execution_duration_seconds_bucket\{extension_point="Bind",plugin="DefaultBinder",status="Success",le="1e-05"\} /,
  );
});

test('counts the attempts that plugins took part in, and the hints that were asked', async () => {
  await using b = await schedulerBench({ objects: [testNode('a', { allocatable: { cpu: '2' } })] });
  await b.place(testPod('web', { requests: { cpu: '1' } }));
  await b.place(testPod('large', { requests: { cpu: '3' } }));
  const count = async (name: string, labels: string) =>
    new RegExp(`^${name}\\{${labels}\\} (\\d+)$`, 'm').exec(await b.metrics.text())?.[1];
  const evaluated = (plugin: string, point: string) =>
    count(
      'scheduler_plugin_evaluation_total',
      `plugin="${plugin}",extension_point="${point}",profile="default-scheduler"`,
    );
  assert.equal(await evaluated('NodeResourcesFit', 'Filter'), '2');
  assert.equal(await evaluated('NodeResourcesFit', 'Score'), undefined, 'there was no choice of nodes');
  assert.equal(await evaluated('VolumeBinding', 'Filter'), undefined, 'skipped: no pod has volumes');
  b.client.set(coreV1.nodes, testNode('a', { allocatable: { cpu: '2500m' } }));
  await b.settle();
  b.client.set(coreV1.nodes, testNode('a', { allocatable: { cpu: '4' } }));
  await b.settle();
  assert.equal(b.nodeOf('large'), 'a');
  const hints = (hint: string) =>
    count(
      'scheduler_queueing_hint_execution_duration_seconds_count',
      `plugin="NodeResourcesFit",event="[^"]+",hint="${hint}"`,
    );
  assert.deepEqual([await hints('QueueSkip'), await hints('Queue')], ['1', '1']);
  assert.equal(await evaluated('NodeResourcesFit', 'Filter'), '3');
});

test('says why no node will do, in sorted order, and tries again when something changes', async () => {
  await using b = await schedulerBench({
    objects: [
      testNode('small', { allocatable: { cpu: '1' } }),
      testNode('tainted', { spec: { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] } }),
      testNode('cordoned', { spec: { unschedulable: true } }),
    ],
  });
  assert.equal(await b.place(testPod('web', { requests: { cpu: '2' } })), '');
  const message =
    '0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable.';
  assert.equal(b.condition('web')?.message?.slice(0, message.length), message);
  assert.equal(b.condition('web')?.reason, 'Unschedulable');
  assert.equal(b.condition('web')?.status, 'False');
  assert.match(b.events('web')[0]!, /^Warning FailedScheduling: 0\/3 nodes are available: /);
  assert.deepEqual(b.scheduler.queue.sizes, { active: 0, backoff: 0, unschedulable: 1, gated: 0 });

  b.client.set(coreV1.nodes, testNode('small', { allocatable: { cpu: '3' } }));
  await b.settle();
  assert.equal(b.nodeOf('web'), 'small', 'nothing else to do: it need not wait for its back-off');
});

test('an event no plugin of the pod cares for leaves it where it is', async () => {
  await using b = await schedulerBench({ objects: [testNode('a', { allocatable: { cpu: '1' } })] });
  await b.place(testPod('web', { requests: { cpu: '2' } }));
  const tries = () => b.scheduler.queue.entry('uid-web')?.attempts;
  assert.equal(tries(), 1);
  b.client.set(coreV1.nodes, testNode('a', { allocatable: { cpu: '1' }, labels: { x: 'y' } }));
  await b.settle();
  assert.equal(tries(), 1);
  b.client.set(coreV1.nodes, testNode('a', { allocatable: { cpu: '1500m' } }));
  await b.settle();
  assert.equal(tries(), 1, 'still too small for it');
});

test('no nodes at all: tried again after a back-off that grows', async () => {
  await using b = await schedulerBench();
  await b.place(testPod('web'));
  assert.equal(b.condition('web')?.message, 'no nodes available to schedule pods');
  await b.clock.advance(1000);
  await b.clock.advance(2000);
  assert.equal(b.scheduler.queue.entry('uid-web')?.attempts, 3);
  b.client.set(coreV1.nodes, testNode('a'));
  await b.clock.advance(10_000);
  assert.equal(b.nodeOf('web'), 'a');
});

test('gated pods wait until their gates are gone', async () => {
  await using b = await schedulerBench({ objects: [testNode('a')] });
  await b.place(testPod('web', { spec: { schedulingGates: [{ name: 'example.com/g' }] } }));
  assert.equal(b.nodeOf('web'), '');
  assert.deepEqual(b.events('web'), []);
  assert.equal(b.scheduler.queue.sizes.gated, 1);
  assert.equal(await b.place(testPod('web')), 'a');
});

test('a binding that fails gives the room back and the pod another try', async () => {
  await using b = await schedulerBench({ objects: [testNode('a', { allocatable: { cpu: '1' } })] });
  b.client.failNext('create', coreV1.pods, new StatusError(500, 'InternalError', 'no luck', {}), {
    subresource: 'binding',
  });
  await b.place(testPod('web', { requests: { cpu: '1' } }));
  assert.equal(b.nodeOf('web'), '');
  assert.equal(b.condition('web')?.reason, 'SchedulerError');
  assert.equal(b.condition('web')?.message, 'running Bind plugin "DefaultBinder": no luck');
  assert.equal(b.scheduler.cache.assumedCount, 0);
  await b.clock.advance(1000);
  await b.settle();
  assert.equal(b.nodeOf('web'), 'a');
  assert.equal(b.scheduler.cache.node('a')!.requested.milliCpu, 1000);
});

test('a binding whose answer is lost is a binding', async () => {
  await using b = await schedulerBench({ objects: [testNode('a', { allocatable: { cpu: '1' } })] });
  const stop = b.client.react(a => {
    if (a.subresource !== 'binding') return undefined;
    stop();
    const bound = cloneDeep(b.client.object(coreV1.pods, 'default/web')!);
    b.client.set(coreV1.pods, { ...bound, spec: { ...bound.spec, nodeName: 'a' } });
    return new Error('socket hang up');
  });
  assert.equal(await b.place(testPod('web', { requests: { cpu: '1' } })), 'a');
  assert.deepEqual(b.events('web'), ['Normal Scheduled: Successfully assigned default/web to a']);
  assert.equal(b.condition('web')?.reason, undefined);
});

test('by priority, then by age', async () => {
  await using b = await schedulerBench({ objects: [testNode('a', { allocatable: { cpu: '1' } })] });
  await b.place(testPod('holder', { requests: { cpu: '1' } }));
  const wants = (name: string, priority: number) =>
    testPod(name, { requests: { cpu: '1' }, spec: { priority, preemptionPolicy: 'Never' } });
  for (const [name, priority] of [
    ['first', 0],
    ['urgent', 5],
    ['second', 0],
  ] as const)
    await b.place(wants(name, priority));
  const order: string[] = [];
  for (const next of ['holder', 'urgent', 'first']) {
    b.client.remove(coreV1.pods, { namespace: 'default', name: next });
    await b.clock.advance(20_000);
    await b.settle();
    order.push(
      ...b.client
        .objects(coreV1.pods)
        .filter(p => p.spec.nodeName)
        .map(p => p.metadata.name!),
    );
  }
  assert.deepEqual(order, ['urgent', 'first', 'second']);
});

test('a pod deleted while it waits is forgotten', async () => {
  await using b = await schedulerBench({ objects: [testNode('a', { allocatable: { cpu: '1' } })] });
  await b.place(testPod('web', { requests: { cpu: '2' } }));
  b.client.remove(coreV1.pods, { namespace: 'default', name: 'web' });
  await b.settle();
  assert.equal(b.scheduler.queue.entry('uid-web'), undefined);
});

test('room of finished pods is free', async () => {
  await using b = await schedulerBench({ objects: [testNode('a', { allocatable: { cpu: '1' } })] });
  await b.place(testPod('job', { requests: { cpu: '1' } }));
  await b.place(testPod('web', { requests: { cpu: '1' } }));
  assert.equal(b.nodeOf('web'), '');
  const job = b.client.object(coreV1.pods, 'default/job')!;
  b.client.set(coreV1.pods, { ...job, status: { ...job.status, phase: 'Succeeded' } } as any);
  await b.settle();
  assert.equal(b.nodeOf('web'), 'a');
});
