import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import type { PersistentVolumeClaim } from '../../api/type/core-v1.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { volumeExpanderController } from './persistentvolume-expander.ts';

test('a claim that wants more is told who grows it, once', async () => {
  const claim = (size: string): Draft<PersistentVolumeClaim> => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'c', namespace: 'a', uid: 'u' },
    spec: { volumeName: 'v', resources: { requests: { storage: size } } },
    status: { phase: 'Bound', capacity: { storage: '1Gi' } },
  });
  const volume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'v' },
    spec: { csi: { driver: 'd', volumeHandle: 'h' }, claimRef: { uid: 'u' } },
  };
  await using bench = await controllerBench([volumeExpanderController()], { objects: [claim('1Gi'), volume] });
  assert.deepEqual(bench.events(), []);
  bench.client.set(coreV1.persistentvolumeclaims, claim('2Gi'));
  await bench.settle();
  bench.client.set(coreV1.persistentvolumeclaims, {
    ...claim('2Gi'),
    metadata: { ...claim('2Gi').metadata, labels: { x: 'y' } },
  });
  await bench.settle();
  assert.deepEqual(bench.events(), ['Normal ExternalExpanding: waiting for an external controller to expand this PVC']);
});
