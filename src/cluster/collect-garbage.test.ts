import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

/** What a process of its own tells: whether V8 was tuned, after so many looks at a heap of these sizes. */
function tunedAfter(processors: number, megabytes: readonly number[]): boolean[] {
  const script = `
    import { isTuned, watchHeap } from ${JSON.stringify(join(import.meta.dirname, 'collect-garbage.ts'))};
    import { VirtualClock } from ${JSON.stringify(join(import.meta.dirname, '../base/clock.ts'))};
    const clock = new VirtualClock();
    const sizes = ${JSON.stringify(megabytes)};
    const told = [];
    let at = 0;
    watchHeap(clock, ${processors}, () => sizes[at] * 2 ** 20);
    for (; at < sizes.length; at++) {
      await clock.advance(10_000);
      told.push(isTuned());
    }
    console.log(JSON.stringify(told));`;
  const args = ['--input-type=module-typescript', '--eval', script];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as boolean[];
}

test('on two processors a large heap is marked by the main thread alone, a small one is not', () => {
  assert.deepEqual(tunedAfter(2, [30, 255, 256, 30]), [false, false, true, true]);
  assert.deepEqual(tunedAfter(4, [30, 5000]), [false, false]);
});
