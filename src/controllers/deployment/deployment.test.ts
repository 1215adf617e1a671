import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { keyOf } from '../../api/meta.ts';
import { appsV1, coreV1 } from '../../api/refs.ts';
import { forbidden } from '../../api/status.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { hashOf } from '../kernel/hash.ts';
import { isPodActive, isPodReady } from '../kernel/pod.ts';
import { replicaSetController } from '../replicaset/replicaset.ts';
import { endTerminating, makeAllReady, makeReady, setPodStatus, writesBut } from '../test-pods.ts';
import { deploymentController } from './deployment.ts';

const template = (image: string) => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image }] },
});
const deployment = (replicas: number, more: object = {}, annotations: Record<string, string> = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'a', uid: 'd-uid', generation: 1, annotations },
  spec: {
    replicas,
    selector: { matchLabels: { app: 'web' } },
    template: template('i1'),
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
    progressDeadlineSeconds: 600,
    revisionHistoryLimit: 10,
    ...more,
  },
});

const start = (object: object, prepare?: Parameters<typeof controllerBench>[1]) =>
  controllerBench([deploymentController(), replicaSetController()], { objects: [object as never], ...prepare });
const patch = (bench: ControllerBench, spec: object, metadata: object = {}) =>
  bench.client.patch(appsV1.deployments, { namespace: 'a', name: 'web' }, { type: 'merge', body: { spec, metadata } });
const setImage = (bench: ControllerBench, image: string) => patch(bench, { template: template(image) });
const get = (bench: ControllerBench) => bench.client.object(appsV1.deployments, 'a/web')!;
const sets = (bench: ControllerBench) => bench.client.objects(appsV1.replicasets);
const setOf = (bench: ControllerBench, image: string) =>
  sets(bench).find(rs => rs.spec.template?.spec?.containers?.[0]?.image === image);
const pods = (bench: ControllerBench) => bench.client.objects(coreV1.pods);
const condition = (bench: ControllerBench, type: string) => {
  const c = get(bench).status.conditions?.find(c => c.type === type);
  return c && `${c.status} ${c.reason}: ${c.message}`;
};
const scalings = (bench: ControllerBench) => bench.events().filter(e => e.includes('ScalingReplicaSet'));

/** Everything becomes ready, everything deleted goes, until nothing moves. */
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

describe('deployment-controller', () => {
  it('creates a ReplicaSet, tells of its progress, and then rests', async () => {
    await using bench = await start(
      deployment(3, {}, { team: 'x', 'kubectl.kubernetes.io/last-applied-configuration': '{}' }),
    );
    await bench.settle();
    const [rs] = sets(bench);
    const hash = hashOf(template('i1'), undefined);
    assert.equal(rs!.metadata.name, `web-${hash}`);
    assert.deepEqual(rs!.metadata.labels, { app: 'web', 'pod-template-hash': hash });
    assert.deepEqual(rs!.spec.selector.matchLabels, { app: 'web', 'pod-template-hash': hash });
    assert.deepEqual(rs!.spec.template!.metadata!.labels, { app: 'web', 'pod-template-hash': hash });
    assert.deepEqual(rs!.metadata.annotations, {
      team: 'x',
      'deployment.kubernetes.io/revision': '1',
      'deployment.kubernetes.io/desired-replicas': '3',
      'deployment.kubernetes.io/max-replicas': '4',
    });
    assert.equal(get(bench).metadata.annotations?.['deployment.kubernetes.io/revision'], '1');
    assert.ok(scalings(bench).includes(`Normal ScalingReplicaSet: Scaled up replica set web-${hash} from 0 to 3`));
    assert.equal(
      condition(bench, 'Available'),
      'False MinimumReplicasUnavailable: Deployment does not have minimum availability.',
    );
    assert.equal(condition(bench, 'Progressing'), `True ReplicaSetUpdated: ReplicaSet "web-${hash}" is progressing.`);
    assert.equal(get(bench).status.unavailableReplicas, 3);
    await finish(bench);
    assert.equal(condition(bench, 'Available'), 'True MinimumReplicasAvailable: Deployment has minimum availability.');
    assert.equal(
      condition(bench, 'Progressing'),
      `True NewReplicaSetAvailable: ReplicaSet "web-${hash}" has successfully progressed.`,
    );
    const { conditions: _, ...counts } = get(bench).status;
    assert.deepEqual(counts, {
      observedGeneration: 1,
      replicas: 3,
      updatedReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      terminatingReplicas: 0,
    });
    bench.client.clearActions();
    await bench.advance(3_600_000);
    assert.deepEqual(writesBut(bench.client), []);
  });

  it('rolls out, keeps revisions, and goes back by a template that was there before', async () => {
    await using bench = await start(deployment(4));
    await finish(bench);
    await setImage(bench, 'i2');
    await bench.settle();
    assert.deepEqual([setOf(bench, 'i1')!.spec.replicas, setOf(bench, 'i2')!.spec.replicas], [3, 2]);
    await finish(bench);
    assert.deepEqual([setOf(bench, 'i1')!.spec.replicas, setOf(bench, 'i2')!.spec.replicas], [0, 4]);
    assert.equal(get(bench).metadata.annotations?.['deployment.kubernetes.io/revision'], '2');
    await setImage(bench, 'i1');
    await finish(bench);
    const again = setOf(bench, 'i1')!;
    assert.equal(sets(bench).length, 2);
    assert.equal(again.spec.replicas, 4);
    assert.equal(again.metadata.annotations?.['deployment.kubernetes.io/revision'], '3');
    assert.equal(again.metadata.annotations?.['deployment.kubernetes.io/revision-history'], '1');
    assert.equal(get(bench).metadata.annotations?.['deployment.kubernetes.io/revision'], '3');
  });

  it('waits with Recreate until the last old pod has ended', async () => {
    await using bench = await start(deployment(2, { strategy: { type: 'Recreate' } }));
    await finish(bench);
    await setImage(bench, 'i2');
    await bench.advance(60_000);
    assert.equal(setOf(bench, 'i2'), undefined);
    assert.equal(pods(bench).filter(p => p.metadata.deletionTimestamp).length, 2);
    bench.client.remove(coreV1.pods, keyOf(pods(bench)[0]!));
    await bench.advance(1000);
    assert.equal(setOf(bench, 'i2'), undefined);
    setPodStatus(bench.client, pods(bench)[0]!, { phase: 'Succeeded' });
    await bench.advance(1000);
    assert.equal(setOf(bench, 'i2')?.spec.replicas, 2);
  });

  it('does nothing while paused but scale, and goes on afterwards', async () => {
    await using bench = await start(deployment(2));
    await finish(bench);
    await patch(bench, { paused: true, template: template('i2') });
    await bench.settle();
    assert.equal(setOf(bench, 'i2'), undefined);
    assert.equal(condition(bench, 'Progressing'), 'Unknown DeploymentPaused: Deployment is paused');
    await patch(bench, { replicas: 5 });
    await finish(bench);
    assert.equal(setOf(bench, 'i1')!.spec.replicas, 5);
    assert.equal(get(bench).status.observedGeneration, get(bench).metadata.generation);
    await patch(bench, { paused: false });
    await bench.settle();
    assert.ok(setOf(bench, 'i2'));
    await finish(bench);
    assert.match(condition(bench, 'Progressing')!, /^True NewReplicaSetAvailable/);
    assert.equal(setOf(bench, 'i1')!.spec.replicas, 0);
  });

  it('says when the deadline has passed, and takes it back', async () => {
    await using bench = await start(deployment(2, { progressDeadlineSeconds: 30 }));
    await bench.advance(29_000);
    assert.match(condition(bench, 'Progressing')!, /^True ReplicaSetUpdated/);
    await bench.advance(3_000);
    assert.match(
      condition(bench, 'Progressing')!,
      /^False ProgressDeadlineExceeded: ReplicaSet ".*" has timed out progressing\.$/,
    );
    await bench.advance(600_000);
    makeReady(bench.client, pods(bench)[0]!);
    await bench.settle();
    assert.match(condition(bench, 'Progressing')!, /^True ReplicaSetUpdated/);
    await finish(bench);
    assert.match(condition(bench, 'Progressing')!, /^True NewReplicaSetAvailable/);
  });

  it('has no Progressing without a deadline', async () => {
    await using bench = await start(deployment(1, { progressDeadlineSeconds: 2 ** 31 - 1 }));
    await finish(bench);
    assert.equal(condition(bench, 'Progressing'), undefined);
    assert.ok(condition(bench, 'Available'));
  });

  it('keeps as much history as it may', async () => {
    await using bench = await start(deployment(1, { revisionHistoryLimit: 2 }));
    for (const image of ['i1', 'i2', 'i3', 'i4', 'i5']) {
      await setImage(bench, image);
      await finish(bench);
    }
    const images = sets(bench).map(rs => rs.spec.template?.spec?.containers?.[0]?.image);
    assert.deepEqual(images.sort(), ['i3', 'i4', 'i5']);
  });

  it('adopts a ReplicaSet of its template, and finds another name where one is taken', async () => {
    const foreign = (name: string, image: string, labels: Record<string, string>) => ({
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name, namespace: 'a', labels, generation: 1 },
      spec: { replicas: 1, selector: { matchLabels: labels }, template: { ...template(image), metadata: { labels } } },
    });
    await using bench = await start(deployment(2), {
      prepare: client => {
        client.set(appsV1.replicasets, foreign('orphan', 'i1', { app: 'web' }) as never);
        client.set(appsV1.replicasets, foreign(`web-${hashOf(template('i2'), undefined)}`, 'x', { app: 'y' }) as never);
      },
    });
    await finish(bench);
    const orphan = bench.client.object(appsV1.replicasets, 'a/orphan')!;
    assert.equal(orphan.metadata.ownerReferences?.[0]?.name, 'web');
    assert.equal(orphan.spec.replicas, 2);
    assert.match(condition(bench, 'Progressing')!, /NewReplicaSetAvailable/);
    await setImage(bench, 'i2');
    await finish(bench);
    assert.equal(get(bench).status.collisionCount, 1);
    assert.equal(setOf(bench, 'i2')!.metadata.name, `web-${hashOf(template('i2'), 1)}`);
    assert.equal(get(bench).status.availableReplicas, 2);
  });

  it('hands on the failures of its ReplicaSets', async () => {
    const quota = forbidden({ group: '', resource: 'pods' }, 'p', 'exceeded quota');
    await using bench = await start(deployment(1), {
      prepare: client => client.react(a => (a.verb === 'create' && a.resource.resource === 'pods' ? quota : undefined)),
    });
    await bench.settle();
    assert.match(condition(bench, 'ReplicaFailure')!, /^True FailedCreate: .*exceeded quota/);
  });

  it('says when a ReplicaSet cannot be created', async () => {
    const no = forbidden({ group: 'apps', resource: 'replicasets' }, 'r', 'no');
    let allow = () => {};
    await using bench = await start(deployment(1), {
      prepare: client => {
        allow = client.react(a => (a.verb === 'create' && a.resource.resource === 'replicasets' ? no : undefined));
      },
    });
    await bench.settle();
    assert.match(
      condition(bench, 'Progressing')!,
      /^False ReplicaSetCreateError: Failed to create new replica set "web-/,
    );
    allow();
    await bench.advance(60_000);
    await finish(bench);
    assert.match(condition(bench, 'Progressing')!, /^True NewReplicaSetAvailable/);
    assert.ok(bench.events().some(e => e.startsWith('Warning ReplicaSetCreateError: Failed to create')));
  });

  it('refuses to select everything', async () => {
    await using bench = await start(deployment(1, { selector: {} }));
    await finish(bench);
    assert.equal(sets(bench).length, 0);
    assert.equal(get(bench).status.observedGeneration, 1);
    assert.ok(
      bench
        .events()
        .includes('Warning SelectingAll: This deployment is selecting all pods. A non-empty selector is required.'),
    );
  });

  it('shares out a new size while a rollout waits', async () => {
    const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } };
    await using bench = await start(deployment(10, { strategy }));
    await finish(bench);
    await setImage(bench, 'i2');
    await bench.advance(1000);
    assert.deepEqual([setOf(bench, 'i1')!.spec.replicas, setOf(bench, 'i2')!.spec.replicas], [8, 5]);
    await patch(bench, { replicas: 15 });
    await bench.advance(1000);
    assert.deepEqual([setOf(bench, 'i1')!.spec.replicas, setOf(bench, 'i2')!.spec.replicas], [11, 7]);
    await finish(bench);
    assert.deepEqual([setOf(bench, 'i1')!.spec.replicas, setOf(bench, 'i2')!.spec.replicas], [0, 15]);
  });

  it('releases a ReplicaSet that it no longer selects', async () => {
    await using bench = await start(deployment(1));
    await finish(bench);
    const [rs] = sets(bench);
    bench.client.set(appsV1.replicasets, { ...rs!, metadata: { ...rs!.metadata, labels: { app: 'other' } } } as never);
    await bench.settle();
    const released = bench.client.object(appsV1.replicasets, keyOf(rs!))!;
    assert.equal(released.metadata.ownerReferences?.length ?? 0, 0);
    assert.equal(get(bench).status.collisionCount, 1, 'its name is taken');
    await finish(bench);
    assert.equal(sets(bench).length, 2);
  });

  it('goes back to a revision that an old client asks for', async () => {
    await using bench = await start(deployment(1));
    await finish(bench);
    await setImage(bench, 'i2');
    await finish(bench);
    await patch(bench, {}, { annotations: { 'deprecated.deployment.rollback.to': '1' } });
    await finish(bench);
    assert.deepEqual(get(bench).spec.template, template('i1'));
    assert.equal(get(bench).metadata.annotations?.['deprecated.deployment.rollback.to'], undefined);
    assert.ok(bench.events().includes('Normal DeploymentRollback: Rolled back deployment "web" to revision 1'));
  });

  it('stays within its bounds whatever happens in whatever order', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('image' as const), n: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ do: fc.constant('ready' as const), n: fc.nat({ max: 3 }) }),
      fc.record({ do: fc.constant('end' as const), n: fc.nat() }),
      fc.record({ do: fc.constant('pause' as const), n: fc.nat({ max: 1 }) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 0, max: 2 }),
        fc.integer({ min: 1, max: 2 }),
        fc.array(step, { maxLength: 12 }),
        async (replicas, surge, unavailable, steps) => {
          const rollingUpdate = { maxSurge: surge, maxUnavailable: unavailable };
          await using bench = await start(deployment(replicas, { strategy: { type: 'RollingUpdate', rollingUpdate } }));
          await finish(bench);
          const check = () => {
            const active = pods(bench).filter(isPodActive);
            assert.ok(active.length <= replicas + surge, `${active.length} pods`);
            const ready = active.filter(isPodReady).length;
            assert.ok(ready >= replicas - unavailable, `${ready} ready`);
          };
          for (const s of steps) {
            if (s.do === 'image') await setImage(bench, `i${s.n}`);
            if (s.do === 'pause') await patch(bench, { paused: s.n === 1 });
            const fresh = pods(bench).filter(p => p.status.phase === 'Pending' && isPodActive(p));
            if (s.do === 'ready') for (const p of fresh.slice(0, s.n)) makeReady(bench.client, p);
            if (s.do === 'end') endTerminating(bench.client);
            await bench.advance(100);
            check();
          }
          await patch(bench, { paused: false });
          await finish(bench);
          const { image } = get(bench).spec.template.spec!.containers[0]!;
          assert.equal(pods(bench).length, replicas);
          assert.ok(pods(bench).every(p => p.spec.containers[0]!.image === image && isPodReady(p)));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('keeps to the surge when the watch of ReplicaSets is broken while the template changes', async () => {
    const rollingUpdate = { maxSurge: 1, maxUnavailable: 0 };
    await using bench = await start(deployment(0, { strategy: { type: 'RollingUpdate', rollingUpdate } }));
    bench.client.dropWatches(new Error('reset'), appsV1.replicasets);
    await patch(bench, { replicas: 4, template: template('i2') });
    await bench.settle();
    await setImage(bench, 'i3');
    await bench.settle();
    const sizes = sets(bench).map(rs => rs.spec.replicas ?? 0);
    assert.ok(sizes.length >= 2);
    assert.ok(sizes.reduce((a, b) => a + b, 0) <= 5, `ReplicaSets of ${sizes}`);
    // Until the watch is open again.
    await bench.advance(60_000);
    await finish(bench);
    assert.equal(pods(bench).length, 4);
  });
});
