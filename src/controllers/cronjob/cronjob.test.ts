import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Draft, formatTime } from '../../api/meta.ts';
import { batchV1 } from '../../api/refs.ts';
import { modified } from '../../api/status.ts';
import type { CronJob, CronJobSpec, Job } from '../../api/type/batch-v1.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { writesBut } from '../test-pods.ts';
import { cronJobController } from './cronjob.ts';

const minuteMs = 60_000;
const startMs = Date.UTC(2026, 0, 1, 12, 0, 30);
const minuteOf = (iso: string) => Math.floor(Date.parse(iso) / minuteMs);

const cronJob = (spec: Draft<CronJobSpec>, status: object = {}, created = '2026-01-01T12:00:30Z'): Draft<CronJob> => ({
  apiVersion: 'batch/v1',
  kind: 'CronJob',
  metadata: { name: 'c', namespace: 'a', uid: 'u', creationTimestamp: created },
  spec: {
    schedule: '*/5 * * * *',
    concurrencyPolicy: 'Allow',
    successfulJobsHistoryLimit: 3,
    failedJobsHistoryLimit: 1,
    jobTemplate: {
      metadata: { labels: { x: 'y' }, annotations: { q: 'r' } },
      spec: { template: { spec: { containers: [{ name: 'c', image: 'i' }] } } as never },
    },
    ...spec,
  },
  status: status as never,
});
const start = (spec: Draft<CronJobSpec>, status?: object, created?: string) =>
  controllerBench([cronJobController()], { objects: [cronJob(spec, status, created)], startMs });
const jobs = (bench: ControllerBench) => bench.client.objects(batchV1.jobs);
const names = (bench: ControllerBench) => jobs(bench).map(j => j.metadata.name);
const status = (bench: ControllerBench) => bench.client.object(batchV1.cronjobs, 'a/c')!.status;
function end(bench: ControllerBench, job: Job, type: 'Complete' | 'Failed') {
  const at = formatTime(bench.clock.now());
  bench.client.set(batchV1.jobs, {
    ...job,
    status: {
      startTime: at,
      conditions: [{ type, status: 'True' }],
      ...(type === 'Complete' ? { completionTime: at } : {}),
    },
  } as Draft<Job>);
}
const change = (bench: ControllerBench, spec: object) =>
  bench.client.patch(batchV1.cronjobs, { namespace: 'a', name: 'c' }, { type: 'merge', body: { spec } });

describe('cronjob-controller', () => {
  it('starts a job at its minute, notes it, and sees its end', async () => {
    await using bench = await start({});
    await bench.advance(4 * minuteMs + 29_000);
    assert.deepEqual(names(bench), []);
    await bench.advance(1_200);
    const [job] = jobs(bench);
    assert.equal(job!.metadata.name, `c-${minuteOf('2026-01-01T12:05:00Z')}`);
    assert.deepEqual(job!.metadata.labels, { x: 'y' });
    assert.deepEqual(job!.metadata.annotations, {
      q: 'r',
      'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T12:05:00Z',
    });
    assert.equal(job!.metadata.ownerReferences?.[0]?.kind, 'CronJob');
    assert.equal(status(bench).lastScheduleTime, '2026-01-01T12:05:00Z');
    assert.deepEqual(
      status(bench).active?.map(a => [a.apiVersion, a.kind, a.namespace, a.name]),
      [['batch/v1', 'Job', 'a', job!.metadata.name]],
    );
    end(bench, job!, 'Complete');
    await bench.settle();
    assert.equal(status(bench).active, undefined);
    assert.equal(status(bench).lastSuccessfulTime, '2026-01-01T12:05:00Z');
    assert.deepEqual(
      bench.events().filter(e => !e.includes('SuccessfulDelete')),
      [
        `Normal SuccessfulCreate: Created job ${job!.metadata.name}`,
        `Normal SawCompletedJob: Saw completed job: ${job!.metadata.name}, condition: Complete`,
      ],
    );
    bench.client.clearActions();
    await bench.advance(4 * minuteMs);
    assert.deepEqual(writesBut(bench.client), []);
  });

  it('keeps as many ended jobs as its limits say', async () => {
    await using bench = await start({
      schedule: '* * * * *',
      successfulJobsHistoryLimit: 2,
      failedJobsHistoryLimit: 1,
    });
    for (let i = 0; i < 8; i++) {
      await bench.advance(minuteMs);
      for (const job of jobs(bench)) if (!job.status?.conditions) end(bench, job, i % 2 ? 'Failed' : 'Complete');
    }
    await bench.settle();
    const last = minuteOf('2026-01-01T12:08:00Z');
    assert.deepEqual(names(bench), [`c-${last - 3}`, `c-${last - 1}`, `c-${last}`]);
    assert.ok(bench.events().includes(`Normal SuccessfulDelete: Deleted job c-${last - 5}`));
  });

  it('allows, forbids or replaces a second job', async () => {
    for (const [concurrencyPolicy, left] of [
      ['Allow', [-1, 0]],
      ['Forbid', [-1]],
      ['Replace', [0]],
    ] as const) {
      await using bench = await start({ schedule: '* * * * *', concurrencyPolicy });
      await bench.advance(2 * minuteMs);
      const last = minuteOf('2026-01-01T12:02:00Z');
      assert.deepEqual(
        names(bench),
        left.map(i => `c-${last + i}`),
        concurrencyPolicy,
      );
      assert.deepEqual(
        status(bench).active?.map(a => a.name),
        names(bench),
      );
      const told = bench.events().some(e => /^Normal JobAlreadyActive: Not starting job because/.test(e));
      assert.equal(told, concurrencyPolicy === 'Forbid');
    }
  });

  it('starts once what it has missed, and says so when that is much', async () => {
    await using bench = await start({ schedule: '* * * * *' }, {}, '2026-01-01T09:00:00Z');
    await bench.settle();
    assert.deepEqual(names(bench), [`c-${minuteOf('2026-01-01T12:00:00Z')}`]);
    assert.ok(bench.events().some(e => e.startsWith('Warning TooManyMissedTimes: too many missed start times. ')));
  });

  it('finds the last start of a schedule with uneven intervals', async () => {
    // Thursday noon; the schedule named Monday morning last.
    await using bench = await start({ schedule: '0 6-8 * * 1' }, {}, '2025-12-01T00:00:00Z');
    await bench.settle();
    assert.deepEqual(names(bench), [`c-${minuteOf('2025-12-29T08:00:00Z')}`]);
  });

  it('does not start too late', async () => {
    await using bench = await start({ schedule: '0 * * * *', startingDeadlineSeconds: 20 }, {}, '2026-01-01T11:30:00Z');
    await bench.settle();
    assert.deepEqual(names(bench), []);
    await bench.advance(60 * minuteMs);
    assert.equal(names(bench).length, 1);
  });

  it('goes by the time zone', async () => {
    await using bench = await start({ schedule: '0 22 * * *', timeZone: 'Asia/Tokyo' });
    await bench.advance(60 * minuteMs);
    assert.equal(
      jobs(bench)[0]!.metadata.annotations!['batch.kubernetes.io/cronjob-scheduled-timestamp'],
      '2026-01-01T22:00:00+09:00',
    );
  });

  it('tells of a zone or a schedule that makes no sense', async () => {
    for (const [spec, event] of [
      [
        { timeZone: 'Mars/Base' },
        'Warning UnknownTimeZone: invalid timeZone: "Mars/Base": unknown time zone Mars/Base',
      ],
      [{ schedule: 'x' }, /^Warning UnparseableSchedule: unparseable schedule: "x" : expected exactly 5 fields/],
      [{ schedule: '0 0 31 2 *' }, /^Warning InvalidSchedule: /],
    ] as const) {
      await using bench = await start(spec);
      await bench.settle();
      const found = bench.events().some(e => (typeof event === 'string' ? e === event : event.test(e)));
      assert.ok(found, bench.events().join());
      assert.deepEqual(names(bench), []);
    }
  });

  it('does nothing while suspended, and does not make up for a new schedule', async () => {
    await using bench = await start({ suspend: true });
    await bench.advance(30 * minuteMs);
    assert.deepEqual(names(bench), []);
    await change(bench, { schedule: '0 0 1 1 *', suspend: false });
    await bench.advance(10 * minuteMs);
    assert.deepEqual(names(bench), []);
    await change(bench, { schedule: '* * * * *' });
    await bench.settle();
    assert.deepEqual(names(bench), []);
    await bench.advance(minuteMs);
    assert.equal(names(bench).length, 1);
    await change(bench, { schedule: 'never' });
    await bench.advance(10 * minuteMs);
    assert.equal(names(bench).length, 1);
    assert.ok(bench.events().includes('Warning UnParseableCronJobSchedule: unparseable schedule for cronjob: never'));
  });

  it('survives a status that could not be written', async () => {
    await using bench = await start({ schedule: '*/5 * * * *' });
    bench.client.failNext('update', batchV1.cronjobs, modified({ group: 'batch', resource: 'cronjobs' }, 'c'));
    await bench.advance(6 * minuteMs);
    assert.equal(names(bench).length, 1);
    assert.deepEqual(
      status(bench).active?.map(a => a.name),
      names(bench),
    );
    assert.equal(status(bench).lastScheduleTime, '2026-01-01T12:05:00Z');
  });

  it('forgets a job that went missing', async () => {
    await using bench = await start({ schedule: '*/5 * * * *' });
    await bench.advance(5 * minuteMs);
    const [name] = names(bench);
    bench.client.remove(batchV1.jobs, `a/${name}`);
    await bench.settle();
    assert.equal(status(bench).active, undefined);
    assert.ok(bench.events().includes(`Normal MissingJob: Active job went missing: ${name}`));
    assert.deepEqual(names(bench), [], 'not started again');
  });
});
