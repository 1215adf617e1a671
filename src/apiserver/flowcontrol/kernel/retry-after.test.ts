import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RetryAfter } from './retry-after.ts';

test('the wait doubles up to 32 seconds while many are turned away, and shrinks by one a step when few are', () => {
  const retry = new RetryAfter();
  let nowMs = 5000;
  const seconds = (count: number, perSecond: number) => {
    for (let s = 0; s < count; s++, nowMs += 1000) for (let i = 0; i < perSecond; i++) retry.drop(nowMs);
    return retry.seconds;
  };
  assert.equal(seconds(1, 1), 1);
  assert.equal(seconds(200, 3), 32);
  assert.equal(seconds(40, 1), 32, 'one a second is neither many nor few');
  nowMs += 100_000;
  assert.equal(retry.drop(nowMs), 31);
  nowMs += 31_000;
  assert.equal(retry.drop(nowMs), 30);
  nowMs += 29_000;
  assert.equal(retry.drop(nowMs), 30, 'not before its time');
});

// The same with a list of all that were turned away.
class Twin {
  seconds = 1;
  updated = 0;
  readonly drops: number[] = [];
  drop(nowMs: number): number {
    const now = Math.floor(nowMs / 1000);
    if (now - this.updated >= this.seconds) {
      const n = this.drops.filter(s => s >= now - this.seconds && s < now).length;
      if (n < this.seconds) this.seconds = Math.max(1, this.seconds - 1);
      else if (n >= 3 * this.seconds) this.seconds = Math.min(32, this.seconds * 2);
      this.updated = now;
    }
    this.drops.push(now);
    return this.seconds;
  }
}

test('a ring of seconds tells what a list of everything tells', () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 1, max: 40 })), {
    maxLength: 150,
  });
  fc.assert(
    fc.property(steps, steps => {
      const [ring, twin] = [new RetryAfter(), new Twin()];
      let nowMs = 0;
      for (const [afterMs, times] of steps) {
        nowMs += afterMs % 7 === 0 ? afterMs * 20 : afterMs;
        for (let i = 0; i < times; i++) assert.equal(ring.drop(nowMs), twin.drop(nowMs));
      }
    }),
    { numRuns: 200 },
  );
});
