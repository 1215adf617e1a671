import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { coreV1 } from '../../api/refs.ts';
import { internalError } from '../../api/status.ts';
import type { FakeClient } from '../../client/fake-client.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { writesBut } from '../test-pods.ts';
import { volumeBinderController } from './persistentvolume-binder.ts';

const claim = (name: string, spec: object = {}, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name, namespace: 'a', uid: `uid-${name}`, ...metadata },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, storageClassName: '', ...spec },
  status: { phase: 'Pending' },
});
const volume = (name: string, spec: object = {}, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolume',
  metadata: { name, ...metadata },
  spec: {
    capacity: { storage: '1Gi' },
    accessModes: ['ReadWriteOnce'],
    persistentVolumeReclaimPolicy: 'Retain',
    nfs: { path: '/', server: 's' },
    ...spec,
  },
  status: { phase: 'Pending' },
});
const storageClass = (name: string, more: object = {}, metadata: object = {}) => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name, ...metadata },
  provisioner: 'e.com/disk',
  volumeBindingMode: 'Immediate',
  ...more,
});
const start = (objects: object[], prepare?: (client: FakeClient) => void) =>
  controllerBench([volumeBinderController()], { objects: objects as [], ...(prepare ? { prepare } : {}) });
const claimOf = (bench: ControllerBench, name: string) =>
  bench.client.object(coreV1.persistentvolumeclaims, `a/${name}`)!;
const volumeOf = (bench: ControllerBench, name: string) => bench.client.object(coreV1.persistentvolumes, name)!;
const state = (bench: ControllerBench) =>
  [
    ...bench.client.objects(coreV1.persistentvolumeclaims).map(c => [c, c.spec?.volumeName] as const),
    ...bench.client.objects(coreV1.persistentvolumes).map(v => [v, v.spec?.claimRef?.name] as const),
  ].map(([o, other]) => `${o.metadata.name}:${o.status?.phase}${other ? `:${other}` : ''}`);

describe('persistentvolume-binder-controller', () => {
  it('binds a claim to the smallest volume that suits, and rests', async () => {
    await using bench = await start([
      volume('v5', { capacity: { storage: '5Gi' } }),
      volume('v2', { capacity: { storage: '2Gi' } }),
      volume('v2many', { capacity: { storage: '1500Mi' }, accessModes: ['ReadWriteOnce', 'ReadOnlyMany'] }),
      volume('small', { capacity: { storage: '1Mi' } }),
      volume('block', { volumeMode: 'Block' }),
      volume('classy', { storageClassName: 'x' }),
    ]);
    bench.client.set(coreV1.persistentvolumeclaims, claim('c') as never);
    await bench.settle();
    const bound = claimOf(bench, 'c');
    assert.equal(bound.spec?.volumeName, 'v2');
    assert.deepEqual(bound.metadata.annotations, {
      'pv.kubernetes.io/bind-completed': 'yes',
      'pv.kubernetes.io/bound-by-controller': 'yes',
    });
    assert.deepEqual(bound.status, { phase: 'Bound', accessModes: ['ReadWriteOnce'], capacity: { storage: '2Gi' } });
    const v2 = volumeOf(bench, 'v2');
    assert.equal(v2.spec?.claimRef?.uid, 'uid-c');
    assert.deepEqual(v2.metadata.annotations, { 'pv.kubernetes.io/bound-by-controller': 'yes' });
    assert.equal(v2.status?.phase, 'Bound');
    assert.ok(v2.status?.lastPhaseTransitionTime);
    assert.ok(state(bench).includes('v5:Available'));
    bench.client.clearActions();
    await bench.advance(60_000);
    assert.deepEqual(writesBut(bench.client), []);
  });

  it('tells why a claim waits, and takes a volume that comes', async () => {
    await using bench = await start([claim('c')]);
    const message = 'Normal FailedBinding: no persistent volumes available for this claim and no storage class is set';
    assert.deepEqual(bench.events(), [message]);
    bench.client.set(coreV1.persistentvolumes, volume('v') as never);
    await bench.settle();
    assert.deepEqual(state(bench), ['c:Bound:v', 'v:Bound:c']);
  });

  it('respects selectors and volumes set aside', async () => {
    const selector = { matchLabels: { disk: 'fast' } };
    await using bench = await start([
      volume('aside', { claimRef: { namespace: 'a', name: 'later' } }),
      volume('fast', { capacity: { storage: '9Gi' } }, { labels: { disk: 'fast' } }),
      volume('slow'),
      claim('picky', { selector }),
    ]);
    assert.deepEqual(state(bench), ['picky:Bound:fast', 'aside:Available:later', 'fast:Bound:picky', 'slow:Available']);
    bench.client.set(coreV1.persistentvolumeclaims, claim('later') as never);
    await bench.settle();
    assert.equal(claimOf(bench, 'later').spec?.volumeName, 'aside');
    assert.equal(volumeOf(bench, 'aside').metadata.annotations, undefined, 'a person bound it');
  });

  it('binds by name when it may', async () => {
    await using bench = await start([
      volume('v1'),
      volume('v2'),
      claim('ok', { volumeName: 'v1' }),
      claim('late', { volumeName: 'v1' }),
      claim('big', { volumeName: 'v2', resources: { requests: { storage: '9Gi' } } }),
      claim('early', { volumeName: 'nowhere' }),
    ]);
    await bench.advance(15_000);
    assert.equal(
      bench.client.objects(coreV1.persistentvolumeclaims).filter(c => c.status?.phase === 'Bound').length,
      1,
    );
    const events = new Set(bench.events());
    assert.ok(events.has('Warning VolumeMismatch: Cannot bind to requested volume "v2": requested PV is too small'));
    assert.ok(events.has('Warning FailedBinding: volume "v1" already bound to a different claim.'));
    assert.equal(claimOf(bench, 'early').status?.phase, 'Pending');
    assert.equal(claimOf(bench, 'ok').metadata.annotations?.['pv.kubernetes.io/bound-by-controller'], undefined);
  });

  it('waits for the first consumer', async () => {
    const lazy = storageClass('lazy', { volumeBindingMode: 'WaitForFirstConsumer' });
    await using bench = await start([
      lazy,
      volume('v', { storageClassName: 'lazy' }),
      claim('c', { storageClassName: 'lazy' }),
    ]);
    assert.deepEqual(bench.events(), [
      'Normal WaitForFirstConsumer: waiting for first consumer to be created before binding',
    ]);
    const pod = {
      metadata: { name: 'p', namespace: 'a' },
      spec: { containers: [], volumes: [{ name: 'd', persistentVolumeClaim: { claimName: 'c' } }] },
    };
    bench.client.set(coreV1.pods, pod as never);
    await bench.advance(15_000);
    assert.ok(bench.events().includes('Normal WaitForPodScheduled: waiting for pod p to be scheduled'));
    assert.deepEqual(state(bench), ['c:Pending', 'v:Available']);
    // What the scheduler does.
    const claimRef = { namespace: 'a', name: 'c', uid: 'uid-c' };
    bench.client.set(coreV1.persistentvolumes, volume('v', { storageClassName: 'lazy', claimRef }) as never);
    await bench.settle();
    assert.deepEqual(state(bench), ['c:Bound:v', 'v:Bound:c']);
  });

  it('gives the default class, calls provisioners outside, and tells of classes that are missing', async () => {
    const isDefault = { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } };
    await using bench = await start([
      storageClass('old', {}, { ...isDefault, creationTimestamp: '2025-01-01T00:00:00Z' }),
      storageClass('new', {}, { ...isDefault, creationTimestamp: '2025-06-01T00:00:00Z' }),
      storageClass('none', { provisioner: 'kubernetes.io/no-provisioner' }),
      claim('plain', { storageClassName: undefined }),
      claim('lost', { storageClassName: 'absent' }),
      claim('manual', { storageClassName: 'none' }),
      storageClass('cloud', { provisioner: 'kubernetes.io/aws-ebs' }),
      claim('moved', { storageClassName: 'cloud' }),
    ]);
    await bench.settle();
    const plain = claimOf(bench, 'plain');
    assert.equal(plain.spec?.storageClassName, 'new');
    assert.equal(plain.metadata.annotations?.['volume.kubernetes.io/storage-provisioner'], 'e.com/disk');
    const moved = claimOf(bench, 'moved').metadata.annotations;
    assert.equal(moved?.['volume.kubernetes.io/storage-provisioner'], 'ebs.csi.aws.com');
    const events = bench.events().join('\n');
    assert.match(events, /Normal ExternalProvisioning: Waiting for .* by the external provisioner 'e.com\/disk' or /);
    assert.match(events, /Warning ProvisioningFailed: storageclass.storage.k8s.io "absent" not found/);
    assert.match(events, /Warning ProvisioningFailed: no volume plugin matched name: kubernetes.io\/no-provisioner/);
  });

  it('releases, reclaims, and tells of loss', async () => {
    const policy = (persistentVolumeReclaimPolicy: string) => ({ persistentVolumeReclaimPolicy });
    const external = { annotations: { 'pv.kubernetes.io/provisioned-by': 'e.com/disk' } };
    await using bench = await start([
      volume('keep'),
      volume('drop', policy('Delete')),
      volume('outside', policy('Delete'), external),
      ...['keep', 'drop', 'outside'].map(v => claim(`c-${v}`, { volumeName: v })),
      volume('gone'),
      claim('c-gone', { volumeName: 'gone' }),
    ]);
    for (const v of ['keep', 'drop', 'outside']) bench.client.remove(coreV1.persistentvolumeclaims, `a/c-${v}`);
    bench.client.remove(coreV1.persistentvolumes, 'gone');
    await bench.settle();
    assert.deepEqual(state(bench), [
      'c-gone:Lost:gone',
      'drop:Failed:c-drop',
      'keep:Released:c-keep',
      'outside:Released:c-outside',
    ]);
    const events = () => bench.events().sort();
    assert.deepEqual(events(), [
      'Warning ClaimLost: Bound claim has lost its PersistentVolume. Data on the volume is lost!',
      'Warning VolumeFailedDelete: error getting deleter volume plugin for volume "drop": no deletable volume plugin matched',
    ]);
    bench.client.set(
      coreV1.persistentvolumeclaims,
      claim('c-keep', { volumeName: 'keep' }, { uid: 'another' }) as never,
    );
    await bench.advance(30_000);
    assert.equal(volumeOf(bench, 'keep').status?.phase, 'Released', 'a new claim of the name is not the old one');
  });

  it('takes up binding where it was stopped', async () => {
    const property = fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 12 }), async fails => {
      const left = [...fails];
      await using bench = await start([volume('v'), volume('w'), claim('c')], client =>
        client.react(a =>
          a.verb === 'update' && a.resource.resource.startsWith('persistent') && left.shift()
            ? internalError('broken')
            : undefined,
        ),
      );
      await bench.advance(60_000);
      assert.equal(claimOf(bench, 'c').status?.phase, 'Bound');
      assert.equal(bench.client.objects(coreV1.persistentvolumes).filter(v => v.spec?.claimRef).length, 1);
    });
    await fc.assert(property, { numRuns: 50 });
  });

  it('pairs claims and volumes one to one, and leaves none apart that suit each other', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 6 });
    const property = fc.asyncProperty(sizes, sizes, async (volumes, claims) => {
      await using bench = await start([
        ...volumes.map((n, i) => volume(`v${i}`, { capacity: { storage: `${n}Gi` } })),
        ...claims.map((n, i) => claim(`c${i}`, { resources: { requests: { storage: `${n}Gi` } } })),
      ]);
      await bench.advance(30_000);
      const all = bench.client.objects(coreV1.persistentvolumes);
      const free = all
        .filter(v => v.status?.phase === 'Available')
        .map(v => Number.parseInt(v.spec!.capacity!.storage!, 10));
      for (const [i, n] of claims.entries()) {
        const c = claimOf(bench, `c${i}`);
        const mine = all.filter(v => v.spec?.claimRef?.uid === c.metadata.uid);
        assert.equal(mine.length, c.status?.phase === 'Bound' ? 1 : 0);
        if (mine[0]) {
          assert.equal(c.spec?.volumeName, mine[0].metadata.name);
          assert.ok(Number.parseInt(mine[0].spec!.capacity!.storage!, 10) >= n);
        } else assert.ok(!free.some(f => f >= n), 'a free volume would have done');
      }
    });
    await fc.assert(property, { numRuns: 40 });
  });
});
