import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { ephemeralVolumeController } from './ephemeral-volume.ts';

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'a', uid: 'u1' },
  spec: {
    containers: [],
    volumes: [
      {
        name: 'scratch',
        ephemeral: {
          volumeClaimTemplate: {
            metadata: { labels: { x: 'y' } },
            spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
          },
        },
      },
    ],
  },
};

test('a claim is made from the template and comes again when it is gone', async () => {
  await using bench = await controllerBench([ephemeralVolumeController()], { objects: [pod] });
  const claim = bench.client.object(coreV1.persistentvolumeclaims, 'a/p-scratch');
  assert.deepEqual(claim?.metadata.labels, { x: 'y' });
  assert.equal(claim?.spec?.resources?.requests?.storage, '1Gi');
  assert.equal(claim?.metadata.ownerReferences?.[0]?.uid, bench.client.object(coreV1.pods, 'a/p')?.metadata.uid);
  await bench.client.delete(coreV1.persistentvolumeclaims, { namespace: 'a', name: 'p-scratch' });
  await bench.settle();
  assert.ok(bench.client.object(coreV1.persistentvolumeclaims, 'a/p-scratch'));
});

test("another's claim of that name is left alone", async () => {
  const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'p-scratch', namespace: 'a' } };
  await using bench = await controllerBench([ephemeralVolumeController()], { objects: [claim, pod] });
  await bench.settle();
  assert.equal(
    bench.events()[0],
    'Warning FailedBinding: PVC a/p-scratch was not created for pod a/p (pod is not owner)',
  );
});
