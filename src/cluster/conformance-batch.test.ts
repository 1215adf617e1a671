// The essence of the official suite's tests of jobs, daemons, stateful sets and disruptions, on virtual time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appsV1, batchV1, coreV1, policyV1 } from '../api/refs.ts';
import { StatusError } from '../api/status.ts';
import { conformanceBench } from './test-conformance.ts';

type Any = any;

const { cluster, client, until, namespace, podsOf, get, patch, gone } = conformanceBench('b', 11);
const simulate = (behaviour: object) => ({ 'k8ts.local/simulate': JSON.stringify(behaviour) });
const template = (labels: object, behaviour?: object, more: object = {}): Any => ({
  metadata: { labels, ...(behaviour ? { annotations: simulate(behaviour) } : {}) },
  spec: { containers: [{ name: 'c', image: 'i' }], terminationGracePeriodSeconds: 1, ...more },
});
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

const daemon = (ns: string, more: object = {}, podTemplate = template({ app: 'd' })) =>
  client.create(appsV1.daemonsets, {
    metadata: { namespace: ns, name: 'd' },
    spec: { selector: { matchLabels: { app: 'd' } }, template: podTemplate, ...more },
  });
const daemonReady = (ns: string, n: number) =>
  until(async () => {
    const { status, metadata } = await get(appsV1.daemonsets, ns, 'd');
    return (
      status.observedGeneration === metadata.generation &&
      status.numberAvailable === n &&
      status.updatedNumberScheduled === n
    );
  });

test('[sig-apps] Daemon set [Serial] should run and stop simple daemon', async () => {
  const ns = await namespace();
  await daemon(ns);
  await daemonReady(ns, 2);
  const [first] = await podsOf(ns);
  await client.delete(coreV1.pods, { namespace: ns, name: first.metadata.name });
  await until(
    async () =>
      (await podsOf(ns)).filter(p => p.metadata.uid !== first.metadata.uid && p.status.phase === 'Running').length ===
      2,
  );
});

test('[sig-apps] Daemon set [Serial] should run and stop complex daemon', async () => {
  const ns = await namespace();
  await daemon(ns, {}, template({ app: 'd' }, undefined, { nodeSelector: { color: 'blue' } }));
  await cluster.settled();
  assert.equal((await podsOf(ns)).length, 0);
  const paint = (color: string | null) =>
    client.patch(coreV1.nodes, { name: 'node-1' }, { type: 'merge', body: { metadata: { labels: { color } } } });
  await paint('blue');
  await until(async () => (await podsOf(ns)).length === 1);
  await paint('green');
  await until(async () => (await podsOf(ns)).length === 0);
  await patch(appsV1.daemonsets, ns, 'd', {
    spec: { template: { spec: { nodeSelector: { color: 'green' } } }, updateStrategy: { type: 'RollingUpdate' } },
  });
  await until(async () => (await podsOf(ns)).length === 1);
  await paint(null);
});

test('[sig-apps] Daemon set [Serial] should retry creating failed daemon pods', async () => {
  const ns = await namespace();
  await daemon(ns);
  await daemonReady(ns, 2);
  const [first] = await podsOf(ns);
  await client.updateStatus(coreV1.pods, { ...first, status: { ...first.status, phase: 'Failed' } });
  await until(() => gone(get(coreV1.pods, ns, first.metadata.name)));
  await daemonReady(ns, 2);
});

test('[sig-apps] Daemon set [Serial] should update pod when spec was updated and update strategy is RollingUpdate', async () => {
  const ns = await namespace();
  await daemon(ns);
  await daemonReady(ns, 2);
  await patch(appsV1.daemonsets, ns, 'd', {
    spec: { template: { spec: { containers: [{ name: 'c', image: 'two' }] } } },
  });
  await daemonReady(ns, 2);
  assert.ok((await podsOf(ns)).every(p => p.spec.containers[0].image === 'two'));
  const revisions = (await client.list(appsV1.controllerrevisions, { namespace: ns })).items;
  assert.deepEqual(revisions.map((r: Any) => r.revision).sort(), [1, 2]);
});

test('[sig-apps] Daemon set [Serial] should rollback without unnecessary restarts', async () => {
  const ns = await namespace();
  await daemon(ns);
  await daemonReady(ns, 2);
  const image = (name: string) =>
    patch(appsV1.daemonsets, ns, 'd', {
      spec: {
        template: {
          metadata: { annotations: name === 'i' ? { 'k8ts.local/simulate': null } : simulate({ startError: 'no' }) },
          spec: { containers: [{ name: 'c', image: name }] },
        },
      },
    });
  await image('foo:non-existent');
  const untouched = await until(async () => {
    const pods = await podsOf(ns);
    return pods.some(p => p.spec.containers[0].image !== 'i') && pods.filter(p => p.spec.containers[0].image === 'i');
  });
  assert.equal(untouched.length, 1);
  await image('i');
  await daemonReady(ns, 2);
  const now = await get(coreV1.pods, ns, untouched[0].metadata.name);
  assert.equal(now.metadata.uid, untouched[0].metadata.uid);
  assert.equal(now.status.containerStatuses[0].restartCount, 0);
});

const stateful = (ns: string, more: object = {}, podTemplate = template({ app: 's' })) =>
  client.create(appsV1.statefulsets, {
    metadata: { namespace: ns, name: 'ss' },
    spec: { serviceName: 'test', selector: { matchLabels: { app: 's' } }, template: podTemplate, ...more },
  });
const setReady = (ns: string, n: number) =>
  until(async () => {
    const { status, metadata } = await get(appsV1.statefulsets, ns, 'ss');
    return (
      status.observedGeneration === metadata.generation &&
      (status.readyReplicas ?? 0) === n &&
      status.replicas === n &&
      (await podsOf(ns)).length === n
    );
  });
const gated = template({ app: 's' }, undefined, { readinessGates: [{ conditionType: 'example.com/go' }] });
const open = async (ns: string, name: string, status = 'True') => {
  const body = { status: { conditions: [{ type: 'example.com/go', status }] } };
  await client.patch(coreV1.pods, { namespace: ns, name }, { type: 'strategic', body }, { subresource: 'status' });
};

test('[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Scaling should happen in predictable order and halt if any stateful pod is unhealthy [Slow]', async () => {
  const ns = await namespace();
  await stateful(ns, { replicas: 3 }, gated);
  for (const i of [0, 1, 2]) {
    await until(async () =>
      (await podsOf(ns)).some(p => p.metadata.name === `ss-${i}` && p.status.phase === 'Running'),
    );
    await cluster.advance('1m');
    assert.equal((await podsOf(ns)).length, i + 1);
    await open(ns, `ss-${i}`);
  }
  await setReady(ns, 3);
  for (const name of ['ss-0', 'ss-1', 'ss-2']) await open(ns, name, 'False');
  await cluster.settled();
  await patch(appsV1.statefulsets, ns, 'ss', { spec: { replicas: 0 } });
  await cluster.advance('1m');
  assert.equal((await podsOf(ns)).length, 3);
  const order: string[] = [];
  const watching = client.watch(
    coreV1.pods,
    { namespace: ns, resourceVersion: (await client.list(coreV1.pods)).metadata.resourceVersion },
    {
      onEvent: (type: string, p: Any) => type === 'DELETED' && order.push(p.metadata.name),
      onClose() {},
    },
  );
  for (const name of ['ss-0', 'ss-1', 'ss-2']) await open(ns, name);
  await setReady(ns, 0);
  watching.stop();
  assert.deepEqual(order, ['ss-2', 'ss-1', 'ss-0']);
});

test('[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Burst scaling should run to completion even with unhealthy pods [Slow]', async () => {
  const ns = await namespace();
  await stateful(ns, { replicas: 1, podManagementPolicy: 'Parallel' }, gated);
  await until(async () => (await podsOf(ns)).length === 1);
  await patch(appsV1.statefulsets, ns, 'ss', { spec: { replicas: 3 } });
  await until(async () => (await podsOf(ns)).filter(p => p.status.phase === 'Running').length === 3);
  await patch(appsV1.statefulsets, ns, 'ss', { spec: { replicas: 0 } });
  await until(async () => (await podsOf(ns)).length === 0);
});

test('[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Should recreate evicted statefulset', async () => {
  const ns = await namespace();
  await stateful(ns, { replicas: 1 });
  await setReady(ns, 1);
  const [first] = await podsOf(ns);
  await client.updateStatus(coreV1.pods, { ...first, status: { ...first.status, phase: 'Failed', reason: 'Evicted' } });
  await until(async () =>
    (await podsOf(ns)).some(p => p.metadata.uid !== first.metadata.uid && p.status.phase === 'Running'),
  );
});

test('[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should perform rolling updates and roll backs of template modifications', async () => {
  const ns = await namespace();
  await stateful(ns, { replicas: 3 });
  await setReady(ns, 3);
  const { currentRevision } = (await get(appsV1.statefulsets, ns, 'ss')).status;
  const image = (name: string) =>
    patch(appsV1.statefulsets, ns, 'ss', {
      spec: { template: { spec: { containers: [{ name: 'c', image: name }] } } },
    });
  const rolled = async (name: string) => {
    await until(async () => {
      const { status, metadata } = await get(appsV1.statefulsets, ns, 'ss');
      return (
        status.observedGeneration === metadata.generation &&
        status.currentRevision === status.updateRevision &&
        status.readyReplicas === 3
      );
    });
    assert.ok((await podsOf(ns)).every(p => p.spec.containers[0].image === name));
  };
  await image('two');
  await rolled('two');
  assert.notEqual((await get(appsV1.statefulsets, ns, 'ss')).status.currentRevision, currentRevision);
  await image('i');
  await rolled('i');
  assert.equal((await get(appsV1.statefulsets, ns, 'ss')).status.currentRevision, currentRevision);
});

test('[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should perform canary updates and phased rolling updates of template modifications', async () => {
  const ns = await namespace();
  await stateful(ns, { replicas: 3 });
  await setReady(ns, 3);
  const part = (partition: number) =>
    patch(appsV1.statefulsets, ns, 'ss', {
      spec: { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition } } },
    });
  const images = async () =>
    Object.fromEntries((await podsOf(ns)).map(p => [p.metadata.name, p.spec.containers[0].image]));
  await part(3);
  await patch(appsV1.statefulsets, ns, 'ss', {
    spec: { template: { spec: { containers: [{ name: 'c', image: 'two' }] } } },
  });
  await cluster.advance('1m');
  assert.deepEqual(await images(), { 'ss-0': 'i', 'ss-1': 'i', 'ss-2': 'i' });
  await part(2);
  await until(async () => (await images())['ss-2'] === 'two');
  await setReady(ns, 3);
  // A pod that goes comes back in the revision of its part.
  const before = (await podsOf(ns)).map(p => p.metadata.uid);
  for (const name of ['ss-0', 'ss-2']) await client.delete(coreV1.pods, { namespace: ns, name });
  await until(async () => (await podsOf(ns)).filter(p => !before.includes(p.metadata.uid)).length === 2);
  await setReady(ns, 3);
  assert.deepEqual(await images(), { 'ss-0': 'i', 'ss-1': 'i', 'ss-2': 'two' });
  await part(0);
  await until(async () => Object.values(await images()).every(i => i === 'two'));
});

const budget = (ns: string, spec: object) =>
  client.create(policyV1.poddisruptionbudgets, {
    metadata: { namespace: ns, name: 'b', labels: { e2e: ns } },
    spec: { selector: { matchLabels: { foo: 'bar' } }, ...spec },
  });
const runPods = async (ns: string, n: number) => {
  for (let i = 0; i < n; i++)
    await client.create(coreV1.pods, {
      metadata: { namespace: ns, name: `p${i}`, labels: { foo: 'bar' } },
      spec: template({}).spec,
    });
  await until(async () => (await podsOf(ns)).filter(p => p.status.phase === 'Running').length === n);
};
const allowed = (ns: string, n: number) =>
  until(async () => {
    const { status, metadata } = await get(policyV1.poddisruptionbudgets, ns, 'b');
    return status.observedGeneration === metadata.generation && status.disruptionsAllowed === n;
  });
const evict = (ns: string, name: string) =>
  client.createSubresource(coreV1.pods, { namespace: ns, name }, 'eviction', {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name, namespace: ns },
  });

test('[sig-apps] DisruptionController should block an eviction until the PDB is updated to allow it', async () => {
  const ns = await namespace();
  await budget(ns, { minAvailable: 3 });
  await runPods(ns, 3);
  await allowed(ns, 0);
  await assert.rejects(evict(ns, 'p0'), (error: unknown) => {
    assert.ok(error instanceof StatusError);
    assert.deepEqual([error.code, error.reason], [429, 'TooManyRequests']);
    assert.equal(error.message, "Cannot evict pod as it would violate the pod's disruption budget.");
    assert.equal(error.status.details?.causes?.[0]?.reason, 'DisruptionBudget');
    return true;
  });
  await patch(policyV1.poddisruptionbudgets, ns, 'b', { spec: { minAvailable: 2 } });
  await allowed(ns, 1);
  await evict(ns, 'p0');
  await until(() => gone(get(coreV1.pods, ns, 'p0')));
  await assert.rejects(evict(ns, 'p1'), /disruption budget/);
});

test('[sig-apps] DisruptionController should create a PodDisruptionBudget', async () => {
  const ns = await namespace();
  await budget(ns, { minAvailable: '1%' });
  await allowed(ns, 0);
  const updated = await patch(policyV1.poddisruptionbudgets, ns, 'b', { spec: { minAvailable: '2%' } });
  assert.equal(updated.spec.minAvailable, '2%');
  await client.delete(policyV1.poddisruptionbudgets, { namespace: ns, name: 'b' });
  assert.ok(await gone(get(policyV1.poddisruptionbudgets, ns, 'b')));
});

test('[sig-apps] DisruptionController should observe PodDisruptionBudget status updated', async () => {
  const ns = await namespace();
  await budget(ns, { minAvailable: 1 });
  await runPods(ns, 3);
  await allowed(ns, 2);
  const { status } = await get(policyV1.poddisruptionbudgets, ns, 'b');
  assert.deepEqual([status.currentHealthy, status.desiredHealthy, status.expectedPods], [3, 1, 3]);
});

test('[sig-apps] DisruptionController should update/patch PodDisruptionBudget status', async () => {
  const ns = await namespace();
  await budget(ns, { minAvailable: 1 });
  await runPods(ns, 1);
  await allowed(ns, 0);
  const read = await get(policyV1.poddisruptionbudgets, ns, 'b');
  const updated = await client.updateStatus(policyV1.poddisruptionbudgets, {
    ...read,
    status: { ...read.status, disruptedPods: { p0: '2026-01-01T00:00:00Z' } },
  });
  assert.deepEqual(Object.keys(updated.status.disruptedPods), ['p0']);
  const patched = await patch(
    policyV1.poddisruptionbudgets,
    ns,
    'b',
    { status: { disruptedPods: { p0: '2026-01-01T00:00:00Z', p1: '2026-01-01T00:00:00Z' } } },
    { subresource: 'status' },
  );
  assert.ok(patched.status.disruptedPods.p1);
});

test('[sig-apps] DisruptionController Listing PodDisruptionBudgets for all namespaces should list and delete a collection of PodDisruptionBudgets', async () => {
  const [a, b] = [await namespace(), await namespace()];
  for (const ns of [a, b])
    await client.create(policyV1.poddisruptionbudgets, {
      metadata: { namespace: ns, name: 'b', labels: { set: a } },
      spec: { minAvailable: 1 },
    });
  assert.equal((await client.list(policyV1.poddisruptionbudgets, { labelSelector: `set=${a}` })).items.length, 2);
  await client.deleteCollection(policyV1.poddisruptionbudgets, { namespace: a });
  assert.equal((await client.list(policyV1.poddisruptionbudgets, { labelSelector: `set=${a}` })).items.length, 1);
});
