import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DemandMeter, smoothed } from './demand.ts';
import { currentLimits, nominalBounds } from './limits.ts';
import { listWidth, widestOf, writeWidth } from './width.ts';

// Shares of the levels every cluster has, exempt first.
const defaults = [
  [0, 0],
  [5, 0],
  [30, 33],
  [40, 25],
  [10, 0],
  [40, 50],
  [100, 90],
  [20, 50],
].map(([shares, lendablePercent]) => ({ shares: shares!, lendablePercent: lendablePercent! }));

test('600 seats are divided by shares', () => {
  const bounds = nominalBounds(defaults, 600);
  assert.deepEqual(
    bounds.map(b => b.nominal),
    [0, 13, 74, 98, 25, 98, 245, 49],
  );
  assert.deepEqual(
    bounds.map(b => b.lower),
    [0, 13, 50, 73, 25, 49, 24, 24],
  );
  assert.deepEqual(
    bounds.map(b => b.upper),
    [600, 613, 674, 698, 625, 698, 845, 649],
  );
  assert.equal(nominalBounds([{ shares: 1, lendablePercent: 0, borrowingLimitPercent: 50 }], 10)[0]!.upper, 15);
});

test('where nobody asks for anything, all nominal seats go to the levels by what they cannot lend', () => {
  const bounds = nominalBounds(defaults, 600);
  const shared = bounds.reduce((sum, b) => sum + b.nominal, 0);
  const idle = bounds.map((b, i) => ({ ...b, exempt: i === 0, high: i === 0 ? 2 : 0, smooth: 0 }));
  // As apiextensions-apiserver with its defaults.
  const { current, fairFraction } = currentLimits(idle, shared);
  assert.ok(Math.abs(fairFraction - 7 / 3) < 1e-12);
  assert.deepEqual(current, [2, 30, 117, 170, 58, 114, 56, 56]);
});

const levelOf = fc.record({
  shares: fc.integer({ min: 0, max: 100 }),
  lendablePercent: fc.integer({ min: 0, max: 100 }),
  borrowingLimitPercent: fc.option(fc.integer({ min: 0, max: 200 }), { nil: undefined }),
  high: fc.integer({ min: 0, max: 500 }),
  smooth: fc.double({ min: 0, max: 500, noNaN: true }),
  exempt: fc.constantFrom(false, false, false, true),
});

test('limits keep their bounds, give out all seats that may be had, and are fair: a naive twin finds the same', () => {
  fc.assert(
    fc.property(
      fc.array(levelOf, { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 10, max: 600 }),
      (levels, seats) => {
        const bounds = nominalBounds(levels, seats);
        const demands = levels.map((l, i) => ({ ...l, ...bounds[i]! }));
        const { current, target } = currentLimits(demands, seats);
        const floor = demands.map(l => Math.max(l.lower, Math.min(l.nominal, l.high)));
        for (const [i, l] of demands.entries()) {
          if (l.exempt) assert.equal(current[i], Math.max(l.lower, l.high));
          else assert.ok(current[i]! >= Math.floor(floor[i]!) && current[i]! <= Math.max(l.upper, l.nominal), `${i}`);
        }
        const limited = demands.flatMap((l, i) => (l.exempt ? [] : [i]));
        if (limited.every(i => floor[i] === demands[i]!.nominal)) {
          for (const i of limited) assert.equal(current[i], demands[i]!.nominal);
          return;
        }
        // Bisection instead of turns.
        const left = seats - demands.reduce((sum, l, i) => sum + (l.exempt ? floor[i]! : 0), 0);
        const at = (f: number) => limited.map(i => Math.min(demands[i]!.upper, Math.max(floor[i]!, f * target[i]!)));
        const total = (f: number) => at(f).reduce((a, b) => a + b, 0);
        let [low, high] = [0, 1e9];
        for (let n = 0; n < 200; n++) {
          const middle = (low + high) / 2;
          if (total(middle) < left) low = middle;
          else high = middle;
        }
        const expected = at(high);
        for (const [n, i] of limited.entries())
          assert.ok(Math.abs(current[i]! - expected[n]!) <= 0.5 + 1e-6 * seats, `${current} ${expected}`);
      },
    ),
  );
});

test('demand that has all but gone asks for nothing', () => {
  const bounds = nominalBounds(
    [
      { shares: 1, lendablePercent: 100 },
      { shares: 4, lendablePercent: 50 },
    ],
    10,
  );
  const limitsAt = (smooth: number) =>
    currentLimits(
      bounds.map((b, i) => ({ ...b, exempt: false, high: 0, smooth: i === 0 ? smooth : 0 })),
      10,
    );
  assert.deepEqual(limitsAt(5e-324), limitsAt(0));
  for (const limit of limitsAt(1e-300).current) assert.ok(Number.isInteger(limit));
});

test('an idle level lends, a busy one borrows and what was lent comes back at once', () => {
  const [idle, busy] = nominalBounds(
    [
      { shares: 50, lendablePercent: 80 },
      { shares: 50, lendablePercent: 0 },
    ],
    100,
  );
  const lent = currentLimits(
    [
      { ...idle!, exempt: false, high: 0, smooth: 0 },
      { ...busy!, exempt: false, high: 200, smooth: 200 },
    ],
    100,
  );
  assert.deepEqual(lent.current, [10, 90]);
  const back = currentLimits(
    [
      { ...idle!, exempt: false, high: 60, smooth: 30 },
      { ...busy!, exempt: false, high: 200, smooth: 200 },
    ],
    100,
  );
  assert.deepEqual(back.current, [50, 50]);
});

test('demand: highest, mean and deviation by time; what grows is followed at once, what shrinks over minutes', () => {
  const meter = new DemandMeter();
  meter.hold(10, 2000);
  meter.hold(0, 8000);
  meter.touch(30);
  meter.hold(0, 0);
  const stats = meter.take();
  assert.deepEqual(stats, { high: 30, average: 2, deviation: 4 });
  assert.equal(smoothed(0, stats), 6);
  let smooth = 100;
  for (let i = 0; i < 30; i++) smooth = smoothed(smooth, { high: 0, average: 0, deviation: 0 });
  assert.ok(smooth > 48 && smooth < 52);
  assert.deepEqual(meter.take(), { high: 0, average: 0, deviation: 0 });
});

test('lists are as wide as what they look through, writes as many watch', () => {
  assert.deepEqual(listWidth(99, 10), { initialSeats: 1, finalSeats: 0, extraMs: 0 });
  assert.equal(listWidth(450, 10).initialSeats, 5);
  assert.equal(listWidth(1e6, 10).initialSeats, 10);
  assert.equal(listWidth(1e6, widestOf(13, 0)).initialSeats, 2);
  assert.equal(widestOf(98, 6), 10);
  assert.equal(widestOf(25, 4), 4);
  assert.equal(writeWidth(9, 10).finalSeats, 0);
  assert.deepEqual(writeWidth(25, 10), { initialSeats: 1, finalSeats: 3, extraMs: 5 });
  assert.deepEqual(writeWidth(500, 10), { initialSeats: 1, finalSeats: 10, extraMs: 25 });
});
