import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cloneDeep, type Draft, formatTime } from '../../api/meta.ts';
import { batchV1, coreV1 } from '../../api/refs.ts';
import { internalError, modified } from '../../api/status.ts';
import type { Job, JobSpec } from '../../api/type/batch-v1.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { seededRandom } from '../../base/random.ts';
import type { FakeClient } from '../../client/fake-client.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { makeReady, setPodStatus, writesBut } from '../test-pods.ts';
import { jobController } from './job.ts';
import { trackingFinalizer } from './kernel/job-pod.ts';

const template = {
  metadata: { labels: { 'batch.kubernetes.io/controller-uid': 'u' } },
  spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }], initContainers: [{ name: 'b' }] },
};
const jobOf = (spec: Draft<JobSpec>, more: object = {}): Draft<Job> => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'j', namespace: 'a', uid: 'u', ...more },
  spec: {
    parallelism: 1,
    backoffLimit: 6,
    selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u' } },
    template: template as never,
    ...spec,
  },
  status: {},
});
const start = (spec: Draft<JobSpec>, more: object = {}) =>
  controllerBench([jobController()], { objects: [jobOf(spec, more)] });

const pods = (bench: ControllerBench) => bench.client.objects(coreV1.pods);
const running = (bench: ControllerBench) =>
  pods(bench).filter(p => !p.metadata.deletionTimestamp && !/Succeeded|Failed/.test(p.status?.phase ?? ''));
const statusOf = (bench: ControllerBench) => bench.client.object(batchV1.jobs, 'a/j')!.status;
const conditions = (bench: ControllerBench) =>
  (statusOf(bench).conditions ?? []).map(c => [c.type, c.status, c.reason, c.message].join('|'));
const indexOf = (pod: Pod) => pod.metadata.annotations?.['batch.kubernetes.io/job-completion-index'];
const tracked = (pod: Pod) => pod.metadata.finalizers?.includes(trackingFinalizer);

function end(bench: ControllerBench, pod: Pod, phase: 'Succeeded' | 'Failed', exitCode = phase === 'Failed' ? 1 : 0) {
  const finishedAt = formatTime(bench.clock.now());
  setPodStatus(bench.client, pod, {
    phase,
    containerStatuses: [{ name: 'c', restartCount: 0, state: { terminated: { exitCode, finishedAt } } }],
  });
}
/** All have a node, and so a grace period. */
const assignAll = (bench: ControllerBench) => {
  for (const pod of running(bench)) makeReady(bench.client, pod);
};
const endAll = (bench: ControllerBench, phase: 'Succeeded' | 'Failed', exitCode?: number) => {
  for (const pod of running(bench)) end(bench, pod, phase, exitCode);
};
/** What a kubelet does in the end with pods that are being deleted. */
async function endTerminating(client: FakeClient) {
  for (const pod of client.objects(coreV1.pods)) {
    if (!pod.metadata.deletionTimestamp) continue;
    if (!/Succeeded|Failed/.test(pod.status?.phase ?? '')) setPodStatus(client, pod, { phase: 'Failed' });
    const { name, namespace } = pod.metadata;
    await client.delete(coreV1.pods, { name, namespace: namespace! }, { gracePeriodSeconds: 0 }).catch(() => {});
  }
}
async function set(bench: ControllerBench, spec: object) {
  await bench.client.patch(batchV1.jobs, { namespace: 'a', name: 'j' }, { type: 'merge', body: { spec } });
  await bench.settle();
}
const now = (bench: ControllerBench) => formatTime(bench.clock.now());

describe('job-controller', () => {
  it('runs a job to its completions, a few at a time, and rests', async () => {
    await using bench = await start({ completions: 3, parallelism: 2 });
    await bench.settle();
    const startTime = now(bench);
    assert.equal(running(bench).length, 2);
    const [pod] = running(bench);
    assert.match(pod!.metadata.name, /^j-[a-z0-9]{5}$/);
    assert.deepEqual(pod!.metadata.finalizers, [trackingFinalizer]);
    assert.equal(pod!.metadata.ownerReferences?.[0]?.kind, 'Job');
    assert.ok(bench.events().includes(`Normal SuccessfulCreate: Created pod: ${pod!.metadata.name}`));
    makeReady(bench.client, pod!);
    await bench.settle();
    assert.deepEqual(statusOf(bench), {
      active: 2,
      ready: 1,
      startTime,
      terminating: 0,
      uncountedTerminatedPods: {},
    });
    end(bench, running(bench)[0]!, 'Succeeded');
    await bench.settle();
    assert.equal(statusOf(bench).succeeded, 1);
    assert.equal(running(bench).length, 2);
    await bench.advance(5_000);
    endAll(bench, 'Succeeded');
    await bench.settle();
    const { conditions: all, ...rest } = statusOf(bench);
    assert.deepEqual(rest, {
      completionTime: now(bench),
      ready: 0,
      startTime,
      succeeded: 3,
      terminating: 0,
      uncountedTerminatedPods: {},
    });
    assert.deepEqual(
      all?.map(c => [c.type, c.reason, c.message]),
      ['SuccessCriteriaMet', 'Complete'].map(t => [
        t,
        'CompletionsReached',
        'Reached expected number of succeeded pods',
      ]),
    );
    assert.ok(bench.events().includes('Normal Completed: Job completed'));
    assert.ok(pods(bench).every(p => !tracked(p)));
    bench.client.clearActions();
    await bench.advance(3_600_000);
    assert.deepEqual(writesBut(bench.client), []);
  });

  it('without completions ends when all have ended and one has succeeded', async () => {
    await using bench = await start({ parallelism: 3 });
    await bench.settle();
    assert.equal(running(bench).length, 3);
    end(bench, running(bench)[0]!, 'Succeeded');
    await bench.settle();
    assert.equal(running(bench).length, 2, 'no further pods');
    end(bench, running(bench)[0]!, 'Failed');
    end(bench, running(bench)[0]!, 'Succeeded');
    await bench.settle();
    assert.equal(statusOf(bench).succeeded, 2);
    assert.equal(statusOf(bench).failed, 1);
    assert.ok(statusOf(bench).completionTime);
  });

  it('backs off 10 s, 20 s, 40 s, and gives up at the limit', async () => {
    await using bench = await start({ completions: 1, backoffLimit: 3 });
    await bench.settle();
    for (const wait of [10_000, 20_000, 40_000]) {
      endAll(bench, 'Failed');
      await bench.advance(wait - 1);
      assert.equal(running(bench).length, 0, `waits ${wait}`);
      await bench.advance(1);
      assert.equal(running(bench).length, 1, `goes on after ${wait}`);
    }
    endAll(bench, 'Failed');
    await bench.settle();
    assert.equal(statusOf(bench).failed, 4);
    const why = 'True|BackoffLimitExceeded|Job has reached the specified backoff limit';
    assert.deepEqual(conditions(bench), [`FailureTarget|${why}`, `Failed|${why}`]);
    assert.equal(statusOf(bench).completionTime, undefined);
    assert.ok(
      bench.events().includes('Warning BackoffLimitExceeded: Job has reached the specified backoff limit'),
      bench.events().join(),
    );
  });

  it('counts restarts within pods against the limit', async () => {
    await using bench = await start({
      completions: 1,
      backoffLimit: 2,
      template: { ...template, spec: { ...template.spec, restartPolicy: 'OnFailure' } } as never,
    });
    await bench.settle();
    const status = (restartCount: number): Draft<Pod>['status'] => ({
      phase: 'Running',
      containerStatuses: [{ name: 'c', restartCount }],
    });
    setPodStatus(bench.client, running(bench)[0]!, status(1));
    await bench.settle();
    assert.deepEqual(conditions(bench), []);
    setPodStatus(bench.client, running(bench)[0]!, status(2));
    await bench.settle();
    assert.match(conditions(bench)[0]!, /^FailureTarget\|True\|BackoffLimitExceeded/);
  });

  it('fails at its deadline when the last pod has ended, not before', async () => {
    await using bench = await start({ completions: 2, parallelism: 2, activeDeadlineSeconds: 60 });
    await bench.settle();
    assignAll(bench);
    await bench.advance(59_999);
    assert.equal(running(bench).length, 2);
    await bench.advance(1);
    assert.equal(running(bench).length, 0);
    const why = 'True|DeadlineExceeded|Job was active longer than specified deadline';
    assert.deepEqual(conditions(bench), [`FailureTarget|${why}`]);
    assert.equal(statusOf(bench).terminating, 2);
    assert.equal(statusOf(bench).active, undefined);
    await endTerminating(bench.client);
    await bench.settle();
    assert.deepEqual(conditions(bench), [`FailureTarget|${why}`, `Failed|${why}`]);
    assert.equal(statusOf(bench).failed, 2);
    assert.equal(statusOf(bench).terminating, 0);
  });

  it('suspends without counting failures, and starts anew when resumed', async () => {
    await using bench = await start({ completions: 2, parallelism: 2, activeDeadlineSeconds: 100, suspend: true });
    await bench.settle();
    assert.equal(pods(bench).length, 0);
    assert.equal(statusOf(bench).startTime, undefined);
    assert.deepEqual(conditions(bench), ['Suspended|True|JobSuspended|Job suspended']);
    await bench.advance(500_000);
    await set(bench, { suspend: false });
    assert.equal(statusOf(bench).startTime, now(bench));
    assert.deepEqual(conditions(bench), ['Suspended|False|JobResumed|Job resumed']);
    assert.equal(running(bench).length, 2);
    assignAll(bench);
    await bench.advance(90_000);
    await set(bench, { suspend: true });
    assert.equal(statusOf(bench).active, undefined);
    assert.equal(statusOf(bench).terminating, 2);
    await endTerminating(bench.client);
    await bench.settle();
    assert.equal(statusOf(bench).failed, undefined);
    await set(bench, { suspend: false });
    await bench.advance(90_000);
    assert.equal(running(bench).length, 2, 'the deadline counts from the last start');
    assert.ok(bench.events().includes('Normal Suspended: Job suspended'));
    assert.ok(bench.events().includes('Normal Resumed: Job resumed'));
  });

  it('deletes what is too much, and what is missed least first', async () => {
    await using bench = await start({ completions: 5, parallelism: 3 });
    await bench.settle();
    const ready = running(bench)[1]!;
    makeReady(bench.client, ready);
    await set(bench, { parallelism: 1 });
    assert.deepEqual(
      running(bench).map(p => p.metadata.name),
      [ready.metadata.name],
    );
    assert.equal(statusOf(bench).failed, undefined);
    assert.equal(statusOf(bench).active, 1);
  });

  it('waits for the end of a deleted pod when its policy says so', async () => {
    for (const [podReplacementPolicy, replaced] of [
      ['TerminatingOrFailed', 1],
      ['Failed', 0],
    ] as const) {
      await using bench = await start({ completions: 1, podReplacementPolicy });
      await bench.settle();
      assignAll(bench);
      await bench.client.delete(coreV1.pods, { namespace: 'a', name: running(bench)[0]!.metadata.name });
      await bench.advance(11_000);
      assert.equal(running(bench).length, replaced, podReplacementPolicy);
      assert.equal(statusOf(bench).failed ?? 0, replaced);
      assert.equal(statusOf(bench).terminating, 1);
      await endTerminating(bench.client);
      await bench.advance(11_000);
      assert.equal(running(bench).length, 1);
      assert.equal(statusOf(bench).failed, 1);
    }
  });

  it('leaves jobs of other managers alone', async () => {
    await using bench = await start({ completions: 1, managedBy: 'acme.example/queue' });
    await bench.advance(60_000);
    assert.deepEqual(writesBut(bench.client), []);
  });

  it('lets pods go that outlive their job', async () => {
    await using bench = await start({ completions: 1 });
    await bench.settle();
    const name = running(bench)[0]!.metadata.name;
    bench.client.remove(batchV1.jobs, 'a/j');
    await bench.settle();
    assert.ok(!tracked(bench.client.object(coreV1.pods, `a/${name}`)!));
  });

  it('adopts a pod with its finalizer', async () => {
    const orphan = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'o', namespace: 'a', labels: template.metadata.labels },
      status: { phase: 'Running' },
    };
    await using bench = await controllerBench([jobController()], { objects: [jobOf({ completions: 1 }), orphan] });
    await bench.settle();
    assert.equal(pods(bench).length, 1);
    assert.ok(tracked(pods(bench)[0]!));
    assert.equal(pods(bench)[0]!.metadata.ownerReferences?.[0]?.uid, 'u');
  });
});

describe('job-controller, Indexed', () => {
  it('gives each pod its index and notes the completed ones', async () => {
    await using bench = await start({ completionMode: 'Indexed', completions: 5, parallelism: 5 });
    await bench.settle();
    const pod = running(bench).find(p => indexOf(p) === '3')!;
    assert.match(pod.metadata.name, /^j-3-[a-z0-9]{5}$/);
    assert.equal(pod.metadata.labels?.['batch.kubernetes.io/job-completion-index'], '3');
    assert.equal(pod.spec?.hostname, 'j-3');
    const env = [
      {
        name: 'JOB_COMPLETION_INDEX',
        valueFrom: { fieldRef: { fieldPath: "metadata.labels['batch.kubernetes.io/job-completion-index']" } },
      },
    ];
    assert.deepEqual(pod.spec?.containers[0]?.env, env);
    assert.deepEqual(pod.spec?.initContainers?.[0]?.env, env);
    for (const p of running(bench)) if (/[0234]/.test(indexOf(p)!)) end(bench, p, 'Succeeded');
    await bench.settle();
    assert.equal(statusOf(bench).completedIndexes, '0,2-4');
    assert.equal(statusOf(bench).succeeded, 4);
    endAll(bench, 'Failed');
    await bench.advance(10_000);
    assert.deepEqual(running(bench).map(indexOf), ['1']);
    endAll(bench, 'Succeeded');
    await bench.settle();
    assert.equal(statusOf(bench).completedIndexes, '0-4');
    assert.ok(statusOf(bench).completionTime);
  });

  it('keeps one pod an index', async () => {
    await using bench = await start({ completionMode: 'Indexed', completions: 2, parallelism: 2 });
    await bench.settle();
    const twin = cloneDeep(running(bench)[0]!) as Draft<Pod>;
    twin.metadata = { ...twin.metadata, name: 'twin', uid: 'twin' };
    bench.client.set(coreV1.pods, twin);
    await bench.settle();
    assert.deepEqual(running(bench).map(indexOf).sort(), ['0', '1']);
    assert.equal(statusOf(bench).failed, undefined);
  });

  it('counts failures by index and goes on with the others', async () => {
    await using bench = await start({
      completionMode: 'Indexed',
      completions: 2,
      parallelism: 2,
      backoffLimit: 2147483647,
      backoffLimitPerIndex: 1,
    });
    await bench.settle();
    const counts = () =>
      running(bench).map(p => p.metadata.annotations?.['batch.kubernetes.io/job-index-failure-count']);
    assert.deepEqual(counts(), ['0', '0']);
    const first = () => running(bench).find(p => indexOf(p) === '0')!;
    end(bench, first(), 'Failed');
    await bench.advance(10_000);
    assert.deepEqual(counts().sort(), ['0', '1']);
    assert.equal(statusOf(bench).failedIndexes, '');
    assert.equal(statusOf(bench).failed, 1);
    end(bench, first(), 'Failed');
    await bench.advance(60_000);
    assert.equal(statusOf(bench).failedIndexes, '0');
    assert.deepEqual(running(bench).map(indexOf), ['1']);
    endAll(bench, 'Succeeded');
    await bench.settle();
    assert.deepEqual(conditions(bench), [
      'FailureTarget|True|FailedIndexes|Job has failed indexes',
      'Failed|True|FailedIndexes|Job has failed indexes',
    ]);
    assert.equal(statusOf(bench).completedIndexes, '1');
    assert.equal(statusOf(bench).failed, 2);
  });

  it('gives up at too many failed indexes', async () => {
    await using bench = await start({
      completionMode: 'Indexed',
      completions: 4,
      parallelism: 4,
      backoffLimitPerIndex: 0,
      maxFailedIndexes: 1,
    });
    await bench.settle();
    for (const p of running(bench).slice(0, 2)) end(bench, p, 'Failed');
    await bench.settle();
    assert.match(
      conditions(bench)[0]!,
      /^FailureTarget\|True\|MaxFailedIndexesExceeded\|Job has exceeded the specified maximal number of failed indexes/,
    );
    assert.equal(running(bench).length, 0);
    await endTerminating(bench.client);
    await bench.settle();
    assert.equal(statusOf(bench).failed, 4);
    assert.equal(statusOf(bench).failedIndexes, '0,1');
    assert.match(conditions(bench)[1]!, /^Failed/);
  });

  it('succeeds early by its success policy', async () => {
    await using bench = await start({
      completionMode: 'Indexed',
      completions: 4,
      parallelism: 4,
      successPolicy: { rules: [{ succeededIndexes: '1-2' }, { succeededCount: 3 }] },
    });
    await bench.settle();
    assignAll(bench);
    for (const p of running(bench)) if (/[12]/.test(indexOf(p)!)) end(bench, p, 'Succeeded');
    await bench.settle();
    assert.deepEqual(conditions(bench), ['SuccessCriteriaMet|True|SuccessPolicy|Matched rules at index 0']);
    assert.equal(running(bench).length, 0);
    await endTerminating(bench.client);
    await bench.settle();
    assert.match(conditions(bench)[1]!, /^Complete\|True\|SuccessPolicy\|Matched rules at index 0/);
    assert.equal(statusOf(bench).succeeded, 2);
    assert.equal(statusOf(bench).failed, undefined);
  });
});

describe('podFailurePolicy', () => {
  const policy = (...rules: object[]) => ({ completions: 2, parallelism: 1, podFailurePolicy: { rules } }) as never;

  it('fails the job, ignores, or counts, by the first rule that fits', async () => {
    await using bench = await start(
      policy(
        { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
        { action: 'Count', onExitCodes: { operator: 'In', values: [3] } },
        { action: 'FailJob', onExitCodes: { containerName: 'c', operator: 'NotIn', values: [5] } },
      ),
    );
    await bench.settle();
    setPodStatus(bench.client, running(bench)[0]!, {
      phase: 'Failed',
      conditions: [{ type: 'DisruptionTarget', status: 'True' }],
    });
    await bench.advance(10_000);
    assert.equal(statusOf(bench).failed, undefined);
    assert.equal(running(bench).length, 1);
    endAll(bench, 'Failed', 3);
    await bench.advance(20_000);
    assert.equal(statusOf(bench).failed, 1);
    const [pod] = running(bench);
    endAll(bench, 'Failed', 42);
    await bench.settle();
    const why = `True|PodFailurePolicy|Container c for pod a/${pod!.metadata.name} failed with exit code 42 matching FailJob rule at index 2`;
    assert.deepEqual(conditions(bench), [`FailureTarget|${why}`, `Failed|${why}`]);
    assert.equal(statusOf(bench).failed, 2);
  });

  it('fails an index at once', async () => {
    await using bench = await start({
      completionMode: 'Indexed',
      completions: 2,
      parallelism: 2,
      backoffLimitPerIndex: 5,
      podFailurePolicy: { rules: [{ action: 'FailIndex', onExitCodes: { operator: 'In', values: [9] } }] },
    });
    await bench.settle();
    end(bench, running(bench)[0]!, 'Failed', 9);
    await bench.advance(60_000);
    assert.equal(statusOf(bench).failedIndexes, '0');
    assert.deepEqual(running(bench).map(indexOf), ['1']);
  });
});

describe('counting', () => {
  const scenario = fc.record({
    indexed: fc.boolean(),
    perIndex: fc.boolean(),
    completions: fc.integer({ min: 1, max: 8 }),
    parallelism: fc.integer({ min: 1, max: 4 }),
    seed: fc.nat(),
  });

  it('neither loses a pod nor counts one twice, whatever fails in between', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ indexed, perIndex, completions, parallelism, seed }) => {
        const random = seededRandom(seed);
        const job = jobOf({
          completions,
          parallelism,
          backoffLimit: 1000,
          completionMode: indexed ? 'Indexed' : 'NonIndexed',
          ...(indexed && perIndex ? { backoffLimitPerIndex: 1000 } : {}),
        });
        let shaky = true;
        const bench = await controllerBench([jobController()], {
          objects: [job],
          seed,
          prepare: client => {
            client.react(a => {
              const write = a.resource.resource === 'jobs' ? a.verb === 'update' : a.verb !== 'get';
              if (!shaky || !write || a.verb === 'list' || a.verb === 'watch' || random.next() > 0.25) return undefined;
              return random.next() < 0.5
                ? internalError('no luck')
                : modified({ group: 'batch', resource: 'jobs' }, 'j');
            });
          },
        });
        let succeeded = 0;
        let failed = 0;
        const seen = new Set<string>();
        for (let round = 0; round < 200 && !statusOf(bench).completionTime; round++) {
          shaky = round < 100;
          for (const pod of running(bench)) {
            if (random.next() < 0.4 || seen.has(pod.metadata.uid)) continue;
            seen.add(pod.metadata.uid);
            const well = random.next() < 0.6;
            end(bench, pod, well ? 'Succeeded' : 'Failed');
            if (well) succeeded++;
            else failed++;
          }
          await bench.advance(round % 5 === 4 ? 700_000 : 1000);
        }
        await bench.advance(700_000);
        const status = statusOf(bench);
        assert.ok(status.completionTime, 'it ends');
        assert.equal(status.succeeded, completions);
        assert.equal(succeeded, completions, 'no pod too many');
        assert.equal(status.failed ?? 0, failed);
        assert.ok(pods(bench).every(p => !tracked(p)));
        await bench.stop();
      }),
      { numRuns: 40 },
    );
  });
});
