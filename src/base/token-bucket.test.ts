import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from './clock.ts';
import { TokenBucket } from './token-bucket.ts';

test('so many at once, and so many a second; ahead of time for who waits', async () => {
  const clock = new VirtualClock();
  const bucket = new TokenBucket(clock, 2, 3);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => bucket.tryTake()),
    [true, true, true, false],
  );
  await clock.advance(500);
  assert.deepEqual([bucket.tryTake(), bucket.tryTake()], [true, false]);
  assert.deepEqual([bucket.reserveMs(), bucket.reserveMs()], [500, 1000]);
  await clock.advance(10_000);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => bucket.tryTake()),
    [true, true, true, false],
  );
});
