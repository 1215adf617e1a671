import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import type { PersistentVolume } from '../../api/type/core-v1.ts';
import { volumeBinderController } from '../../controllers/persistentvolume-binder/persistentvolume-binder.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { ownVolume } from './kernel/local-volume.ts';
import { localStorageController } from './local-storage.ts';

const standard = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'standard' },
  provisioner: 'k8ts.dev/local-path',
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'WaitForFirstConsumer',
};
const claim = (spec: object = {}, node = 'n1') => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: {
    name: 'c',
    namespace: 'a',
    uid: 'u',
    annotations: { 'volume.kubernetes.io/selected-node': node },
  },
  spec: {
    accessModes: ['ReadWriteOnce'],
    resources: { requests: { storage: '1Gi' } },
    storageClassName: 'standard',
    ...spec,
  },
  status: { phase: 'Pending' },
});

/** A node n1 with the binder beside it; `there` are its directories, a failure is thrown by what removes them. */
async function node(storageClass: object, objects: object[], trouble: { failure?: Error } = {}) {
  const there = new Set<string>();
  const controller = localStorageController({
    serves: name => name === 'n1',
    directories: {
      base: '/volumes',
      make: async name => void there.add(name),
      async remove(name) {
        if (trouble.failure) throw trouble.failure;
        there.delete(name);
      },
      source: path => ({ local: { path } }),
    },
  });
  const bench = await controllerBench([volumeBinderController(), controller], {
    objects: [storageClass, ...objects] as object[] as [],
  });
  return { bench, there };
}

const volumes = (bench: ControllerBench) => bench.client.objects(coreV1.persistentvolumes);
const claimKey = { namespace: 'a', name: 'c' };

describe('local storage', () => {
  it('makes a volume on the node that was chosen, and removes it with its claim', async () => {
    const { bench, there } = await node(standard, [claim()]);
    await using _ = bench;
    const [volume] = volumes(bench);
    assert.equal(bench.client.object(coreV1.persistentvolumeclaims, 'a/c')?.status?.phase, 'Bound');
    assert.deepEqual([...there], ['pvc-u_a_c']);
    assert.deepEqual(volume?.spec?.local, { path: '/volumes/pvc-u_a_c' });
    assert.equal(volume?.spec?.persistentVolumeReclaimPolicy, 'Delete');
    assert.ok(bench.events().includes('Normal ProvisioningSucceeded: Successfully provisioned volume pvc-u'));
    await bench.client.delete(coreV1.persistentvolumeclaims, claimKey);
    await bench.settle();
    assert.deepEqual([volumes(bench), [...there]], [[], []]);
  });

  it('leaves the data where the class says so', async () => {
    const { bench, there } = await node({ ...standard, reclaimPolicy: 'Retain' }, [claim()]);
    await using _ = bench;
    await bench.client.delete(coreV1.persistentvolumeclaims, claimKey);
    await bench.settle();
    assert.deepEqual(
      volumes(bench).map(v => v.status?.phase),
      ['Released'],
    );
    await bench.client.delete(coreV1.persistentvolumes, { name: 'pvc-u' });
    await bench.settle();
    assert.equal(there.size, 1);
  });

  it('leaves claims of other nodes alone, and says what it cannot make', async () => {
    for (const [given, said] of [
      [claim({}, 'n2'), undefined],
      [claim({ accessModes: ['ReadWriteMany'] }), 'access mode ReadWriteMany'],
      [claim({ volumeMode: 'Block' }), 'volume mode Block'],
      [claim({ selector: { matchLabels: { a: 'b' } } }), 'claim.Spec.Selector'],
      [claim({ dataSource: { kind: 'PersistentVolumeClaim', name: 'x' } }), 'a claim with a data source'],
    ] as const) {
      const { bench, there } = await node(standard, [given]);
      await using _ = bench;
      assert.deepEqual([volumes(bench), there.size], [[], 0]);
      const failures = bench.events().filter(e => e.startsWith('Warning ProvisioningFailed'));
      const words = `Warning ProvisioningFailed: failed to provision volume with StorageClass "standard": ${said}`;
      assert.deepEqual(
        failures.map(e => e.slice(0, words.length)),
        said ? [words] : [],
      );
    }
  });

  it('removes the data of a volume that somebody deleted, and tries again what failed', async () => {
    const trouble: { failure?: Error } = {};
    const { bench, there } = await node(standard, [claim()], trouble);
    await using _ = bench;
    trouble.failure = new Error('busy');
    await bench.client.delete(coreV1.persistentvolumeclaims, claimKey);
    await bench.settle();
    assert.equal(volumes(bench).length, 1);
    assert.ok(bench.events().includes('Warning VolumeFailedDelete: busy'));
    delete trouble.failure;
    await bench.advance(60_000);
    assert.deepEqual([volumes(bench), there.size], [[], 0]);
    bench.client.set(coreV1.persistentvolumeclaims, claim() as never);
    await bench.settle();
    assert.equal(there.size, 1);
    await bench.client.delete(coreV1.persistentvolumes, { name: 'pvc-u' });
    await bench.settle();
    assert.equal(there.size, 0);
  });

  it('knows only volumes right below its directory as its own', () => {
    const volume = (path: string, provisioner = 'k8ts.dev/local-path') =>
      ({
        metadata: { name: 'pvc-u', annotations: { 'pv.kubernetes.io/provisioned-by': provisioner } },
        spec: {
          local: { path },
          nodeAffinity: {
            required: {
              nodeSelectorTerms: [
                { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['n1'] }] },
              ],
            },
          },
        },
      }) as unknown as PersistentVolume;
    const own = { node: 'n1', directory: 'pvc-u_a_c' };
    assert.deepEqual(ownVolume(volume('/volumes/pvc-u_a_c'), '/volumes'), own);
    for (const path of [
      '/etc',
      '/volumes/',
      '/volumes/..',
      '/volumes/pvc-u_a/../..',
      '/volumes/pvc-x_a_c',
      '/volumesx',
    ])
      assert.equal(ownVolume(volume(path), '/volumes'), undefined, path);
    assert.equal(ownVolume(volume('/volumes/pvc-u_a_c', 'other'), '/volumes'), undefined);
  });
});
