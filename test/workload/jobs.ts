// Jobs in parallel and by index, with failures; and a CronJob that waits for the real minute.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CronJob, Job } from '../../src/api/type/batch-v1.ts';
import type { Pod } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, sh } from '../cluster-access.ts';
import { eventually } from '../lab.ts';

const batch = (c: ClusterAccess, resource: string, name = '') =>
  `/apis/batch/v1/namespaces/${c.namespace}/${resource}${name && `/${name}`}`;

const podTemplate = (c: ClusterAccess, script: string) => ({
  spec: {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 1,
    containers: [{ name: 'main', image: c.image, command: sh(script) }],
  },
});

async function ended(c: ClusterAccess, name: string, condition: 'Complete' | 'Failed'): Promise<Job> {
  return eventually(
    `job ${name} ${condition}`,
    async () => {
      const job = await c.ask<Job>('GET', batch(c, 'jobs', name));
      return job.status?.conditions?.some(x => x.type === condition && x.status === 'True') ? job : undefined;
    },
    60_000,
  );
}

const podsOfJob = async (c: ClusterAccess, name: string): Promise<readonly Pod[]> =>
  (await c.ask<{ items: Pod[] }>('GET', `${c.path('pods')}?labelSelector=batch.kubernetes.io%2Fjob-name%3D${name}`))
    .items;

export function jobTests(c: () => ClusterAccess): void {
  const create = (name: string, script: string, spec: object) =>
    c().ask<Job>('POST', batch(c(), 'jobs'), {
      metadata: { name },
      spec: { template: podTemplate(c(), script), ...spec },
    });

  test('a parallel Job runs two at a time until four have succeeded', async () => {
    const pods = c().watch<Pod>(`${c().path('pods')}?watch=1&labelSelector=batch.kubernetes.io%2Fjob-name%3Dparallel`);
    try {
      await create('parallel', 'sleep 0.3; echo done', { completions: 4, parallelism: 2 });
      const { status } = await ended(c(), 'parallel', 'Complete');
      assert.deepEqual([status?.succeeded, status?.failed, status?.active], [4, undefined, undefined]);
    } finally {
      pods.stop();
    }
    const alive = new Set<string>();
    let most = 0;
    for (const { object } of pods.seen) {
      if (['Succeeded', 'Failed'].includes(object.status?.phase ?? '')) alive.delete(object.metadata.name);
      else alive.add(object.metadata.name);
      most = Math.max(most, alive.size);
    }
    assert.equal(most, 2);
    assert.equal((await podsOfJob(c(), 'parallel')).length, 4);
  });

  test('an indexed Job tells each pod who it is, and gives up on one index only', async () => {
    const script = 'echo $JOB_COMPLETION_INDEX $(hostname); test $JOB_COMPLETION_INDEX != 1';
    await create('indexed', script, {
      ...{ completionMode: 'Indexed', completions: 3, parallelism: 3 },
      ...{ backoffLimitPerIndex: 0, maxFailedIndexes: 2 },
    });
    const { status } = await ended(c(), 'indexed', 'Failed');
    assert.deepEqual([status?.completedIndexes, status?.failedIndexes, status?.succeeded], ['0,2', '1', 2]);
    const failed = status?.conditions?.find(x => x.type === 'Failed');
    assert.deepEqual([failed?.reason, failed?.message], ['FailedIndexes', 'Job has failed indexes']);
    const logs = await Promise.all((await podsOfJob(c(), 'indexed')).map(p => c().log(p.metadata.name)));
    assert.deepEqual(logs.sort(), ['0 indexed-0\n', '1 indexed-1\n', '2 indexed-2\n']);
  });

  test('a Job without another try fails, and a deadline ends one that goes on', async () => {
    await Promise.all([
      create('retried', 'exit 3', { backoffLimit: 0 }),
      create('late', 'sleep 1000', { activeDeadlineSeconds: 2 }),
    ]);
    const [retried, late] = await Promise.all([ended(c(), 'retried', 'Failed'), ended(c(), 'late', 'Failed')]);
    const reason = (job: Job) => job.status?.conditions?.find(x => x.type === 'Failed')?.reason;
    assert.deepEqual([reason(retried), reason(late)], ['BackoffLimitExceeded', 'DeadlineExceeded']);
  });

  test('a CronJob starts its Job at the minute', async () => {
    const jobTemplate = { spec: { template: podTemplate(c(), 'date') } };
    await c().ask('POST', batch(c(), 'cronjobs'), {
      metadata: { name: 'minutely' },
      spec: { schedule: '* * * * *', jobTemplate },
    });
    const job = await eventually(
      'the Job of the minute',
      async () =>
        (await c().ask<{ items: Job[] }>('GET', batch(c(), 'jobs'))).items.find(j =>
          j.metadata.name.startsWith('minutely-'),
        ),
      65_000,
    );
    const minute = Number(job.metadata.name.slice('minutely-'.length));
    const created = Date.parse(job.metadata.creationTimestamp ?? '') / 60_000;
    assert.equal(minute, Math.floor(created), 'its name tells the minute it was due');
    assert.ok((created - minute) * 60 <= 5, 'within seconds of the minute');
    await ended(c(), job.metadata.name, 'Complete');
    const last = await eventually('the last success', async () => {
      const cron = await c().ask<CronJob>('GET', batch(c(), 'cronjobs', 'minutely'));
      return cron.status?.lastSuccessfulTime ? cron.status : undefined;
    });
    assert.equal(Date.parse(last.lastScheduleTime ?? '') / 60_000, minute);
    await c().ask('DELETE', batch(c(), 'cronjobs', 'minutely'));
  });
}
