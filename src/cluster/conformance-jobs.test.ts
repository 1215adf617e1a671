// The essence of the official suite's tests of jobs and cron jobs, on virtual time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchV1, coreV1 } from '../api/refs.ts';
import { conformanceBench, behavingTemplate as template } from './test-conformance.ts';

type Any = any;

const { cluster, client, until, namespace, podsOf, get, patch, gone } = conformanceBench('j', 11);
const jobSpec = (behaviour: object | undefined, more: object = {}) => ({
  template: template({}, behaviour, { restartPolicy: 'Never' }),
  ...more,
});
const makeJob = (ns: string, spec: object, name = 'j', more: object = {}) =>
  client.create(batchV1.jobs, { metadata: { namespace: ns, name, ...more }, spec });
const condition = async (ns: string, type: string, name = 'j') =>
  (await get(batchV1.jobs, ns, name)).status.conditions?.find((c: Any) => c.type === type && c.status === 'True');
const done = { exitAfterMs: 1000 };
const failing = (exitCode: number) => ({ exitAfterMs: 1000, exitCode });

test('[sig-apps] Job should run a job to completion when tasks sometimes fail and are locally restarted', async () => {
  const ns = await namespace();
  await makeJob(ns, { completions: 4, parallelism: 2, template: template({}, done, { restartPolicy: 'OnFailure' }) });
  await until(() => condition(ns, 'Complete'));
  assert.equal((await get(batchV1.jobs, ns, 'j')).status.succeeded, 4);
});

test('[sig-apps] Job should create pods for an Indexed job with completion indexes and specified hostname', async () => {
  const ns = await namespace();
  await makeJob(ns, jobSpec(done, { completions: 4, parallelism: 2, completionMode: 'Indexed' }));
  await until(() => condition(ns, 'Complete'));
  const job = await get(batchV1.jobs, ns, 'j');
  assert.equal(job.status.completedIndexes, '0-3');
  const pods = await podsOf(ns);
  assert.deepEqual(pods.map(p => p.metadata.annotations['batch.kubernetes.io/job-completion-index']).sort(), [
    '0',
    '1',
    '2',
    '3',
  ]);
  assert.deepEqual(pods.map(p => p.spec.hostname).sort(), ['j-0', 'j-1', 'j-2', 'j-3']);
});

test('[sig-apps] Job should delete a job', async () => {
  const ns = await namespace();
  await makeJob(ns, jobSpec(undefined, { completions: 4, parallelism: 2 }));
  await until(async () => (await get(batchV1.jobs, ns, 'j')).status.active === 2);
  await client.delete(batchV1.jobs, { namespace: ns, name: 'j' }, { propagationPolicy: 'Foreground' });
  await until(() => gone(get(batchV1.jobs, ns, 'j')));
  assert.equal((await podsOf(ns)).length, 0);
});

test('[sig-apps] Job should manage the lifecycle of a job', async () => {
  const ns = await namespace();
  await makeJob(ns, jobSpec(undefined, { completions: 4, parallelism: 2, suspend: true }), 'j', {
    labels: { e2e: ns },
  });
  const patched = await patch(batchV1.jobs, ns, 'j', {
    metadata: { labels: { patched: 'true' } },
    spec: { suspend: false },
  });
  assert.equal(patched.spec.suspend, false);
  await until(async () => (await get(batchV1.jobs, ns, 'j')).status.active === 2);
  const read = await get(batchV1.jobs, ns, 'j');
  await client.update(batchV1.jobs, { ...read, metadata: { ...read.metadata, annotations: { updated: 'true' } } });
  assert.equal(
    (await client.list(batchV1.jobs, { labelSelector: `e2e=${ns}` })).items[0].metadata.annotations.updated,
    'true',
  );
  await client.deleteCollection(
    batchV1.jobs,
    { namespace: ns, labelSelector: `e2e=${ns}` },
    { propagationPolicy: 'Foreground' },
  );
  await until(() => gone(get(batchV1.jobs, ns, 'j')));
});

test('[sig-apps] Job should allow to use the pod failure policy on exit code to fail the job early', async () => {
  const ns = await namespace();
  const rules = [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } }];
  await makeJob(ns, jobSpec(failing(42), { backoffLimit: 10, podFailurePolicy: { rules } }));
  const failed = await until(() => condition(ns, 'Failed'));
  assert.equal(failed.reason, 'PodFailurePolicy');
  assert.equal((await get(batchV1.jobs, ns, 'j')).status.failed, 1);
});

test('[sig-apps] Job should allow to use a pod failure policy to ignore failure matching on DisruptionTarget condition', async () => {
  const ns = await namespace();
  const rules = [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }];
  await makeJob(ns, jobSpec({ exitAfterMs: 120_000 }, { backoffLimit: 0, podFailurePolicy: { rules } }));
  const [first] = await until(async () => {
    const pods = (await podsOf(ns)).filter(p => p.status.phase === 'Running');
    return pods.length && pods;
  });
  const { name } = first.metadata;
  await client.createSubresource(coreV1.pods, { namespace: ns, name }, 'eviction', {
    metadata: { name, namespace: ns },
  });
  await until(() => condition(ns, 'Complete'), '10m');
  assert.equal((await get(batchV1.jobs, ns, 'j')).status.failed ?? 0, 0);
});

// Pods of one job that end differently: the test plays kubelet for them.
async function endPods(ns: string, exitCodeOf: (index: number) => number | undefined): Promise<void> {
  for (const p of await podsOf(ns)) {
    if (p.status.phase === 'Failed' || p.status.phase === 'Succeeded') continue;
    const exitCode = exitCodeOf(Number(p.metadata.annotations['batch.kubernetes.io/job-completion-index']));
    if (exitCode === undefined) continue;
    const terminated = {
      exitCode,
      finishedAt: '2026-01-01T00:00:00Z',
      startedAt: '2026-01-01T00:00:00Z',
      reason: exitCode ? 'Error' : 'Completed',
    };
    const containerStatuses = [
      { name: 'c', image: 'i', imageID: '', ready: false, restartCount: 0, state: { terminated } },
    ];
    await client.updateStatus(coreV1.pods, {
      ...p,
      status: { ...p.status, phase: exitCode ? 'Failed' : 'Succeeded', containerStatuses },
    });
  }
}
const unscheduled = (more: object) => ({
  template: template({}, undefined, { restartPolicy: 'Never', nodeSelector: { none: 'such' } }),
  completionMode: 'Indexed',
  ...more,
});
const play = (ns: string, exitCodeOf: (index: number) => number | undefined, type: string) =>
  until(async () => {
    await endPods(ns, exitCodeOf);
    return condition(ns, type);
  }, '30m');

test('[sig-apps] Job should execute all indexes despite some failing when using backoffLimitPerIndex', async () => {
  const ns = await namespace();
  await makeJob(ns, unscheduled({ completions: 4, parallelism: 2, backoffLimitPerIndex: 1 }));
  const failed = await play(ns, i => i % 2, 'Failed');
  assert.equal(failed.reason, 'FailedIndexes');
  const { status } = await get(batchV1.jobs, ns, 'j');
  assert.deepEqual(
    [status.completedIndexes, status.failedIndexes, status.failed, status.succeeded],
    ['0,2', '1,3', 4, 2],
  );
});

test('[sig-apps] Job should terminate job execution when the number of failed indexes exceeds maxFailedIndexes', async () => {
  const ns = await namespace();
  await makeJob(ns, unscheduled({ completions: 10, parallelism: 10, backoffLimitPerIndex: 0, maxFailedIndexes: 4 }));
  const failed = await play(ns, i => (i < 5 ? 1 : undefined), 'Failed');
  assert.equal(failed.reason, 'MaxFailedIndexesExceeded');
  assert.equal((await get(batchV1.jobs, ns, 'j')).status.failedIndexes, '0-4');
});

test('[sig-apps] Job should mark indexes as failed when the FailIndex action is matched in podFailurePolicy', async () => {
  const ns = await namespace();
  const rules = [{ action: 'FailIndex', onExitCodes: { operator: 'In', values: [3] } }];
  await makeJob(
    ns,
    unscheduled({ completions: 2, parallelism: 2, backoffLimitPerIndex: 5, podFailurePolicy: { rules } }),
  );
  const failed = await play(ns, i => (i === 0 ? 3 : 0), 'Failed');
  assert.equal(failed.reason, 'FailedIndexes');
  const { status } = await get(batchV1.jobs, ns, 'j');
  assert.deepEqual([status.failedIndexes, status.completedIndexes, status.failed], ['0', '1', 1]);
});

for (const [title, rule, ends, indexes] of [
  [
    '[sig-apps] Job with successPolicy should succeeded when all indexes succeeded',
    { succeededIndexes: '0-1' },
    [0, 1],
    '0,1',
  ],
  [
    '[sig-apps] Job with successPolicy succeededCount rule should succeeded even when some indexes remain pending',
    { succeededCount: 1 },
    [0],
    '0',
  ],
  [
    '[sig-apps] Job with successPolicy succeededIndexes rule should succeeded even when some indexes remain pending',
    { succeededIndexes: '0' },
    [0],
    '0',
  ],
] as const) {
  test(title, async () => {
    const ns = await namespace();
    await makeJob(ns, unscheduled({ completions: 2, parallelism: 2, successPolicy: { rules: [rule] } }));
    const complete = await play(ns, i => (ends.some(e => e === i) ? 0 : undefined), 'Complete');
    const { status } = await get(batchV1.jobs, ns, 'j');
    assert.equal(status.completedIndexes, indexes);
    const met = status.conditions.find((c: Any) => c.type === 'SuccessCriteriaMet');
    assert.equal(met.reason, 'SuccessPolicy');
    assert.equal(complete.status, 'True');
  });
}

const makeCronJob = (ns: string, more: object, behaviour?: object) =>
  client.create(batchV1.cronjobs, {
    metadata: { namespace: ns, name: 'cj' },
    spec: { schedule: '*/1 * * * *', jobTemplate: { spec: jobSpec(behaviour) }, ...more },
  });
const jobsOf = async (namespace: string): Promise<Any[]> => (await client.list(batchV1.jobs, { namespace })).items;
const removeCronJob = async (ns: string) => client.delete(batchV1.cronjobs, { namespace: ns, name: 'cj' });

test('[sig-apps] CronJob should schedule multiple jobs concurrently', async () => {
  const ns = await namespace();
  await makeCronJob(ns, { concurrencyPolicy: 'Allow' });
  await until(async () => (await get(batchV1.cronjobs, ns, 'cj')).status.active?.length >= 2);
  await removeCronJob(ns);
});

test('[sig-apps] CronJob should not schedule jobs when suspended [Slow]', async () => {
  const ns = await namespace();
  await makeCronJob(ns, { suspend: true });
  await cluster.advance('5m');
  assert.equal((await jobsOf(ns)).length, 0);
  await removeCronJob(ns);
});

test('[sig-apps] CronJob should not schedule new jobs when ForbidConcurrent [Slow]', async () => {
  const ns = await namespace();
  await makeCronJob(ns, { concurrencyPolicy: 'Forbid' });
  await until(async () => (await jobsOf(ns)).length === 1);
  await cluster.advance('5m');
  assert.equal((await jobsOf(ns)).length, 1);
  assert.equal((await get(batchV1.cronjobs, ns, 'cj')).status.active.length, 1);
  await removeCronJob(ns);
});

test('[sig-apps] CronJob should replace jobs when ReplaceConcurrent', async () => {
  const ns = await namespace();
  await makeCronJob(ns, { concurrencyPolicy: 'Replace' });
  const [first] = await until(async () => {
    const jobs = await jobsOf(ns);
    return jobs.length && jobs;
  });
  await until(async () => (await jobsOf(ns)).some(j => j.metadata.name !== first.metadata.name));
  await until(async () => gone(get(batchV1.jobs, ns, first.metadata.name)));
  await removeCronJob(ns);
});

test('[sig-apps] CronJob should support CronJob API operations', async () => {
  const ns = await namespace();
  await makeCronJob(ns, { suspend: true });
  const status = { lastScheduleTime: '2026-01-01T00:00:00Z' };
  const patched = await patch(
    batchV1.cronjobs,
    ns,
    'cj',
    { metadata: { annotations: { patchedstatus: 'true' } }, status },
    { subresource: 'status' },
  );
  assert.equal(patched.status.lastScheduleTime, status.lastScheduleTime);
  assert.equal(patched.metadata.annotations.patchedstatus, 'true');
  const updated = await client.updateStatus(batchV1.cronjobs, {
    ...patched,
    status: { lastScheduleTime: '2026-01-02T00:00:00Z' },
  });
  assert.equal(updated.status.lastScheduleTime, '2026-01-02T00:00:00Z');
  const read = await client.getSubresource(batchV1.cronjobs, { namespace: ns, name: 'cj' }, 'status');
  assert.equal(read.metadata.uid, patched.metadata.uid);
  await removeCronJob(ns);
});
