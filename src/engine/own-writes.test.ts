import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../api/meta.ts';
import { batchV1, coreV1 } from '../api/refs.ts';
import { VirtualClock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import { createMetrics } from '../base/metrics.ts';
import type { InformerFactory } from '../client/informer.ts';
import { OwnWrites } from './own-writes.ts';

const object = (resourceVersion: string, uid = 'u') =>
  ({ metadata: { namespace: 'a', name: 'j', uid, resourceVersion } }) as KubeObject;

function fixture(on = true) {
  const seen: Record<string, string> = { jobs: '1', pods: '1' };
  const informers = { informer: (r: { resource: string }) => ({ resourceVersion: seen[r.resource] }) };
  const metrics = createMetrics();
  const log = createLog('test', { clock: new VirtualClock(), level: 'error', write: () => {} });
  const context = { informers: informers as unknown as InformerFactory, metrics, log };
  return { seen, metrics, writes: new OwnWrites(context, 'job', on) };
}

test('an owner waits until every resource shows the newest version written for it', async () => {
  const { seen, metrics, writes } = fixture();
  assert.equal(writes.waitMs('a/j'), undefined);
  writes.wrote(object('1'), batchV1.jobs, object('10'));
  writes.wrote(object('1'), coreV1.pods, object('14', 'p'));
  writes.wrote(object('1'), coreV1.pods, object('9', 'q'));
  assert.deepEqual([writes.waitMs('a/j'), writes.waitMs('a/j'), writes.waitMs('b/j')], [5, 10, undefined]);
  seen.jobs = '10';
  seen.pods = '9';
  assert.equal(writes.waitMs('a/j'), 20);
  seen.pods = '100';
  assert.equal(writes.waitMs('a/j'), undefined);
  const text = await metrics.text();
  assert.match(text, /job_controller_stale_sync_skips_total\{group="batch",resource="jobs"\} 2/);
  assert.match(text, /job_controller_stale_sync_skips_total\{group="",resource="pods"\} 1/);
});

test('waits longer each time, and a second at most', () => {
  const { writes } = fixture();
  writes.wrote(object('1'), batchV1.jobs, object('10'));
  const waits = Array.from({ length: 40 }, () => writes.waitMs('a/j')!);
  assert.deepEqual(waits.slice(0, 9), [5, 10, 20, 40, 80, 160, 320, 640, 1000]);
  assert.equal(waits.at(-1), 1000);
});

test('what was written for a former owner, or in a time before a restore, is not waited for', () => {
  const { seen, writes } = fixture();
  seen.jobs = '50';
  writes.wrote(object('1'), batchV1.jobs, object('60'));
  writes.wrote(object('1', 'v'), batchV1.jobs, object('40', 'v'));
  assert.equal(writes.waitMs('a/j'), undefined);
  writes.wrote(object('1'), batchV1.jobs, object('60'));
  writes.forget('a/j');
  assert.equal(writes.waitMs('a/j'), undefined);
  writes.wrote(object('1'), batchV1.jobs, object('60'));
  assert.equal(writes.waitMs('a/j'), 5);
  seen.jobs = '20';
  assert.equal(writes.waitMs('a/j'), undefined);
});

test('an answer without a version tells nothing, and switched off nothing is remembered', () => {
  const { writes } = fixture();
  writes.wrote(object('1'), coreV1.pods, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' });
  writes.wrote(object('1'), coreV1.pods, undefined);
  assert.equal(writes.waitMs('a/j'), undefined);
  const off = fixture(false).writes;
  off.wrote(object('1'), coreV1.pods, object('10'));
  assert.equal(off.waitMs('a/j'), undefined);
});
