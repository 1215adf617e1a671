import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keyOf } from '../../api/meta.ts';
import { appsV1, coreV1 } from '../../api/refs.ts';
import { forbidden } from '../../api/status.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { endTerminating, makeAllReady, makeReady, setPodMetadata, setPodStatus, writesBut } from '../test-pods.ts';
import { replicaSetController } from './replicaset.ts';
import { replicationControllerController } from './replication-controller.ts';

const template = { metadata: { labels: { app: 'web', x: 'y' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
const replicaSet = (replicas: number, more: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: { name: 'web', namespace: 'a', generation: 1 },
  spec: { replicas, selector: { matchLabels: { app: 'web' } }, template, ...more },
});

const scale = (bench: ControllerBench, replicas: number) =>
  bench.client.patch(
    appsV1.replicasets,
    { namespace: 'a', name: 'web' },
    { type: 'merge', body: { spec: { replicas } } },
  );
const status = (bench: ControllerBench) => bench.client.object(appsV1.replicasets, 'a/web')!.status;
const pods = (bench: ControllerBench) => bench.client.objects(coreV1.pods);

describe('replicaset-controller', () => {
  it('creates, tells, deletes, and then rests', async () => {
    await using bench = await controllerBench([replicaSetController()], { objects: [replicaSet(3)] });
    await bench.settle();
    assert.equal(pods(bench).length, 3);
    const pod = pods(bench)[0]!;
    assert.match(pod.metadata.name, /^web-[a-z0-9]{5}$/);
    assert.deepEqual(pod.metadata.labels, template.metadata.labels);
    assert.deepEqual(
      pod.metadata.ownerReferences?.map(o => [o.kind, o.name, o.controller, o.blockOwnerDeletion]),
      [['ReplicaSet', 'web', true, true]],
    );
    assert.ok(bench.events().includes(`Normal SuccessfulCreate: Created pod: ${pod.metadata.name}`));
    makeAllReady(bench.client);
    await bench.settle();
    assert.deepEqual(status(bench), {
      replicas: 3,
      fullyLabeledReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      terminatingReplicas: 0,
      observedGeneration: 1,
    });
    bench.client.clearActions();
    for (const p of pods(bench)) setPodMetadata(bench.client, p, { annotations: { a: 'b' } });
    await bench.advance(600_000);
    assert.deepEqual(writesBut(bench.client), [], 'nothing changed, nothing written');
    await scale(bench, 1);
    await bench.settle();
    assert.equal(status(bench)?.terminatingReplicas, 2);
    assert.equal(status(bench)?.replicas, 1);
    assert.ok(bench.events().some(e => e.startsWith('Normal SuccessfulDelete: Deleted pod: web-')));
    endTerminating(bench.client);
    await bench.settle();
    assert.equal(status(bench)?.terminatingReplicas, 0);
    assert.equal(pods(bench).length, 1);
  });

  it('replaces pods that failed or vanish', async () => {
    await using bench = await controllerBench([replicaSetController()], { objects: [replicaSet(2)] });
    await bench.settle();
    setPodStatus(bench.client, pods(bench)[0]!, { phase: 'Failed' });
    bench.client.remove(coreV1.pods, keyOf(pods(bench)[1]!));
    await bench.settle();
    assert.equal(pods(bench).filter(p => p.status?.phase === 'Pending').length, 2);
  });

  it('adopts orphans and releases what no longer matches', async () => {
    const orphan = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'o', namespace: 'a', labels: { app: 'web' } } };
    await using bench = await controllerBench([replicaSetController()], { objects: [replicaSet(2), orphan] });
    await bench.settle();
    assert.equal(pods(bench).length, 2);
    assert.equal(bench.client.object(coreV1.pods, 'a/o')?.metadata.ownerReferences?.[0]?.name, 'web');
    assert.equal(status(bench)?.fullyLabeledReplicas, 1);
    const other = pods(bench).find(p => p.metadata.name !== 'o')!;
    setPodMetadata(bench.client, other, { labels: { app: 'else' } });
    await bench.settle();
    assert.equal(pods(bench).length, 3);
    assert.equal(bench.client.object(coreV1.pods, keyOf(other))?.metadata.ownerReferences?.length ?? 0, 0);
  });

  it('does not create twice while its own pods are not in sight, and stops at a quota', async () => {
    const quota = forbidden({ group: '', resource: 'pods' }, 'p', 'exceeded quota');
    await using bench = await controllerBench([replicaSetController()], {
      objects: [replicaSet(20)],
      prepare: client => {
        let made = 0;
        client.react(a => (a.verb === 'create' && a.resource.resource === 'pods' && ++made > 5 ? quota : undefined));
      },
    });
    await bench.settle();
    assert.equal(pods(bench).length, 5);
    const tried = bench.client.writes().filter(w => w.startsWith('create pods')).length;
    assert.ok(tried <= 15, `${tried} tries`);
    const failure = status(bench)!.conditions![0]!;
    assert.equal(failure.type, 'ReplicaFailure');
    assert.equal(failure.reason, 'FailedCreate');
    assert.match(failure.message!, /exceeded quota/);
    assert.ok(bench.events().some(e => e.startsWith('Warning FailedCreate: Error creating: pods "p" is forbidden')));
    await scale(bench, 5);
    await bench.advance(60_000);
    assert.equal(status(bench)?.conditions, undefined);
  });

  it('counts available pods when their time has come', async () => {
    await using bench = await controllerBench([replicaSetController()], {
      objects: [replicaSet(1, { minReadySeconds: 10 })],
    });
    await bench.settle();
    makeReady(bench.client, pods(bench)[0]!);
    await bench.advance(9_000);
    assert.equal(status(bench)?.readyReplicas, 1);
    assert.equal(status(bench)?.availableReplicas, undefined);
    await bench.advance(1_000);
    assert.equal(status(bench)?.availableReplicas, 1);
  });

  it('leaves pods alone when it is being deleted', async () => {
    const doomed = replicaSet(2);
    await using bench = await controllerBench([replicaSetController()], {
      objects: [
        {
          ...doomed,
          metadata: { ...doomed.metadata, deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['x/y'] },
        } as never,
      ],
    });
    await bench.settle();
    assert.equal(pods(bench).length, 0);
  });
});

describe('replicationcontroller-controller', () => {
  it('keeps pods the same way', async () => {
    const rc = {
      apiVersion: 'v1',
      kind: 'ReplicationController',
      metadata: { name: 'web', namespace: 'a', generation: 1 },
      spec: { replicas: 2, selector: { app: 'web' }, template },
    };
    await using bench = await controllerBench([replicationControllerController()], { objects: [rc] });
    await bench.settle();
    makeAllReady(bench.client);
    await bench.settle();
    const { status } = bench.client.object(coreV1.replicationcontrollers, 'a/web')!;
    assert.deepEqual(status, {
      replicas: 2,
      fullyLabeledReplicas: 2,
      readyReplicas: 2,
      availableReplicas: 2,
      observedGeneration: 1,
    });
    bench.client.clearActions();
    await bench.advance(600_000);
    assert.deepEqual(writesBut(bench.client), []);
  });
});
