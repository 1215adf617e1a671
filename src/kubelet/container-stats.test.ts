import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RuntimeError } from '../cri/runtime-error.ts';
import { listContainerStats } from './container-stats.ts';

/** Fails that many times before it answers. */
function runtime(failures: number, code: 'NotFound' | 'Unavailable') {
  let asked = 0;
  return {
    asked: () => asked,
    async ListContainerStats() {
      asked++;
      if (asked <= failures) throw new RuntimeError('ListContainerStats', code, 'failed to decode container metrics');
      return { stats: [{ attributes: { id: 'a' } }] };
    },
  };
}

test('a container that ends meanwhile does not keep the figures of the others back', async () => {
  const churning = runtime(2, 'NotFound');
  assert.deepEqual(await listContainerStats(churning), [{ attributes: { id: 'a' } }]);
  assert.equal(churning.asked(), 3);
  await assert.rejects(listContainerStats(runtime(3, 'NotFound')), /failed to decode container metrics/);
  const down = runtime(1, 'Unavailable');
  await assert.rejects(listContainerStats(down), /Unavailable/);
  assert.equal(down.asked(), 1);
});
