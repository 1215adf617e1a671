import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { keyOf } from '../../api/meta.ts';
import { appsV1, coreV1 } from '../../api/refs.ts';
import { forbidden } from '../../api/status.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { isPodActive, isPodReady } from '../kernel/pod.ts';
import { endTerminating, makeAllReady, makeReady, setPodMetadata, setPodStatus, writesBut } from '../test-pods.ts';
import { type StatefulSetOptions, statefulSetController } from './statefulset.ts';

const template = (image: string) => ({
  metadata: { labels: { app: 'db' } },
  spec: { containers: [{ name: 'c', image }] },
});
const claimTemplate = {
  metadata: { name: 'data' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
};
const statefulSet = (replicas: number, more: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'db', namespace: 'a', uid: 'set-uid', generation: 1 },
  spec: {
    replicas,
    serviceName: 'svc',
    selector: { matchLabels: { app: 'db' } },
    template: template('i1'),
    podManagementPolicy: 'OrderedReady',
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
    revisionHistoryLimit: 10,
    ...more,
  },
});
const start = (set: object, options: StatefulSetOptions = {}, ...others: object[]) =>
  controllerBench([statefulSetController(options)], { objects: [set, ...others] as never });
const get = (bench: ControllerBench) => bench.client.object(appsV1.statefulsets, 'a/db')!;
const patch = (bench: ControllerBench, spec: object) =>
  bench.client.patch(appsV1.statefulsets, { namespace: 'a', name: 'db' }, { type: 'merge', body: { spec } });
const setImage = (bench: ControllerBench, image: string) => patch(bench, { template: template(image) });
const pods = (bench: ControllerBench) => bench.client.objects(coreV1.pods);
const names = (bench: ControllerBench) => pods(bench).map(p => p.metadata.name);
const pod = (bench: ControllerBench, n: number) => bench.client.object(coreV1.pods, `a/db-${n}`)!;
const claims = (bench: ControllerBench) => bench.client.objects(coreV1.persistentvolumeclaims);
const images = (bench: ControllerBench) => pods(bench).map(p => p.spec.containers[0]!.image);
const leaving = (bench: ControllerBench) =>
  pods(bench)
    .filter(p => p.metadata.deletionTimestamp)
    .map(p => p.metadata.name);
const revisions = (bench: ControllerBench) => bench.client.objects(appsV1.controllerrevisions);

async function finish(bench: ControllerBench): Promise<void> {
  for (let i = 0; i < 100; i++) {
    makeAllReady(bench.client);
    endTerminating(bench.client);
    const before = bench.client.resourceVersion;
    await bench.advance(1000);
    if (bench.client.resourceVersion === before) return;
  }
  assert.fail('never comes to rest');
}

describe('statefulset-controller', () => {
  it('creates one pod after the other, with claims of their own, and then rests', async () => {
    await using bench = await start(statefulSet(3, { volumeClaimTemplates: [claimTemplate] }));
    await bench.advance(60_000);
    assert.deepEqual(names(bench), ['db-0'], 'waits for the first');
    const [revision] = revisions(bench);
    assert.deepEqual(revision!.data, { spec: { template: { ...template('i1'), $patch: 'replace' } } });
    assert.deepEqual(pod(bench, 0).metadata.labels, {
      app: 'db',
      'statefulset.kubernetes.io/pod-name': 'db-0',
      'apps.kubernetes.io/pod-index': '0',
      'controller-revision-hash': revision!.metadata.name,
    });
    assert.equal(revision!.metadata.name, `db-${revision!.metadata.labels!['controller.kubernetes.io/hash']}`);
    const { hostname, subdomain, volumes } = pod(bench, 0).spec;
    assert.deepEqual(
      { hostname, subdomain, volumes },
      {
        hostname: 'db-0',
        subdomain: 'svc',
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data-db-0' } }],
      },
    );
    assert.deepEqual(bench.events().sort(), [
      'Normal SuccessfulCreate: create Claim data-db-0 Pod db-0 in StatefulSet db success',
      'Normal SuccessfulCreate: create Pod db-0 in StatefulSet db successful',
    ]);
    await finish(bench);
    assert.deepEqual(names(bench), ['db-0', 'db-1', 'db-2']);
    assert.deepEqual(
      claims(bench).map(c => c.metadata.name),
      ['data-db-0', 'data-db-1', 'data-db-2'],
    );
    assert.deepEqual(claims(bench)[0]!.metadata.labels, { app: 'db' });
    const name = revision!.metadata.name;
    assert.deepEqual(get(bench).status, {
      observedGeneration: 1,
      replicas: 3,
      readyReplicas: 3,
      currentReplicas: 3,
      updatedReplicas: 3,
      currentRevision: name,
      updateRevision: name,
      collisionCount: 0,
      availableReplicas: 3,
    });
    bench.client.clearActions();
    await bench.advance(3_600_000);
    assert.deepEqual(writesBut(bench.client), []);
  });

  it('scales down from the top, one at a time, and keeps the claims', async () => {
    await using bench = await start(statefulSet(3, { volumeClaimTemplates: [claimTemplate] }));
    await finish(bench);
    await patch(bench, { replicas: 1 });
    await bench.advance(10_000);
    assert.deepEqual(leaving(bench), ['db-2']);
    endTerminating(bench.client);
    await bench.advance(10_000);
    assert.deepEqual(leaving(bench), ['db-1']);
    await finish(bench);
    assert.deepEqual(names(bench), ['db-0']);
    assert.equal(claims(bench).length, 3);
    assert.ok(bench.events().includes('Normal SuccessfulDelete: delete Pod db-2 in StatefulSet db successful'));
  });

  it('creates and deletes all at once with Parallel', async () => {
    await using bench = await start(statefulSet(3, { podManagementPolicy: 'Parallel', ordinals: { start: 4 } }));
    await bench.settle();
    assert.deepEqual(names(bench), ['db-4', 'db-5', 'db-6']);
    makeAllReady(bench.client);
    await patch(bench, { replicas: 1 });
    await bench.settle();
    assert.deepEqual(leaving(bench), ['db-5', 'db-6']);
  });

  it('updates from the top, each when the one before is available, and makes the revision current at the end', async () => {
    await using bench = await start(statefulSet(2, { minReadySeconds: 10 }));
    for (let i = 0; i < 3; i++) {
      await finish(bench);
      await bench.advance(11_000);
    }
    assert.equal(get(bench).status.availableReplicas, 2);
    const { currentRevision } = get(bench).status;
    await setImage(bench, 'i2');
    await bench.settle();
    assert.deepEqual(leaving(bench), ['db-1']);
    endTerminating(bench.client);
    await bench.settle();
    makeReady(bench.client, pod(bench, 1));
    await bench.advance(9_000);
    assert.deepEqual(leaving(bench), [], 'not available yet');
    assert.deepEqual(images(bench), ['i1', 'i2']);
    assert.equal(get(bench).status.currentRevision, currentRevision);
    assert.equal(get(bench).status.updatedReplicas, 1);
    await bench.advance(1_000);
    assert.deepEqual(leaving(bench), ['db-0']);
    await finish(bench);
    await bench.advance(20_000);
    assert.deepEqual(images(bench), ['i2', 'i2']);
    assert.equal(get(bench).status.currentRevision, get(bench).status.updateRevision);
    assert.notEqual(get(bench).status.currentRevision, currentRevision);
  });

  it('leaves pods below the partition as they were, even when they come anew', async () => {
    await using bench = await start(
      statefulSet(3, { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } }),
    );
    await finish(bench);
    await setImage(bench, 'i2');
    await finish(bench);
    assert.deepEqual(images(bench), ['i1', 'i1', 'i2']);
    bench.client.remove(coreV1.pods, 'a/db-1');
    await finish(bench);
    assert.deepEqual(images(bench), ['i1', 'i1', 'i2']);
    assert.equal(get(bench).status.currentReplicas, 2);
    await patch(bench, { updateStrategy: { rollingUpdate: { partition: 0 } } });
    await finish(bench);
    assert.deepEqual(images(bench), ['i2', 'i2', 'i2']);
  });

  it('waits with OnDelete', async () => {
    await using bench = await start(statefulSet(2, { updateStrategy: { type: 'OnDelete' } }));
    await finish(bench);
    await setImage(bench, 'i2');
    await finish(bench);
    assert.deepEqual(images(bench), ['i1', 'i1']);
    bench.client.remove(coreV1.pods, 'a/db-0');
    await finish(bench);
    assert.deepEqual(images(bench), ['i2', 'i1']);
  });

  it('updates several at once where that is on', async () => {
    const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { partition: 1, maxUnavailable: 2 } };
    await using bench = await start(statefulSet(5, { updateStrategy }), { usesMaxUnavailable: true });
    await finish(bench);
    await setImage(bench, 'i2');
    await bench.advance(60_000);
    assert.deepEqual(leaving(bench), ['db-3', 'db-4']);
    await finish(bench);
    assert.deepEqual(images(bench), ['i1', 'i2', 'i2', 'i2', 'i2']);
    await using off = await start(statefulSet(5, { updateStrategy }));
    await finish(off);
    await setImage(off, 'i2');
    await off.advance(60_000);
    assert.deepEqual(leaving(off), ['db-4']);
  });

  it('gives a claim its owner although the scheduler writes to it meanwhile, and tells of no failure', async () => {
    const persistentVolumeClaimRetentionPolicy = { whenDeleted: 'Delete', whenScaled: 'Retain' };
    await using bench = await start(
      statefulSet(0, { volumeClaimTemplates: [claimTemplate], persistentVolumeClaimRetentionPolicy }),
    );
    bench.client.react(async a => {
      if (a.verb !== 'create' || a.resource.resource !== 'pods') return;
      const body = { metadata: { annotations: { 'volume.kubernetes.io/selected-node': 'n' } } };
      const key = { namespace: 'a', name: `data-${a.body.metadata.name}` };
      await bench.client.patch(coreV1.persistentvolumeclaims, key, { type: 'merge', body });
    });
    await patch(bench, { replicas: 2 });
    await finish(bench);
    assert.deepEqual(
      claims(bench).map(({ metadata: m }) => [m.ownerReferences?.[0]?.name, Object.values(m.annotations ?? {})]),
      [
        ['db', ['n']],
        ['db', ['n']],
      ],
    );
    const told = bench.events();
    assert.deepEqual(
      told.filter(e => e.startsWith('Warning')),
      [],
    );
    for (const n of [0, 1])
      assert.ok(told.includes(`Normal SuccessfulCreate: create Pod db-${n} in StatefulSet db successful`));
  });

  it('lets claims go with the set or the pods as the policy says', async () => {
    const persistentVolumeClaimRetentionPolicy = { whenDeleted: 'Delete', whenScaled: 'Delete' };
    await using bench = await start(
      statefulSet(2, { volumeClaimTemplates: [claimTemplate], persistentVolumeClaimRetentionPolicy }),
    );
    await finish(bench);
    const owners = () => claims(bench).map(c => c.metadata.ownerReferences?.map(o => `${o.kind}/${o.name}`).join());
    assert.deepEqual(owners(), ['StatefulSet/db', 'StatefulSet/db']);
    await patch(bench, { replicas: 1 });
    await finish(bench);
    assert.deepEqual(owners(), ['StatefulSet/db', 'Pod/db-1']);
    await patch(bench, { replicas: 2 });
    await finish(bench);
    assert.deepEqual(names(bench), ['db-0'], 'waits until the claim of the former pod is gone');
    bench.client.remove(coreV1.persistentvolumeclaims, 'a/data-db-1');
    await finish(bench);
    assert.deepEqual(names(bench), ['db-0', 'db-1']);
    assert.deepEqual(owners(), ['StatefulSet/db', 'StatefulSet/db']);
    await patch(bench, { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' } });
    await finish(bench);
    assert.deepEqual(owners(), ['', '']);
  });

  it('replaces pods that have ended', async () => {
    await using bench = await start(statefulSet(2));
    await finish(bench);
    const before = pod(bench, 1).metadata.uid;
    setPodStatus(bench.client, pod(bench, 1), { phase: 'Failed' });
    await finish(bench);
    assert.notEqual(pod(bench, 1).metadata.uid, before);
    assert.ok(isPodReady(pod(bench, 1)));
  });

  it('puts a lost label back, and adopts orphans of its names only', async () => {
    const orphan = (name: string) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'a', labels: { app: 'db' } },
      spec: { containers: [{ name: 'c', image: 'i0' }] },
      status: { phase: 'Pending' },
    });
    await using bench = await start(statefulSet(1), {}, orphan('db-0'), orphan('stranger'));
    await finish(bench);
    assert.equal(bench.client.object(coreV1.pods, 'a/stranger')?.metadata.ownerReferences, undefined);
    assert.equal(pod(bench, 0).metadata.ownerReferences?.[0]?.uid, 'set-uid');
    setPodMetadata(bench.client, pod(bench, 0), {
      labels: { app: 'db', 'controller-revision-hash': get(bench).status.updateRevision! },
    });
    await finish(bench);
    assert.equal(pod(bench, 0).metadata.labels?.['statefulset.kubernetes.io/pod-name'], 'db-0');
    assert.ok(bench.events().includes('Normal SuccessfulUpdate: update Pod db-0 in StatefulSet db successful'));
  });

  it('keeps as much history as it may, and goes back to what it had', async () => {
    await using bench = await start(statefulSet(1, { revisionHistoryLimit: 2 }));
    await finish(bench);
    for (const image of ['i2', 'i3', 'i4', 'i5']) {
      await setImage(bench, image);
      await finish(bench);
    }
    assert.deepEqual(
      revisions(bench)
        .map(r => r.revision)
        .sort(),
      [3, 4, 5],
    );
    await setImage(bench, 'i4');
    await finish(bench);
    assert.deepEqual(
      revisions(bench)
        .map(r => r.revision)
        .sort(),
      [3, 5, 6],
    );
    assert.deepEqual(images(bench), ['i4']);
  });

  it('finds another name where that of a revision is taken', async () => {
    await using bench = await start(statefulSet(1));
    const { name } = revisions(bench)[0]!.metadata;
    const taken = {
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      metadata: { name, namespace: 'a' },
      data: {},
      revision: 7,
    };
    await using other = await start(statefulSet(1), {}, taken);
    await finish(other);
    assert.equal(get(other).status.collisionCount, 1);
    assert.deepEqual(names(other), ['db-0']);
  });

  it('tells of pods it cannot create, and tries again', async () => {
    await using bench = await controllerBench([statefulSetController()], {
      objects: [statefulSet(1)] as never,
      prepare: client =>
        client.failNext('create', coreV1.pods, forbidden({ group: '', resource: 'pods' }, 'db-0', 'quota')),
    });
    await finish(bench);
    assert.ok(
      bench
        .events()
        .includes(
          'Warning FailedCreate: create Pod db-0 in StatefulSet db failed error: pods "db-0" is forbidden: quota',
        ),
    );
    assert.deepEqual(names(bench), ['db-0']);
  });

  it('does nothing more once it is being deleted', async () => {
    const set = statefulSet(2);
    await using bench = await start({
      ...set,
      metadata: { ...set.metadata, deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['x/y'] },
    });
    await finish(bench);
    assert.deepEqual(names(bench), []);
  });

  it('keeps order, identity and bounds whatever happens', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('image' as const), n: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ do: fc.constant('scale' as const), n: fc.nat({ max: 5 }) }),
      fc.record({ do: fc.constant('ready' as const), n: fc.nat({ max: 3 }) }),
      fc.record({ do: fc.constant('end' as const), n: fc.nat({ max: 3 }) }),
      fc.record({ do: fc.constant('kill' as const), n: fc.nat({ max: 5 }) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        fc.boolean(),
        fc.boolean(),
        fc.array(step, { maxLength: 15 }),
        async (replicas, maxUnavailable, usesMaxUnavailable, ordered, steps) => {
          const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { partition: 0, maxUnavailable } };
          const podManagementPolicy = ordered ? 'OrderedReady' : 'Parallel';
          await using bench = await start(statefulSet(replicas, { updateStrategy, podManagementPolicy }), {
            usesMaxUnavailable,
          });
          await finish(bench);
          // Parallel pods without maxUnavailable: a second change of the template does not wait for the first.
          let calm = ordered || usesMaxUnavailable;
          const ready = (p: Pod) => isPodActive(p) && isPodReady(p);
          const wrong = watchBirths(bench, ordered);
          for (const s of steps) {
            if (s.do === 'image') await setImage(bench, `i${s.n}`);
            if (s.do === 'scale') await patch(bench, { replicas: s.n });
            if (s.do === 'kill') bench.client.remove(coreV1.pods, `a/db-${s.n}`);
            if (s.do === 'scale' || s.do === 'kill') calm = false;
            const fresh = pods(bench).filter(p => p.status.phase === 'Pending' && isPodActive(p));
            if (s.do === 'ready') for (const p of fresh.slice(0, s.n)) makeReady(bench.client, p);
            if (s.do === 'end')
              for (const p of pods(bench)
                .filter(p => p.metadata.deletionTimestamp)
                .slice(0, s.n))
                bench.client.remove(coreV1.pods, keyOf(p));
            await bench.advance(100);
            const wanted = get(bench).spec.replicas!;
            const least = wanted - (usesMaxUnavailable ? maxUnavailable : 1);
            if (calm) assert.ok(pods(bench).filter(ready).length >= least, 'too few ready');
            if (calm) assert.ok(leaving(bench).length <= wanted - least, 'too many leave');
          }
          await bench.advance(600_000);
          await finish(bench);
          assert.deepEqual(wrong, []);
          const { replicas: end, template: last } = get(bench).spec;
          assert.deepEqual(
            names(bench),
            Array.from({ length: end! }, (_, i) => `db-${i}`),
          );
          assert.ok(
            pods(bench).every(p => p.spec.containers[0]!.image === last.spec!.containers[0]!.image && ready(p)),
          );
        },
      ),
      { numRuns: 100 },
    );
  });
});

/** Tells when a pod is created while one of its name is there, or (in order) one before it is not ready. */
function watchBirths(bench: ControllerBench, ordered: boolean): string[] {
  const wrong: string[] = [];
  bench.client.react(a => {
    if (a.verb !== 'create' || a.resource.resource !== 'pods') return;
    const name: string = a.body.metadata.name;
    if (names(bench).includes(name)) wrong.push(`${name} is there already`);
    const before = Array.from({ length: Number(name.slice(3)) }, (_, i) => pod(bench, i));
    if (ordered && !before.every(p => p && isPodReady(p) && isPodActive(p))) wrong.push(`${name} before its time`);
  });
  return wrong;
}
