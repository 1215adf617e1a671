import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1, storageV1 } from '../../api/refs.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { attributesClassProtectionController } from './attributes-class-protection.ts';

test('a class stays while a claim names it', async () => {
  const gold = {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'VolumeAttributesClass',
    metadata: { name: 'gold' },
    driverName: 'd',
  };
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'c', namespace: 'a' },
    spec: { volumeAttributesClassName: 'gold' },
  };
  await using bench = await controllerBench([attributesClassProtectionController()], { objects: [gold, claim] });
  const finalizers = () => bench.client.object(storageV1.volumeattributesclasses, 'gold')?.metadata.finalizers;
  assert.deepEqual(finalizers(), ['kubernetes.io/vac-protection']);
  await bench.client.delete(storageV1.volumeattributesclasses, { name: 'gold' });
  await bench.settle();
  assert.deepEqual(finalizers(), ['kubernetes.io/vac-protection']);
  await bench.client.delete(coreV1.persistentvolumeclaims, { namespace: 'a', name: 'c' });
  await bench.settle();
  assert.equal(bench.client.object(storageV1.volumeattributesclasses, 'gold'), undefined);
});
