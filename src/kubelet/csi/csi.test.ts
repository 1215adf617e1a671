import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import { coreV1, storageV1 } from '../../api/refs.ts';
import type { PersistentVolumeClaim } from '../../api/type/core-v1.ts';
import { settle } from '../../base/clock.ts';
import { podVolumeFigures } from '../volume/volume-figures.ts';
import {
  type CsiBench,
  claimPod,
  csiBench,
  driverName,
  driverObject,
  handle,
  podOf,
  staging,
  storage,
} from './csi-bench.ts';
import { attachmentName, ephemeralHandle } from './csi-path.ts';
import type { ExpandRequest, PublishRequest, StageRequest } from './csi-type.ts';
import { uniqueVolumeName } from './kernel/csi-name.ts';

const mountOf = (uid: string, name = 'pv') => `/k/pods/${uid}/volumes/kubernetes.io~csi/${name}/mount`;
const published = (bench: CsiBench) => bench.driver.requests.at(-1) as PublishRequest;
const editClaim = (bench: CsiBench, edit: object) => {
  const claim = bench.client.object(coreV1.persistentvolumeclaims, 'ns/claim')!;
  bench.client.set(coreV1.persistentvolumeclaims, { ...claim, ...edit } as Draft<PersistentVolumeClaim>);
};
const grow = (bench: CsiBench, size: string) => {
  const volume = bench.client.object(coreV1.persistentvolumes, 'pv')!;
  bench.client.set(coreV1.persistentvolumes, {
    ...volume,
    spec: { ...volume.spec, capacity: { storage: size } },
  } as never);
};
const claimStatus = (bench: CsiBench) => bench.client.object(coreV1.persistentvolumeclaims, 'ns/claim')?.status;

test('a claim of a driver that attaches: waited for, staged once, published for each pod, and all that backwards', async () => {
  const bench = await csiBench(
    storage(
      { fsType: 'ext4', volumeAttributes: { tier: 'fast' }, nodeStageSecretRef: { name: 's', namespace: 'other' } },
      {
        mountOptions: ['noatime'],
      },
    ).concat({ kind: 'Secret', metadata: { name: 's', namespace: 'other' }, data: { key: 'dmFsdWU=' } }),
  );
  const pod = claimPod('p1');
  assert.equal((await bench.sync(pod)).ready, false);
  assert.deepEqual(bench.csi.inUse(), [uniqueVolumeName(driverName, handle)]);
  await bench.publishInUse();
  assert.equal((await bench.sync(pod)).ready, false);
  assert.deepEqual([bench.driver.calls, bench.events], [[], []], 'waiting is no failure');
  await bench.attach({ devicePath: '/dev/x' });
  assert.equal((await bench.sync(pod)).ready, true);
  assert.deepEqual(bench.driver.calls, [
    `NodeStageVolume ${handle} ${staging()}`,
    `NodePublishVolume ${handle} ${mountOf('p1')}`,
  ]);
  const [stage, publish] = bench.driver.requests as [StageRequest, PublishRequest];
  const capability = {
    mount: { fs_type: 'ext4', mount_flags: ['noatime'], volume_mount_group: '' },
    access_mode: { mode: 'SINGLE_NODE_WRITER' },
  };
  assert.deepEqual(stage, {
    volume_id: handle,
    publish_context: { devicePath: '/dev/x' },
    staging_target_path: staging(),
    volume_capability: capability,
    secrets: { key: 'value' },
    volume_context: { tier: 'fast' },
  });
  assert.deepEqual(publish, { ...stage, secrets: {}, target_path: mountOf('p1'), readonly: false });
  assert.deepEqual(bench.volumes.mounted('p1').get('data')?.path, mountOf('p1'));
  await bench.sync(claimPod('p2'));
  assert.equal(bench.driver.calls.filter(c => c.startsWith('NodeStage')).length, 1);
  bench.driver.calls.length = 0;
  await bench.volumes.tearDown('p1');
  await settle();
  assert.deepEqual(bench.driver.calls, [`NodeUnpublishVolume ${handle} ${mountOf('p1')}`]);
  await bench.volumes.tearDown('p2');
  await settle();
  assert.equal(bench.driver.calls.at(-1), `NodeUnstageVolume ${handle} ${staging()}`);
  assert.deepEqual(bench.csi.inUse(), []);
  assert.equal(
    await bench.host.info(`/k/plugins/kubernetes.io/csi/${driverName}/${staging().split('/').at(-2)}`),
    undefined,
  );
});

test('what fails says which step of which volume, and is tried again', async () => {
  const bench = await csiBench([...storage(), driverObject()]);
  bench.driver.failNext('NodeStageVolume', 'Internal', 'no disk');
  await bench.sync(claimPod('p'));
  await bench.clock.advance(500);
  bench.driver.failNext('NodePublishVolume', 'InvalidArgument', 'no path');
  await bench.sync(claimPod('p'));
  assert.equal(
    await bench.host.info('/k/pods/p/volumes/kubernetes.io~csi/pv'),
    undefined,
    'a final failure leaves nothing',
  );
  await bench.clock.advance(1000);
  assert.equal((await bench.sync(claimPod('p'))).ready, true);
  assert.deepEqual(bench.events, [
    'FailedMount: MountVolume.MountDevice failed for volume "pv" : rpc error: code = Internal desc = no disk',
    'FailedMount: MountVolume.SetUp failed for volume "pv" : rpc error: code = InvalidArgument desc = no path',
  ]);
});

test('a driver that is not there is waited for; pods are told which volumes are missing', async () => {
  const bench = await csiBench([...storage(), driverObject()], null);
  await bench.sync(claimPod('p'));
  await bench.clock.advance(123_000);
  await bench.sync(claimPod('p'));
  assert.deepEqual(bench.events, [
    `FailedMount: MountVolume.MountDevice failed for volume "pv" : kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name ${driverName} not found in the list of registered CSI drivers`,
    `FailedMount: MountVolume.MountDevice failed for volume "pv" : kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name ${driverName} not found in the list of registered CSI drivers`,
    'FailedMount: Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process volumes=[]: timed out waiting for the condition',
  ]);
  await bench.registerDriver();
  assert.equal((await bench.sync(claimPod('p'))).ready, true, 'at once');
});

test('registration tells the cluster: CSINode, the driver’s name for the node, topology; deregistration takes it back', async () => {
  const bench = await csiBench([], null);
  bench.driver.maxVolumes = 5;
  await bench.registerDriver();
  const csiNode = () => bench.client.object(storageV1.csinodes, 'node-a');
  assert.deepEqual(csiNode()?.spec.drivers, [
    { name: driverName, nodeID: 'id-a', topologyKeys: ['topology.example.com/node'], allocatable: { count: 5 } },
  ]);
  assert.deepEqual(csiNode()?.metadata.ownerReferences?.[0]?.uid, 'uid-node');
  const node = () => bench.client.object(coreV1.nodes, 'node-a')!.metadata;
  assert.equal(node().annotations?.['csi.volume.kubernetes.io/nodeid'], `{"${driverName}":"id-a"}`);
  assert.equal(node().labels?.['topology.example.com/node'], 'node-a');
  await bench.drivers.deregister(driverName);
  assert.deepEqual(csiNode()?.spec.drivers, []);
  assert.equal(node().annotations?.['csi.volume.kubernetes.io/nodeid'], undefined);
  bench.driver.topology = { 'topology.example.com/node': 'node-b' };
  await assert.rejects(bench.registerDriver(), /detected topology value collision: driver reported/);
  assert.equal(bench.drivers.get(driverName), undefined);
});

test('versions that cannot be used, and a second driver of the same name, are refused', async () => {
  const bench = await csiBench();
  const validate = (name: string, versions: string[]) => () => bench.drivers.validate(name, '', versions);
  assert.throws(validate('n', []), /Plugin returned an empty list for supported versions$/);
  assert.throws(validate('n', ['2.0.0', 'x']), /None of the versions specified \["2.0.0" "x"\] are supported/);
  assert.throws(validate(driverName, ['1.0.0']), /Another driver with the same name is already registered/);
  bench.drivers.validate('n', '', ['0.3.0', 'v1.2.0']);
});

test('a driver of a stock manifest is told paths as it sees them', async () => {
  const bench = await csiBench([...storage(), driverObject()], '/var/lib/kubelet/plugins/d/csi.sock');
  bench.driver.view = ['/var/lib/kubelet', '/k'];
  assert.equal((await bench.sync(claimPod('p'))).ready, true);
  assert.equal(published(bench).target_path, '/var/lib/kubelet/pods/p/volumes/kubernetes.io~csi/pv/mount');
  assert.equal(published(bench).staging_target_path, staging().replace('/k/', '/var/lib/kubelet/'));
  assert.equal(bench.volumes.mounted('p').get('data')?.path, mountOf('p'));
  await bench.volumes.tearDown('p');
  await settle();
  assert.match(bench.driver.calls.at(-1)!, /^NodeUnstageVolume h-1 \/var\/lib\/kubelet\/plugins/);
});

const inline = (csi: object = {}) => podOf('p', { csi: { driver: driverName, ...csi } });

test('a volume of the pod itself, told of the pod and given tokens', async () => {
  const object = driverObject({
    volumeLifecycleModes: ['Ephemeral'],
    podInfoOnMount: true,
    tokenRequests: [{ audience: 'vault', expirationSeconds: 3600 }],
    requiresRepublish: true,
  });
  const bench = await csiBench([object]);
  const pod = inline({ volumeAttributes: { a: 'b' }, readOnly: true });
  assert.equal((await bench.sync(pod)).ready, true, bench.events.join());
  assert.deepEqual(bench.driver.calls, [`NodePublishVolume ${ephemeralHandle('p', 'data')} ${mountOf('p', 'data')}`]);
  const { volume_context, readonly, staging_target_path } = published(bench);
  assert.deepEqual([readonly, staging_target_path], [true, '']);
  const { 'csi.storage.k8s.io/serviceAccount.tokens': tokens, ...rest } = volume_context;
  assert.equal(tokens, '{"vault":{"token":"secret","expirationTimestamp":"1970-01-01T01:00:00Z"}}');
  assert.deepEqual(rest, {
    a: 'b',
    'csi.storage.k8s.io/pod.name': 'p',
    'csi.storage.k8s.io/pod.namespace': 'ns',
    'csi.storage.k8s.io/pod.uid': 'p',
    'csi.storage.k8s.io/serviceAccount.name': 'account',
    'csi.storage.k8s.io/ephemeral': 'true',
  });
  await bench.sync(pod);
  assert.equal(bench.driver.calls.length, 1, 'not before its time');
  await bench.clock.advance(60_000);
  await bench.sync(pod);
  assert.equal(bench.driver.calls.length, 2, 'published again');
  await bench.volumes.tearDown('p');
  assert.match(bench.driver.calls.at(-1)!, /^NodeUnpublishVolume/);
  assert.equal(await bench.host.info(mountOf('p', 'data')), undefined);
});

test('volumes of a kind the driver does not serve', async () => {
  const bench = await csiBench([driverObject()]);
  await bench.sync(inline());
  const none = await csiBench([]);
  await none.sync(inline());
  const prefix =
    'FailedMount: MountVolume.SetUp failed for volume "data" : kubernetes.io/csi: mounter.SetupAt failed to check volume lifecycle mode: volume mode "Ephemeral" not supported by driver d.example.com';
  assert.deepEqual(
    [...bench.events, ...none.events],
    [`${prefix} (only supports ["Persistent"])`, `${prefix} (no CSIDriver object)`],
  );
});

for (const [what, object, csi, gid] of [
  ['the default: with a file system of one node', {}, { fsType: 'ext4' }, 7],
  ['the default: not without', {}, {}, 0],
  ['always', { fsGroupPolicy: 'File' }, {}, 7],
  ['never', { fsGroupPolicy: 'None' }, { fsType: 'ext4' }, 0],
] as const)
  test(`files of the pod's group, ${what}`, async () => {
    const bench = await csiBench([...storage(csi), driverObject(object)]);
    await bench.sync(claimPod('p', { securityContext: { fsGroup: 7 } }));
    assert.equal((await bench.host.info(mountOf('p')))?.gid, gid);
  });

test('a driver that sets the group itself is told it', async () => {
  const bench = await csiBench([...storage({ fsType: 'ext4' }), driverObject()], null);
  bench.driver.capabilities = ['VOLUME_MOUNT_GROUP', 'SINGLE_NODE_MULTI_WRITER'];
  await bench.registerDriver();
  await bench.sync(claimPod('p', { securityContext: { fsGroup: 7 } }));
  assert.deepEqual(published(bench).volume_capability, {
    mount: { fs_type: 'ext4', mount_flags: [], volume_mount_group: '7' },
    access_mode: { mode: 'SINGLE_NODE_MULTI_WRITER' },
  });
  assert.equal(published(bench).staging_target_path, '', 'it stages nothing');
  assert.equal((await bench.host.info(mountOf('p')))?.gid, 0);
  await bench.volumes.tearDown('p');
  await settle();
  assert.ok(!bench.driver.calls.some(c => c.startsWith('NodeUnstage')));
});

test('a device instead of a file system', async () => {
  const bench = await csiBench([...storage({}, { volumeMode: 'Block' }), driverObject()]);
  const container = { name: 'c', volumeDevices: [{ name: 'data', devicePath: '/dev/data' }] };
  const pod = claimPod('p', { containers: [container] });
  assert.equal((await bench.sync(pod)).ready, true, bench.events.join());
  const base = '/k/plugins/kubernetes.io/csi/volumeDevices';
  assert.deepEqual(bench.driver.calls, [
    `NodeStageVolume ${handle} ${base}/staging/pv`,
    `NodePublishVolume ${handle} ${base}/publish/pv/p`,
  ]);
  assert.equal(published(bench).volume_capability.mount, undefined);
  assert.equal(bench.volumes.mounted('p').get('data')?.devicePath, `${base}/publish/pv/p`);
  assert.equal(await bench.host.readLink('/k/pods/p/volumeDevices/kubernetes.io~csi/pv'), `${base}/publish/pv/p`);
  await bench.sync(pod);
  assert.deepEqual(bench.events, [
    'SuccessfulMountVolume: MapVolume.MapPodDevice succeeded for volume "pv" volumeMapPath "/k/pods/p/volumeDevices/kubernetes.io~csi"',
  ]);
  await bench.restart();
  await bench.registerDriver();
  await bench.volumes.tearDown('p');
  await settle();
  assert.deepEqual(bench.driver.calls.slice(-2), [
    `NodeUnpublishVolume ${handle} ${base}/publish/pv/p`,
    `NodeUnstageVolume ${handle} ${base}/staging/pv`,
  ]);
  assert.deepEqual(await bench.host.list('/k/pods/p/volumeDevices/kubernetes.io~csi'), []);
});

test('a device that fails says which step of which volume', async () => {
  const bench = await csiBench([...storage({}, { volumeMode: 'Block' }), driverObject()]);
  const containers = [{ name: 'c', volumeDevices: [{ name: 'data', devicePath: '/dev/data' }] }];
  bench.driver.failNext('NodeStageVolume', 'Internal', 'no disk');
  await bench.sync(claimPod('p', { containers }));
  assert.deepEqual(bench.events, [
    'FailedMapVolume: MapVolume.SetUpDevice failed for volume "pv" : rpc error: code = Internal desc = no disk',
  ]);
});

test('a volume is mounted or a device as it is made', async () => {
  const bench = await csiBench([...storage({}, { volumeMode: 'Block' }), driverObject()]);
  await bench.sync(claimPod('p'));
  assert.deepEqual(bench.events, [
    'FailedMount: MountVolume.SetUp failed for volume "data" : volume data has volumeMode Block, but is specified in volumeMounts',
  ]);
});

test('a kubelet that starts again finds what is mounted, and takes down what nobody wants', async () => {
  const bench = await csiBench([...storage(), driverObject()]);
  await bench.sync(claimPod('p'));
  bench.driver.calls.length = 0;
  await bench.restart();
  assert.equal((await bench.sync(claimPod('p'))).ready, true, 'its driver may come later');
  assert.deepEqual([bench.driver.calls, bench.events], [[], []]);
  await assert.rejects(
    bench.volumes.tearDown('p'),
    /driver name d.example.com not found in the list of registered CSI/,
  );
  await bench.registerDriver();
  await bench.volumes.tearDown('p');
  await settle();
  assert.deepEqual(bench.driver.calls.slice(1), [
    `NodeUnpublishVolume ${handle} ${mountOf('p')}`,
    `NodeUnstageVolume ${handle} ${staging()}`,
  ]);
});

test('what was staged for nobody is unstaged when the driver is back, however often that fails', async () => {
  const bench = await csiBench([...storage(), driverObject({ attachRequired: true })]);
  await bench.sync(claimPod('p'));
  await bench.publishInUse();
  await bench.attach();
  await bench.sync(claimPod('p'));
  bench.driver.failNext('NodeUnstageVolume', 'Internal', 'busy');
  await bench.volumes.tearDown('p');
  await settle();
  assert.deepEqual(bench.csi.inUse(), [uniqueVolumeName(driverName, handle)], 'as long as it is staged');
  await bench.restart();
  assert.deepEqual(bench.csi.inUse(), [uniqueVolumeName(driverName, handle)], 'also for the next kubelet');
  await bench.registerDriver();
  await settle();
  assert.deepEqual(bench.csi.inUse(), []);
});

test('a volume that its driver made larger is grown under the pod', async () => {
  const bench = await csiBench([...storage(), driverObject()]);
  await bench.sync(claimPod('p'));
  grow(bench, '2Gi');
  editClaim(bench, {
    status: {
      phase: 'Bound',
      capacity: { storage: '1Gi' },
      allocatedResourceStatuses: { storage: 'NodeResizePending' },
      conditions: [{ type: 'FileSystemResizePending', status: 'True' }],
    },
  });
  bench.driver.failNext('NodeExpandVolume', 'Internal', 'not now');
  await bench.clock.advance(30_000);
  await bench.sync(claimPod('p'));
  assert.deepEqual(claimStatus(bench)?.allocatedResourceStatuses, { storage: 'NodeResizeInProgress' });
  assert.equal(claimStatus(bench)?.conditions?.at(-1)?.type, 'NodeResizeError');
  await bench.clock.advance(30_000);
  await bench.sync(claimPod('p'));
  const request = bench.driver.requests.at(-1) as ExpandRequest;
  assert.deepEqual(
    [request.volume_path, request.staging_target_path, request.capacity_range],
    [mountOf('p'), staging(), { required_bytes: 2 * 2 ** 30 }],
  );
  const { capacity, conditions, allocatedResourceStatuses } = claimStatus(bench)!;
  assert.deepEqual([capacity, conditions], [{ storage: '2Gi' }, []]);
  assert.equal(allocatedResourceStatuses?.storage, undefined);
  assert.deepEqual(bench.events, [
    'VolumeResizeFailed: NodeExpandVolume.NodeExpandVolume failed for volume "pv" : rpc error: code = Internal desc = not now',
    'FileSystemResizeSuccessful: MountVolume.NodeExpandVolume succeeded for volume "pv" node-a',
    'FileSystemResizeSuccessful: MountVolume.NodeExpandVolume succeeded for volume "pv" node-a',
  ]);
});

test('what can never be grown is given up', async () => {
  const bench = await csiBench([...storage(), driverObject()]);
  await bench.sync(claimPod('p'));
  grow(bench, '2Gi');
  bench.driver.failNext('NodeExpandVolume', 'OutOfRange', 'too much');
  for (let i = 0; i < 4; i++) {
    await bench.clock.advance(60_000);
    await bench.sync(claimPod('p'));
  }
  assert.equal(bench.driver.calls.filter(c => c.startsWith('NodeExpand')).length, 1);
  assert.deepEqual(claimStatus(bench)?.allocatedResourceStatuses, { storage: 'NodeResizeInfeasible' });
});

test('how full a volume is, as its driver says, asked once a minute', async () => {
  const bench = await csiBench([...storage(), driverObject()]);
  const pod = claimPod('p');
  await bench.sync(pod);
  const figures = () => podVolumeFigures(bench.host, pod, bench.volumes.mounted('p'));
  const said = { capacityBytes: 100, availableBytes: 60, usedBytes: 40, inodes: 10, inodesFree: 6, inodesUsed: 4 };
  const claim = { name: 'claim', namespace: 'ns' };
  assert.deepEqual(await figures(), [{ name: 'data', claim, figures: { ...said, abnormal: true } }]);
  await figures();
  await bench.clock.advance(60_000);
  await figures();
  const asked = bench.driver.calls.filter(c => c.startsWith('NodeGetVolumeStats'));
  assert.deepEqual(asked, Array(2).fill(`NodeGetVolumeStats ${handle} ${mountOf('p')}`));
  assert.deepEqual(bench.events, Array(2).fill('VolumeConditionAbnormal: Volume data: worn'));
});

const limitOf = (bench: CsiBench) =>
  bench.client.object(storageV1.csinodes, 'node-a')?.spec.drivers?.map(d => d.allocatable?.count);

test('a driver is asked as often as it wants how many volumes the node can have', async () => {
  const bench = await csiBench([driverObject({ nodeAllocatableUpdatePeriodSeconds: 30 })]);
  const stop = new AbortController();
  const running = bench.drivers.run(stop.signal);
  assert.deepEqual(limitOf(bench), [undefined]);
  bench.driver.maxVolumes = 7;
  await bench.clock.advance(29_000);
  assert.deepEqual(limitOf(bench), [undefined]);
  await bench.clock.advance(2000);
  assert.deepEqual(limitOf(bench), [7]);
  bench.driver.maxVolumes = 0;
  bench.driver.failNext('NodeGetInfo', 'Unavailable', 'busy');
  await bench.clock.advance(30_000);
  assert.deepEqual(limitOf(bench), [7]);
  await bench.clock.advance(30_000);
  assert.deepEqual(limitOf(bench), [undefined]);
  assert.deepEqual(bench.driver.calls, ['NodeGetInfo', 'NodeGetInfo', 'NodeGetInfo']);
  stop.abort();
  await running;
});

test('a driver without such a wish is not asked again', async () => {
  const bench = await csiBench([driverObject()]);
  const stop = new AbortController();
  const running = bench.drivers.run(stop.signal);
  await bench.clock.advance(600_000);
  assert.deepEqual(bench.driver.calls, []);
  stop.abort();
  await running;
});

test('where nothing more can be attached the limit is asked for at once, and the pod has no place', async () => {
  const bench = await csiBench(storage());
  await bench.sync(claimPod('p'));
  await bench.publishInUse();
  bench.driver.maxVolumes = 3;
  const attachError = { errorCode: 8, message: 'no slot is left', time: '2026-01-01T00:00:00Z' };
  bench.client.set(storageV1.volumeattachments, {
    metadata: { name: attachmentName(handle, driverName, 'node-a') },
    spec: { attacher: driverName, nodeName: 'node-a', source: { persistentVolumeName: 'pv' } },
    status: { attached: false, attachError },
  });
  await bench.clock.advance(2000);
  assert.deepEqual(await bench.sync(claimPod('p')), { ready: false, exhausted: 'no slot is left' });
  await settle();
  assert.deepEqual(limitOf(bench), [3]);
});

test('a volume of another node is not mounted, however its pod came here', async () => {
  const away = (hostname: string) => ({
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [
          { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [hostname] }] },
        ],
      },
    },
  });
  const bench = await csiBench([...storage({}, away('node-b')), driverObject()]);
  assert.equal((await bench.sync(claimPod('p'))).ready, false);
  assert.deepEqual(bench.events, [
    'FailedMount: MountVolume.NodeAffinity check failed for volume "pv" : no matching NodeSelectorTerms',
  ]);
  const node = bench.client.object(coreV1.nodes, 'node-a')!;
  const labels = { 'kubernetes.io/hostname': 'node-b' };
  bench.client.set(coreV1.nodes, { ...node, metadata: { ...node.metadata, labels } } as never);
  await bench.clock.advance(1000);
  assert.equal((await bench.sync(claimPod('p'))).ready, true);
});
