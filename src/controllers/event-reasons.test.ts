// Events of controllers that no other test is about: type, reason and message.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../api/meta.ts';
import { appsV1, batchV1, coreV1 } from '../api/refs.ts';
import { internalError } from '../api/status.ts';
import { type ControllerBench, controllerBench } from '../engine/controller-bench.ts';
import { cronJobController } from './cronjob/cronjob.ts';
import { endpointController } from './endpoint/endpoint.ts';
import { jobController } from './job/job.ts';
import { volumeBinderController } from './persistentvolume-binder/persistentvolume-binder.ts';
import { replicaSetController } from './replicaset/replicaset.ts';
import { statefulSetController } from './statefulset/statefulset.ts';

const minuteMs = 60_000;
const startMs = Date.UTC(2026, 0, 1, 12, 0, 30);
const told = (bench: ControllerBench) =>
  bench.client.objects(coreV1.events).map(e => `${e.type} ${e.reason}: ${e.message}`);

const cronJob = (spec: object, status: object = {}) => ({
  apiVersion: 'batch/v1',
  kind: 'CronJob',
  metadata: { name: 'c', namespace: 'a', uid: 'u', creationTimestamp: '2026-01-01T11:00:00Z' },
  spec: { schedule: '*/5 * * * *', concurrencyPolicy: 'Allow', jobTemplate: { spec: {} }, ...spec },
  status,
});
const job = (name: string, more: object = {}) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: {
    ...{ name, namespace: 'a', uid: `u-${name}` },
    ownerReferences: [{ apiVersion: 'batch/v1', kind: 'CronJob', name: 'c', uid: 'u', controller: true }],
  },
  spec: {},
  status: {},
  ...more,
});
const active = { active: [{ apiVersion: 'batch/v1', kind: 'Job', namespace: 'a', name: 'old', uid: 'u-old' }] };

async function cron(objects: readonly object[], before: (bench: ControllerBench) => void = () => {}) {
  const bench = await controllerBench([cronJobController()], { objects: objects as Draft<any>[], startMs });
  before(bench);
  await bench.advance(5 * minuteMs);
  const events = told(bench);
  await bench[Symbol.asyncDispose]();
  return events;
}

test('cron jobs', async () => {
  const includes = (events: readonly string[], event: RegExp) =>
    assert.ok(
      events.some(e => event.test(e)),
      `${event} is not among\n${events.join('\n')}`,
    );
  includes(
    await cron([cronJob({}), job('foreign')]),
    /^Warning UnexpectedJob: Saw a job that the controller did not create or forgot: foreign$/,
  );
  includes(
    await cron([cronJob({ schedule: 'TZ=UTC */5 * * * *' })]),
    /^Warning UnsupportedSchedule: CRON_TZ or TZ used in schedule "TZ=UTC \*\/5 \* \* \* \*" is not officially supported, see \S+ for more details$/,
  );
  const replaced = [cronJob({ concurrencyPolicy: 'Replace' }, active), job('old')];
  const fails = (verb: 'get' | 'delete') => (bench: ControllerBench) =>
    bench.client.failNext(verb, batchV1.jobs, internalError('no luck'), { times: 100 });
  includes(await cron(replaced, fails('get')), /^Warning FailedGet: Get job: .*no luck/);
  includes(await cron(replaced, fails('delete')), /^Warning FailedDelete: Deleted job: .*no luck/);
});

test('endpoints that cannot be written', async () => {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'a', uid: 's' },
    spec: { clusterIP: '10.0.0.1', selector: { app: 'web' }, ports: [{ port: 80 }] },
  };
  await using bench = await controllerBench([endpointController()], { objects: [service as never], startMs });
  await bench.advance(1000);
  bench.client.failNext('update', coreV1.endpoints, internalError('no luck'), { times: 100 });
  const status = { phase: 'Running', podIPs: [{ ip: '10.1.0.1' }], conditions: [{ type: 'Ready', status: 'True' }] };
  const metadata = { name: 'p', namespace: 'a', uid: 'p', labels: { app: 'web' } };
  bench.client.set(coreV1.pods, { metadata, spec: { nodeName: 'n', containers: [] }, status } as never);
  await bench.advance(2000);
  assert.match(told(bench)[0] ?? '', /^Warning FailedToUpdateEndpoint: Failed to update endpoint a\/web: .*no luck/);
});

test('volumes that cannot be reclaimed, and a claim beside another', async () => {
  const volume = (name: string, persistentVolumeReclaimPolicy: string) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: {
      ...{ capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], nfs: { path: '/', server: 's' } },
      ...{ persistentVolumeReclaimPolicy, claimRef: { namespace: 'a', name: 'gone', uid: 'gone' } },
    },
    status: { phase: 'Bound' },
  });
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'c', namespace: 'a', uid: 'c', annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, volumeName: 'kept' },
    status: { phase: 'Bound' },
  };
  const objects = [volume('recycled', 'Recycle'), volume('odd', 'Odd'), volume('kept', 'Retain'), claim];
  await using bench = await controllerBench([volumeBinderController()], { objects: objects as Draft<any>[], startMs });
  await bench.advance(5000);
  assert.deepEqual([...new Set(told(bench))].sort(), [
    'Warning ClaimMisbound: Two claims are bound to the same volume, this one is bound incorrectly',
    'Warning VolumeFailedRecycle: No recycler plugin found for the volume!',
    'Warning VolumeUnknownReclaimPolicy: Volume has an unrecognized PersistentVolumeReclaimPolicy',
  ]);
});

test('pods that a ReplicaSet cannot delete', async () => {
  const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const set = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: 'web', namespace: 'a', uid: 'r' },
    spec: { replicas: 1, selector: { matchLabels: { app: 'web' } }, template },
  };
  await using bench = await controllerBench([replicaSetController()], { objects: [set as Draft<any>], startMs });
  await bench.settle();
  bench.client.failNext('delete', coreV1.pods, internalError('no luck'), { times: 100 });
  const key = { namespace: 'a', name: 'web' };
  await bench.client.patch(appsV1.replicasets, key, { type: 'merge', body: { spec: { replicas: 0 } } });
  await bench.advance(1000);
  assert.match(told(bench).at(-1) ?? '', /^Warning FailedDelete: Error deleting: .*no luck/);
});

test('a job that more pods have ended well for than it asks', async () => {
  const labels = { 'batch.kubernetes.io/controller-uid': 'u' };
  const template = { metadata: { labels }, spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } };
  const spec = { parallelism: 1, completions: 1, backoffLimit: 6, selector: { matchLabels: labels }, template };
  const job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'j', namespace: 'a', uid: 'u' },
    spec,
    status: {},
  };
  await using bench = await controllerBench([jobController()], { objects: [job as Draft<any>], startMs });
  await bench.settle();
  const [pod] = bench.client.objects(coreV1.pods);
  for (const name of [pod!.metadata.name, 'another']) {
    const metadata = { ...pod!.metadata, name, uid: `u-${name}` };
    bench.client.set(coreV1.pods, { ...pod, metadata, status: { phase: 'Succeeded' } } as never);
  }
  await bench.advance(60_000);
  const message = 'Too many succeeded pods running after completion count reached';
  assert.deepEqual(told(bench).slice(-2), [
    `Warning TooManySucceededPods: ${message}`,
    'Normal Completed: Job completed',
  ]);
});

test('a claim that somebody else controls', async () => {
  const labels = { app: 'db' };
  const owner = (kind: string, uid: string, more: object = {}) => ({ apiVersion: 'v1', kind, name: 'x', uid, ...more });
  const set = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db', namespace: 'a', uid: 's' },
    spec: {
      ...{ replicas: 1, serviceName: 'db', selector: { matchLabels: labels } },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'] } }],
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' },
    },
  };
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      ...{ name: 'data-db-0', namespace: 'a', uid: 'c', labels },
      ownerReferences: [owner('Other', 'o', { controller: true }), owner('StatefulSet', 's')],
    },
    spec: { accessModes: ['ReadWriteOnce'] },
  };
  const objects = [set, claim] as Draft<any>[];
  await using bench = await controllerBench([statefulSetController()], { objects, startMs });
  await bench.advance(1000);
  const message =
    'PersistentVolumeClaim data-db-0 has a conflicting OwnerReference that acts as a manging controller, the retention policy is ignored for this claim';
  assert.ok(told(bench).includes(`Warning ConflictingController: ${message}`), told(bench).join('\n'));
  const { metadata } = bench.client.object(coreV1.persistentvolumeclaims, 'a/data-db-0')!;
  assert.deepEqual(
    metadata.ownerReferences?.map(r => r.uid),
    ['o'],
  );
});
