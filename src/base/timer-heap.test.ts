import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from './clock.ts';
import { TimerHeap } from './timer-heap.ts';

/** The twin: looks at every timer each time. */
class NaiveTimers {
  readonly #entries = new Set<{ atMs: number; order: number; id: number }>();
  #order = 0;

  add(atMs: number, id: number): () => void {
    const entry = { atMs, order: this.#order++, id };
    this.#entries.add(entry);
    return () => this.#entries.delete(entry);
  }

  #first() {
    return [...this.#entries].sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
  }

  nextMs = () => this.#first()?.atMs;

  take(): number | undefined {
    const first = this.#first();
    if (first) this.#entries.delete(first);
    return first?.id;
  }

  get size() {
    return this.#entries.size;
  }
}

const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('add' as const), n: fc.nat(20) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('cancel' as const), n: fc.nat(500) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('take' as const), n: fc.constant(0) }) },
);

test('the heap fires what the naive one fires, in its order', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 600, size: 'max' }), operations => {
      const heap = new TimerHeap();
      const naive = new NaiveTimers();
      const cancels: (() => void)[] = [];
      let fired: number | undefined;
      for (const { do: what, n } of operations) {
        if (what === 'add') {
          const id = cancels.length;
          const timer = heap.add(n, () => {
            fired = id;
          });
          const forget = naive.add(n, id);
          cancels.push(() => {
            timer.cancel();
            forget();
          });
        } else if (what === 'cancel') {
          if (cancels.length) cancels[n % cancels.length]!();
        } else {
          fired = undefined;
          heap.take()?.();
          assert.equal(fired, naive.take());
        }
        assert.equal(heap.size, naive.size);
        assert.equal(heap.nextMs(), naive.nextMs());
      }
    }),
    { numRuns: 100 },
  );
});

test('timers of one instant fire in the order they were set, also those set meanwhile', async () => {
  const clock = new VirtualClock(0);
  const seen: string[] = [];
  clock.after(5, () => {
    seen.push('a');
    clock.after(0, () => seen.push('d'));
  });
  clock.after(5, () => seen.push('b'));
  clock.after(5, () => seen.push('c')).cancel();
  clock.after(4, () => seen.push('first'));
  await clock.advance(5);
  assert.deepEqual(seen, ['first', 'a', 'b', 'd']);
  assert.equal(clock.untilNext(), undefined);
});
