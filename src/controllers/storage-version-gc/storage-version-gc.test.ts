import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coordinationV1, internalV1alpha1 } from '../../api/refs.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { writesBut } from '../test-pods.ts';
import { storageVersionGcController } from './storage-version-gc.ts';

const { storageversions } = internalV1alpha1;
const lease = (name: string) => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name, namespace: 'kube-system', labels: { 'apiserver.kubernetes.io/identity': 'kube-apiserver' } },
});
const server = (apiServerID: string, encodingVersion: string) => ({
  apiServerID,
  encodingVersion,
  decodableVersions: [],
});

test('servers that are gone are forgotten, and then what none is left in', async () => {
  const version = {
    apiVersion: 'internal.apiserver.k8s.io/v1alpha1',
    kind: 'StorageVersion',
    metadata: { name: 'apps.deployments' },
    spec: {},
    status: { storageVersions: [server('a', 'apps/v1'), server('b', 'apps/v2')] },
  };
  const objects = [lease('a'), lease('b'), version] as object[] as [];
  await using bench = await controllerBench([storageVersionGcController()], { objects });
  assert.deepEqual(writesBut(bench.client), []);
  const status = () => bench.client.object(storageversions, 'apps.deployments')?.status;
  bench.client.remove(coordinationV1.leases, 'kube-system/b');
  await bench.settle();
  assert.deepEqual(status()?.storageVersions, [server('a', 'apps/v1')]);
  assert.equal(status()?.commonEncodingVersion, 'apps/v1');
  assert.deepEqual(
    status()?.conditions?.map(c => `${c.type}=${c.status} ${c.reason} ${c.message}`),
    ['AllEncodingVersionsEqual=True CommonEncodingVersionSet Common encoding version set'],
  );
  bench.client.remove(coordinationV1.leases, 'kube-system/a');
  await bench.settle();
  assert.equal(status(), undefined);
});
