import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from '../base/clock.ts';
import { createMetrics } from '../base/metrics.ts';
import { DelayHeap } from './delay-heap.ts';
import { queueMetrics } from './queue-metrics.ts';
import { ControllerRateLimiter } from './rate-limiter.ts';
import { RingQueue } from './ring-queue.ts';
import { WorkQueue } from './work-queue.ts';

describe('work queue', () => {
  it('queues a key once, in order of arrival', async () => {
    const queue = new WorkQueue({ clock: new VirtualClock() });
    for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key);
    assert.equal(queue.depth, 3);
    assert.deepEqual([await queue.get(), await queue.get(), await queue.get()], ['a', 'b', 'c']);
  });

  it('queues again after the work what was added during it', async () => {
    const queue = new WorkQueue({ clock: new VirtualClock() });
    queue.add('a');
    assert.equal(await queue.get(), 'a');
    queue.add('a');
    queue.add('a');
    assert.equal(queue.depth, 0, 'one worker a key');
    queue.done('a');
    assert.equal(queue.depth, 1);
    assert.equal(await queue.get(), 'a');
    queue.done('a');
    assert.equal(queue.depth, 0);
    await queue.whenIdle();
  });

  it('queues such a key when it is told to, with all that came meanwhile', async () => {
    const later: (() => void)[] = [];
    const queue = new WorkQueue({ clock: new VirtualClock(), again: fn => later.push(fn) });
    queue.add('a');
    assert.equal(await queue.get(), 'a');
    queue.add('a');
    queue.done('a');
    queue.add('a');
    queue.add('b');
    assert.equal(await queue.get(), 'b', 'others do not wait for it');
    queue.done('b');
    let idle = false;
    const waiting = queue.whenIdle().then(() => {
      idle = true;
    });
    assert.equal(queue.depth, 0);
    later.shift()!();
    assert.equal(await queue.get(), 'a');
    assert.equal(idle, false);
    queue.done('a');
    await waiting;
    assert.equal(later.length, 0);
  });

  it('serves workers that wait, in their order', async () => {
    const queue = new WorkQueue({ clock: new VirtualClock() });
    const got = [queue.get(), queue.get(), queue.get()];
    queue.add('a');
    queue.add('b');
    assert.deepEqual([await got[0], await got[1]], ['a', 'b']);
    queue.shutDown();
    assert.equal(await got[2], undefined);
    queue.add('c');
    assert.equal(await queue.get(), undefined);
  });

  it('delays; the earlier time counts', async () => {
    const clock = new VirtualClock();
    const queue = new WorkQueue({ clock });
    queue.addAfter('a', 1000);
    queue.addAfter('a', 5000);
    queue.addAfter('b', 3000);
    queue.addAfter('b', 500);
    queue.addAfter('now', 0);
    assert.equal(queue.depth, 1);
    await clock.advance(500);
    assert.equal(queue.depth, 2);
    await clock.advance(500);
    assert.equal(queue.depth, 3);
    await clock.advance(10_000);
    assert.equal(queue.depth, 3);
    assert.equal(clock.untilNext(), undefined);
  });

  it('doubles the delay of a key from 5 ms to 1000 s, and forgets', () => {
    const limiter = new ControllerRateLimiter(new VirtualClock());
    const delays = Array.from({ length: 20 }, () => limiter.delayMs('a'));
    assert.deepEqual(delays.slice(0, 4), [5, 10, 20, 40]);
    assert.equal(delays.at(-1), 1_000_000);
    limiter.forget('a');
    assert.equal(limiter.delayMs('a'), 5);
  });

  it('lets 100 retries through at once, then ten a second', async () => {
    const clock = new VirtualClock();
    const limiter = new ControllerRateLimiter(clock);
    for (let i = 0; i < 100; i++) assert.equal(limiter.delayMs(`k${i}`), 5);
    assert.equal(Math.round(limiter.delayMs('x')), 100);
    assert.equal(Math.round(limiter.delayMs('y')), 200);
    await clock.advance(1000);
    assert.equal(limiter.delayMs('z'), 5);
  });

  it('counts', async () => {
    const clock = new VirtualClock();
    const metrics = createMetrics();
    const queue = new WorkQueue({ clock, metrics: queueMetrics(metrics, 'q', clock) });
    queue.add('a');
    queue.add('b');
    await clock.advance(2000);
    await queue.get();
    await clock.advance(3000);
    const lines = (await metrics.text()).split('\n');
    const value = (name: string) => lines.find(l => l.startsWith(`${name}{name="q"}`))?.split(' ')[1];
    assert.equal(value('workqueue_depth'), '1');
    assert.equal(value('workqueue_adds_total'), '2');
    assert.equal(value('workqueue_queue_duration_seconds_sum'), '2');
    assert.equal(value('workqueue_unfinished_work_seconds'), '3');
    assert.equal(value('workqueue_longest_running_processor_seconds'), '3');
    queue.done('a');
    queue.addRateLimited('a');
    assert.match(await metrics.text(), /workqueue_work_duration_seconds_sum\{name="q"\} 3\n/);
    assert.match(await metrics.text(), /workqueue_retries_total\{name="q"\} 1\n/);
  });
});

describe('ring queue', () => {
  it('agrees with an array', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat())), ops => {
        const ring = new RingQueue<number>();
        const array: number[] = [];
        for (const op of ops) {
          if (op === null) assert.equal(ring.shift(), array.shift());
          else {
            ring.push(op);
            array.push(op);
          }
          assert.equal(ring.size, array.length);
        }
        while (array.length > 0) assert.equal(ring.shift(), array.shift());
      }),
    );
  });
});

describe('delay heap', () => {
  it('agrees with a sorted map', () => {
    const op = fc.oneof(
      fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd', 'e'), dueMs: fc.nat(20) }),
      fc.record({ now: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(op), ops => {
        const heap = new DelayHeap();
        const naive = new Map<string, number>();
        for (const o of ops) {
          if ('key' in o) {
            const old = naive.get(o.key);
            assert.equal(heap.add(o.key, o.dueMs), old === undefined || o.dueMs < old);
            naive.set(o.key, Math.min(old ?? Number.POSITIVE_INFINITY, o.dueMs));
          } else {
            const next = naive.size > 0 ? Math.min(...naive.values()) : undefined;
            assert.equal(heap.nextDueMs(), next);
            const key = heap.take(o.now);
            if (next === undefined || next > o.now) assert.equal(key, undefined);
            else {
              assert.equal(naive.get(key!), next);
              naive.delete(key!);
            }
          }
          assert.equal(heap.size, naive.size);
        }
      }),
    );
  });
});
