import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../../../api/refs.ts';
import { type SchedulerBench, schedulerBench, testNode, testPod } from '../../test-cluster.ts';
import { disksConflict } from './volume-restrictions.ts';

const zone = 'topology.kubernetes.io/zone';
const nodes = [testNode('a', { labels: { [zone]: 'z1' } }), testNode('b', { labels: { [zone]: 'z2' } })];
const bindCompleted = { 'pv.kubernetes.io/bind-completed': 'yes' };

const storageClass = (name: string, more: object = {}) => ({
  kind: 'StorageClass',
  apiVersion: 'storage.k8s.io/v1',
  metadata: { name },
  provisioner: 'example.com/csi',
  volumeBindingMode: 'WaitForFirstConsumer',
  ...more,
});
const claim = (name: string, spec: object = {}, annotations: object = {}) => ({
  kind: 'PersistentVolumeClaim',
  apiVersion: 'v1',
  metadata: { name, namespace: 'default', uid: `uid-claim-${name}`, annotations },
  spec: {
    accessModes: ['ReadWriteOnce'],
    resources: { requests: { storage: '1Gi' } },
    storageClassName: 'late',
    ...spec,
  },
});
const volume = (name: string, spec: object = {}, labels: object = {}) => ({
  kind: 'PersistentVolume',
  apiVersion: 'v1',
  metadata: { name, labels },
  spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, storageClassName: 'late', ...spec },
  status: { phase: 'Available' },
});
const onNode = (name: string) => ({
  nodeAffinity: {
    required: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [name] }] }],
    },
  },
});
const using = (name: string, ...claims: string[]) =>
  testPod(name, { spec: { volumes: claims.map(c => ({ name: c, persistentVolumeClaim: { claimName: c } })) } });
const bound = (name: string, volumeName: string, spec: object = {}) =>
  claim(name, { volumeName, ...spec }, bindCompleted);
const message = (b: SchedulerBench, pod: string) => b.condition(pod)?.message ?? '';

test('claims that are missing, unbound or lost, and what helps', async () => {
  await using b = await schedulerBench({
    objects: [
      ...nodes,
      storageClass('now', { volumeBindingMode: 'Immediate' }),
      claim('unbound', { storageClassName: 'now' }),
    ],
  });
  await b.place(using('p', 'none'));
  assert.equal(
    message(b, 'p'),
    '0/2 nodes are available: persistentvolumeclaim "none" not found. ' +
      'no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.',
  );
  await b.place(using('q', 'unbound'));
  assert.match(
    message(b, 'q'),
    /^0\/2 nodes are available: pod has unbound immediate PersistentVolumeClaims\. no new claims to deallocate, preemption/,
  );
  b.client.set(coreV1.persistentvolumes, volume('v', onNode('b')) as object);
  b.client.set(coreV1.persistentvolumeclaims, bound('unbound', 'v', { storageClassName: 'now' }) as object);
  await b.clock.advance(3000);
  await b.settle();
  assert.equal(b.nodeOf('q'), 'b');
  assert.equal(b.nodeOf('p'), '');
});

test('bound volumes draw the pod to their node or zone', async () => {
  await using b = await schedulerBench({
    objects: [
      ...nodes,
      ...[volume('va', onNode('a')), bound('ca', 'va'), volume('vb', onNode('b')), bound('cb', 'vb')],
      ...[volume('vz', {}, { [zone]: 'z2__z3' }), bound('cz', 'vz'), bound('gone', 'nowhere')],
    ],
  });
  assert.equal(await b.place(using('p', 'ca')), 'a');
  assert.equal(await b.place(using('z', 'cz')), 'b');
  await b.place(using('both', 'ca', 'cb'));
  assert.match(message(b, 'both'), /2 node\(s\) didn't match PersistentVolume's node affinity/);
});

test('a claim that waited is bound to the smallest volume that suits, before the pod', async () => {
  await using b = await schedulerBench({
    objects: [
      ...nodes,
      storageClass('late', { provisioner: 'kubernetes.io/no-provisioner' }),
      claim('c'),
      volume('large', { ...onNode('b'), capacity: { storage: '9Gi' } }),
      volume('fit', { ...onNode('b'), capacity: { storage: '2Gi' } }),
      volume('small', { ...onNode('a'), capacity: { storage: '1Mi' } }),
    ],
  });
  assert.equal(await b.place(using('p', 'c')), '', 'the binding waits for the claim');
  assert.equal(b.client.object(coreV1.persistentvolumes, 'fit')?.spec.claimRef?.name, 'c');
  assert.equal(b.client.object(coreV1.pods, 'default/p')?.status?.nominatedNodeName, 'b', 'where it will go');
  await b.place(using('p2', 'c2'));
  b.client.set(coreV1.persistentvolumeclaims, bound('c', 'fit') as object);
  await b.settle();
  assert.equal(b.nodeOf('p'), 'b');
  b.client.set(coreV1.persistentvolumeclaims, claim('c2', { resources: { requests: { storage: '10Gi' } } }) as object);
  await b.clock.advance(5000);
  await b.settle();
  assert.match(message(b, 'p2'), /2 node\(s\) didn't find available persistent volumes to bind/);
});

test('provisioning: where topology and free storage allow, and given up after the time-out', async () => {
  const driver = {
    kind: 'CSIDriver',
    apiVersion: 'storage.k8s.io/v1',
    metadata: { name: 'example.com/csi' },
    spec: { storageCapacity: true },
  };
  const capacity = (name: string, size: string, z: string) => ({
    kind: 'CSIStorageCapacity',
    apiVersion: 'storage.k8s.io/v1',
    metadata: { name, namespace: 'kube-system' },
    storageClassName: 'late',
    capacity: size,
    nodeTopology: { matchLabels: { [zone]: z } },
  });
  await using b = await schedulerBench({
    objects: [
      ...nodes,
      storageClass('late'),
      driver,
      capacity('x', '5Gi', 'z2'),
      capacity('y', '1Mi', 'z1'),
      claim('c'),
      claim('huge', { resources: { requests: { storage: '6Gi' } } }),
    ],
  });
  await b.place(using('h', 'huge'));
  assert.match(message(b, 'h'), /2 node\(s\) did not have enough free storage/);
  b.client.set(coreV1.pods, using('p', 'c'));
  await b.clock.advance(0);
  const selected = b.client.object(coreV1.persistentvolumeclaims, 'default/c')?.metadata.annotations;
  assert.equal(selected?.['volume.kubernetes.io/selected-node'], 'b');
  await b.clock.advance(600_000);
  assert.equal(b.nodeOf('p'), '');
  assert.match(b.events('p').join(), /binding volumes: context deadline exceeded/);
});

test('a pod without its claim is not tried again because pods end that share nothing with it', async () => {
  await using b = await schedulerBench({ objects: nodes });
  await b.place(testPod('other'));
  await b.place(using('p', 'none'));
  const attempts = async () =>
    /^scheduler_schedule_attempts_total\{.*"unschedulable".*\} (\d+)$/m.exec(await b.metrics.text())?.[1];
  assert.equal(await attempts(), '1');
  b.client.remove(coreV1.pods, 'default/other');
  await b.clock.advance(20_000);
  await b.settle();
  assert.equal(await attempts(), '1');
});

test('ReadWriteOncePod claims serve one pod in the whole cluster', async () => {
  await using b = await schedulerBench({
    objects: [...nodes, volume('v'), bound('c', 'v', { accessModes: ['ReadWriteOncePod'] })],
  });
  assert.notEqual(await b.place(using('first', 'c')), '');
  await b.place(using('second', 'c'));
  assert.match(
    message(b, 'second'),
    /2 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode/,
  );
  b.client.remove(coreV1.pods, 'default/first');
  await b.clock.advance(2000);
  await b.settle();
  assert.notEqual(b.nodeOf('second'), '');
});

test('no more volumes than the driver can attach', async () => {
  const csi = (handle: string) => ({ csi: { driver: 'd', volumeHandle: handle } });
  const csiNode = {
    kind: 'CSINode',
    apiVersion: 'storage.k8s.io/v1',
    metadata: { name: 'a' },
    spec: { drivers: [{ name: 'd', nodeID: 'a', allocatable: { count: 1 } }] },
  };
  await using b = await schedulerBench({
    objects: [nodes[0]!, csiNode, volume('v1', csi('1')), bound('c1', 'v1'), volume('v2', csi('2')), bound('c2', 'v2')],
  });
  assert.equal(await b.place(using('p1', 'c1')), 'a');
  assert.equal(await b.place(using('again', 'c1')), 'a', 'the same volume counts once');
  await b.place(using('p2', 'c2'));
  assert.match(message(b, 'p2'), /1 node\(s\) exceed max volume count/);
});

test('disks that cannot be shared', () => {
  const disk = (readOnly: boolean) => ({ name: 'd', gcePersistentDisk: { pdName: 'x', readOnly } });
  assert.equal(disksConflict(disk(true), disk(false)), true);
  assert.equal(disksConflict(disk(true), disk(true)), false);
  const rbd = (monitors: string[], pool?: string) => ({
    name: 'r',
    rbd: { monitors, image: 'i', ...(pool ? { pool } : {}) },
  });
  assert.equal(disksConflict(rbd(['m1', 'm2']), rbd(['m2'], 'rbd')), true);
  assert.equal(disksConflict(rbd(['m1']), rbd(['m2'])), false);
});
