import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Pod } from '../../api/type/core-v1.ts';
import { VirtualClock } from '../../base/clock.ts';
import { action, type ClusterEvent } from '../cluster-event.ts';
import { podInfoOf } from '../pod-info.ts';
import { testPod } from '../test-cluster.ts';
import { KeyedHeap } from './heap.ts';
import { type QueueOptions, SchedulingQueue } from './scheduling-queue.ts';

test('the heap gives what a sorted list would', () => {
  const operation = fc.record({ key: fc.nat(9), value: fc.nat(99), pop: fc.boolean(), drop: fc.boolean() });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 80 }), operations => {
      const heap = new KeyedHeap<{ key: string; value: number }>(
        i => i.key,
        (a, b) => a.value < b.value,
      );
      const twin = new Map<string, number>();
      for (const { key, value, pop, drop } of operations) {
        if (pop) {
          const least = twin.size ? Math.min(...twin.values()) : undefined;
          const got = heap.pop();
          assert.equal(got?.value, least);
          if (got) twin.delete(got.key);
        } else if (drop) {
          assert.equal(heap.delete(String(key))?.value, twin.get(String(key)));
          twin.delete(String(key));
        } else {
          heap.set({ key: String(key), value });
          twin.set(String(key), value);
        }
        assert.equal(heap.size, twin.size);
      }
    }),
    { verbose: 1 },
  );
});

const event = (resource: ClusterEvent['resource'], actions: number): ClusterEvent => ({
  resource,
  actions,
  label: 'e',
});
const info = (name: string, priority = 0) => podInfoOf(testPod(name, { spec: { priority } }) as unknown as Pod);

function make(options: Partial<QueueOptions> = {}) {
  const clock = new VirtualClock();
  const queue = new SchedulingQueue({
    clock,
    less: (a, b) => a.info.priority > b.info.priority,
    preEnqueue: () => [],
    registered: () => new Map([['Fit', [{ resource: 'Node', actions: action.add }]]]),
    onReady: () => {},
    ...options,
  });
  return { clock, queue };
}

const places = (queue: SchedulingQueue) => Object.fromEntries(queue.list().map(e => [e.info.name, e.place]));

test('only what its rejecting plugin waits for brings a pod back, and not before its back-off', async () => {
  const { clock, queue } = make();
  queue.add(info('p'));
  const entry = queue.pop()!;
  queue.failed(entry.uid, { unschedulablePlugins: ['Fit'] });
  assert.deepEqual(places(queue), { p: 'unschedulable' });
  queue.happened(event('Node', action.updateNodeLabel));
  assert.deepEqual(places(queue), { p: 'unschedulable' });
  queue.happened(event('Node', action.add));
  assert.deepEqual(places(queue), { p: 'backoff' });
  await clock.advance(1000);
  assert.deepEqual(places(queue), { p: 'active' });
});

test('an event that came while the pod was being tried is not lost', () => {
  const { queue } = make();
  queue.add(info('p'));
  queue.add(info('q'));
  const [p, q] = [queue.pop()!, queue.pop()!];
  queue.happened(event('Node', action.add));
  queue.failed(p.uid, { unschedulablePlugins: ['Fit'] });
  queue.failed(q.uid, { unschedulablePlugins: ['Other'] });
  assert.deepEqual(places(queue), { p: 'backoff', q: 'unschedulable' });
});

test('errors back off longer and longer, up to a limit, and may not be tried for want of work', async () => {
  const { clock, queue } = make();
  queue.add(info('p'));
  const waits: number[] = [];
  for (let i = 0; i < 6; i++) {
    const entry = queue.pop()!;
    queue.failed(entry.uid, { error: true });
    assert.equal(queue.pop(), undefined);
    waits.push(clock.untilNext()!);
    await clock.advance(clock.untilNext()!);
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 10000, 10000]);
});

test('a pod that waited for nothing for five minutes is tried again', async () => {
  const { clock, queue } = make();
  queue.add(info('p'));
  queue.failed(queue.pop()!.uid, { unschedulablePlugins: ['Fit'] });
  await clock.advance(299_000);
  assert.deepEqual(places(queue), { p: 'unschedulable' });
  await clock.advance(60_000);
  assert.deepEqual(places(queue), { p: 'active' });
});

test('what waits for something under way need not back off', () => {
  const { queue } = make();
  queue.add(info('p'));
  queue.failed(queue.pop()!.uid, { pendingPlugins: ['Fit'] });
  queue.happened(event('Node', action.add));
  assert.deepEqual(places(queue), { p: 'active' });
});

test('a hint that says no, or throws', () => {
  let answer: () => 'Queue' | 'Skip' = () => 'Skip';
  const hint = () => answer();
  const { queue } = make({ registered: () => new Map([['Fit', [{ resource: 'Node', actions: action.add, hint }]]]) });
  queue.add(info('p'));
  queue.failed(queue.pop()!.uid, { pendingPlugins: ['Fit'] });
  queue.happened(event('Node', action.add));
  assert.deepEqual(places(queue), { p: 'unschedulable' });
  answer = () => {
    throw new Error('bug');
  };
  queue.happened(event('Node', action.add));
  assert.deepEqual(places(queue), { p: 'active' });
});
