import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { writesBut } from '../test-pods.ts';
import { claimProtectionController } from './claim-protection.ts';
import { volumeProtectionController } from './volume-protection.ts';

const claim = (name: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name, namespace: 'a', ...more },
});
const pod = (volumes: object[], nodeName?: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'a', uid: 'pod-uid' },
  spec: { nodeName, volumes },
});

describe('persistentvolumeclaim-protection-controller', () => {
  const claims = async (objects: object[]) =>
    controllerBench([claimProtectionController()], { objects: objects as [] });

  it('keeps a claim until the pods that use it are gone', async () => {
    const made = claim('p-scratch', {
      ownerReferences: [{ kind: 'Pod', name: 'p', uid: 'pod-uid', controller: true }],
    });
    const volumes = [
      { name: 'data', persistentVolumeClaim: { claimName: 'c' } },
      { name: 'scratch', ephemeral: {} },
    ];
    await using bench = await claims([claim('c'), made, pod(volumes, 'n')]);
    const all = () => bench.client.objects(coreV1.persistentvolumeclaims);
    assert.deepEqual(
      all().map(c => c.metadata.finalizers),
      Array(2).fill(['kubernetes.io/pvc-protection']),
    );
    for (const { metadata } of all())
      await bench.client.delete(coreV1.persistentvolumeclaims, { namespace: 'a', name: metadata.name });
    await bench.advance(60_000);
    assert.equal(all().length, 2);
    bench.client.remove(coreV1.pods, 'a/p');
    await bench.settle();
    assert.equal(all().length, 0);
  });

  it('does not wait for pods without a node, nor for a claim that has only the name of one made for a pod', async () => {
    const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'c' } }];
    await using bench = await claims([claim('c'), pod(volumes)]);
    await bench.client.delete(coreV1.persistentvolumeclaims, { namespace: 'a', name: 'c' });
    await bench.settle();
    assert.equal(bench.client.objects(coreV1.persistentvolumeclaims).length, 0);
  });
});

describe('persistentvolume-protection-controller', () => {
  it('keeps a volume while it is bound', async () => {
    const volume = (phase: string, more: object = {}) => ({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: 'v', ...more },
      status: { phase },
    });
    await using bench = await controllerBench([volumeProtectionController()], {
      objects: [volume('Bound')] as object[] as [],
    });
    const now = () => bench.client.object(coreV1.persistentvolumes, 'v');
    assert.deepEqual(now()!.metadata.finalizers, ['kubernetes.io/pv-protection']);
    await bench.client.delete(coreV1.persistentvolumes, { name: 'v' });
    bench.client.clearActions();
    await bench.advance(60_000);
    assert.ok(now());
    assert.deepEqual(writesBut(bench.client), []);
    bench.client.set(coreV1.persistentvolumes, { ...now()!, status: { phase: 'Released' } } as never);
    await bench.settle();
    assert.equal(now(), undefined);
  });
});
