import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import { batchV1 } from '../../api/refs.ts';
import type { Job } from '../../api/type/batch-v1.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { ttlAfterFinishedController } from './ttl-after-finished.ts';

const job = (name: string, ttlSecondsAfterFinished: number | undefined, type?: string): Draft<Job> => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name, namespace: 'a' },
  spec: { ...(ttlSecondsAfterFinished === undefined ? {} : { ttlSecondsAfterFinished }), template: {} },
  status: type ? { conditions: [{ type, status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }] } : {},
});
const left = (bench: ControllerBench) =>
  bench.client
    .objects(batchV1.jobs)
    .filter(j => !j.metadata.deletionTimestamp)
    .map(j => j.metadata.name);

describe('ttl-after-finished-controller', () => {
  it('deletes finished jobs in time, with their pods first', async () => {
    await using bench = await controllerBench([ttlAfterFinishedController()], {
      objects: [job('a', 0, 'Complete'), job('b', 100, 'Failed'), job('c', 0), job('d', undefined, 'Complete')],
    });
    await bench.settle();
    assert.deepEqual(left(bench), ['b', 'c', 'd']);
    assert.equal(bench.client.actions.find(a => a.verb === 'delete')?.body.propagationPolicy, 'Foreground');
    await bench.advance(99_000);
    assert.deepEqual(left(bench), ['b', 'c', 'd']);
    await bench.advance(1_000);
    assert.deepEqual(left(bench), ['c', 'd']);
    bench.client.set(batchV1.jobs, job('c', 0, 'Complete'));
    await bench.settle();
    assert.deepEqual(left(bench), ['d']);
  });

  it('follows a change of mind', async () => {
    await using bench = await controllerBench([ttlAfterFinishedController()], { objects: [job('a', 100, 'Complete')] });
    await bench.advance(50_000);
    bench.client.set(batchV1.jobs, job('a', 200, 'Complete'));
    await bench.advance(149_000);
    assert.deepEqual(left(bench), ['a']);
    bench.client.set(batchV1.jobs, job('a', 10, 'Complete'));
    await bench.settle();
    assert.deepEqual(left(bench), []);
  });
});
