import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { claimPlacementController } from './claim-placement.ts';

const selected = 'volume.kubernetes.io/selected-node';
const storageClass = (volumeBindingMode: string, more: object = {}) => ({
  ...{ apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name: 's' } },
  ...{ provisioner: 'k8ts.dev/local-path', volumeBindingMode, ...more },
});
const claim = (annotations: object = {}, more: object = {}) => ({
  ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
  metadata: {
    ...{ name: 'c', namespace: 'a', uid: 'u' },
    annotations: { 'volume.kubernetes.io/storage-provisioner': 'k8ts.dev/local-path', ...annotations },
  },
  spec: { storageClassName: 's', ...more },
});
const node = (name: string, ready = 'True', more: object = {}) => ({
  ...{ apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { zone: name } }, ...more },
  status: { conditions: [{ type: 'Ready', status: ready }] },
});
const volumeOn = (name: string, of: string) => ({
  ...{ apiVersion: 'v1', kind: 'PersistentVolume' },
  metadata: { name, annotations: { 'pv.kubernetes.io/provisioned-by': 'k8ts.dev/local-path' } },
  spec: {
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [of] }] }],
      },
    },
  },
});
const start = (...objects: object[]) => controllerBench([claimPlacementController()], { objects: objects as [] });
const chosen = (bench: ControllerBench) =>
  bench.client.object(coreV1.persistentvolumeclaims, 'a/c')?.metadata.annotations?.[selected];

describe('local-storage-placement-controller', () => {
  it('takes back a choice whose node is gone, and leaves the next to the scheduler', async () => {
    await using bench = await start(
      storageClass('WaitForFirstConsumer'),
      claim({ [selected]: 'n1' }),
      node('n1'),
      node('n2'),
    );
    assert.equal(chosen(bench), 'n1');
    await bench.client.delete(coreV1.nodes, { name: 'n1' });
    await bench.settle();
    assert.equal(chosen(bench), undefined);
    assert.deepEqual(bench.events(), ['Warning ProvisioningFailed: failed to get target node: node "n1" not found']);
  });

  it('chooses the node with the fewest volumes for a claim that waits for no pod, as soon as there is one', async () => {
    const topology = { allowedTopologies: [{ matchLabelExpressions: [{ key: 'zone', values: ['n1', 'n2', 'n3'] }] }] };
    await using bench = await start(
      ...[storageClass('Immediate', topology), claim(), volumeOn('v1', 'n1'), node('n0'), node('n3', 'False')],
      node('n2', 'True', { spec: { unschedulable: true } }),
    );
    assert.equal(chosen(bench), undefined);
    assert.match(bench.events()[0]!, /^Warning ProvisioningFailed: .*no node is ready for it$/);
    bench.client.set(coreV1.nodes, node('n1') as never);
    await bench.settle();
    assert.equal(chosen(bench), 'n1');
    // And elsewhere when that one is gone before it has made the volume.
    bench.client.set(coreV1.nodes, node('n3') as never);
    await bench.settle();
    await bench.client.delete(coreV1.nodes, { name: 'n1' });
    await bench.settle();
    assert.equal(chosen(bench), 'n3');
  });

  it('spreads volumes over the nodes', async () => {
    await using bench = await start(storageClass('Immediate'), claim(), volumeOn('v1', 'n1'), node('n1'), node('n2'));
    assert.equal(chosen(bench), 'n2');
  });

  it('leaves alone what is bound, others\u2019, or waits for the scheduler', async () => {
    for (const one of [
      claim({ [selected]: 'gone' }, { volumeName: 'v' }),
      claim({ [selected]: 'gone', 'volume.kubernetes.io/storage-provisioner': 'other' }),
    ]) {
      await using bench = await start(storageClass('WaitForFirstConsumer'), one, node('n1'));
      assert.equal(chosen(bench), 'gone');
    }
    await using bench = await start(storageClass('WaitForFirstConsumer'), claim(), node('n1'));
    assert.equal(chosen(bench), undefined);
  });
});
