// Devices in real containers: a device plugin and a driver of dynamic resources on real sockets; the API server is a fake.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cloneDeep, type Draft } from '../api/meta.ts';
import { coreV1, resourceV1 } from '../api/refs.ts';
import type { Pod } from '../api/type/core-v1.ts';
import type { ResourceClaim } from '../api/type/resource-v1.ts';
import { busyboxImage } from '../cri/test-containerd.ts';
import { type TestDevicePlugin, testDevicePlugin } from './device/test-device-plugin.ts';
import { startTestDraDriver, type TestDraDriver } from './device/test-dra-driver.ts';
import { type RootNode, startRootNode } from './test-root-node.ts';

const gpu = 'example.com/gpu';
const driverName = 'dra.example.com';
const cdiFile = `/var/run/cdi/k8ts-test-${process.pid}.json`;
const cdiKind = `k8ts-test-${process.pid}.example.com/device`;
let node: RootNode;
let plugin: TestDevicePlugin;
let driver: TestDraDriver;

before(async () => {
  node = await startRootNode();
  // Two nodes of the test's own: /dev/null and /dev/zero under other names.
  execFileSync('mknod', [join(node.root, 'sink'), 'c', '1', '3']);
  execFileSync('mknod', [join(node.root, 'zeros'), 'c', '1', '5']);
  mkdirSync('/var/run/cdi', { recursive: true });
  plugin = testDevicePlugin({
    resource: gpu,
    devices: ['gpu-0', 'gpu-1'],
    allocate: ids => ({
      envs: { GPUS: ids.join(',') },
      devices: [{ container_path: '/dev/sink', host_path: join(node.root, 'sink'), permissions: 'rw' }],
      annotations: { 'example.com/gpus': ids.join(',') },
    }),
    preStart() {},
  });
  const devices = join(node.root, 'kubelet/device-plugins');
  await until("the device plugins' socket", async () => {
    await plugin.start(devices);
    return true;
  });
});

after(async () => {
  await plugin?.close();
  await driver?.close();
  await node?.dispose();
  rmSync(cdiFile, { force: true });
});

const until: RootNode['until'] = (what, probe, seconds) => node.until(what, probe, seconds);
const get = (name: string) => node.get(name);

async function create(name: string, spec: Draft<Pod['spec']>): Promise<string> {
  const pod = {
    metadata: { name, namespace: 'default' },
    spec: { nodeName: 'node-a', terminationGracePeriodSeconds: 0, ...spec },
  } as unknown as Pod;
  return (await node.client.create(coreV1.pods, cloneDeep(pod))).metadata.uid;
}
const running = (name: string) =>
  until(`${name} running`, async () => get(name)?.status?.phase === 'Running' && get(name)!);
const remove = async (name: string) => {
  await node.client.delete(coreV1.pods, { namespace: 'default', name }, { gracePeriodSeconds: 0 });
};
const sleeper = (name: string, resources: object) => ({
  ...{ name, image: busyboxImage, imagePullPolicy: 'Never' as const, resources },
  command: ['/bin/busybox', 'sleep', '3600'],
});
async function exec(pod: string, command: string): Promise<string> {
  const container_id = node.kubelet.container(get(pod)!, 'c')!.id;
  const r = await node.containerd.runtime.ExecSync({ container_id, cmd: ['/bin/busybox', 'sh', '-c', command] });
  return `${Buffer.from(r.stdout ?? []).toString()}${Buffer.from(r.stderr ?? []).toString()}`.trim();
}
const allocatable = () => node.client.object(coreV1.nodes, { name: 'node-a' })?.status?.allocatable?.[gpu];
const limits = (count: number) => ({ limits: { [gpu]: String(count) }, requests: { [gpu]: String(count) } });

test('a container gets the device node and variables of its device; the node tells what it has', async () => {
  await until('allocatable', async () => allocatable() === '2');
  await create('gpu', { containers: [sleeper('c', limits(1))] });
  await running('gpu');
  assert.equal(
    await exec('gpu', 'echo $GPUS; [ -c /dev/sink ] && echo x > /dev/sink && echo written'),
    'gpu-0\nwritten',
  );
  assert.deepEqual(plugin.calls, ['Allocate gpu-0', 'PreStartContainer gpu-0']);
  assert.deepEqual(get('gpu')?.status?.containerStatuses?.[0]?.allocatedResourcesStatus, [
    { name: gpu, resources: [{ resourceID: 'gpu-0', health: 'Healthy' }] },
  ]);
  plugin.set([
    { ID: 'gpu-0', health: 'Unhealthy' },
    { ID: 'gpu-1', health: 'Healthy' },
  ]);
  await until('the sick device', async () => allocatable() === '1');
  await until(
    'the status of its pod',
    async () =>
      get('gpu')?.status?.containerStatuses?.[0]?.allocatedResourcesStatus?.[0]?.resources?.[0]?.health === 'Unhealthy',
  );
});

test('a pod that asks for more is turned away; after a restart of the kubelet its devices are still its own', async () => {
  await create('greedy', { containers: [sleeper('c', limits(2))] });
  const greedy = await until('a refusal', async () => get('greedy')?.status?.phase === 'Failed' && get('greedy')!);
  assert.equal(greedy.status?.reason, 'UnexpectedAdmissionError');
  assert.equal(
    greedy.status?.message,
    'Pod was rejected: Allocate failed due to requested number of devices unavailable for example.com/gpu. Requested: 2, Available: 1, which is unexpected',
  );
  await node.restart();
  await until('its devices', async () => {
    await plugin.start(join(node.root, 'kubelet/device-plugins'));
    return true;
  });
  plugin.set([
    { ID: 'gpu-0', health: 'Healthy' },
    { ID: 'gpu-1', health: 'Healthy' },
  ]);
  await until('allocatable', async () => allocatable() === '2');
  await create('second', { containers: [sleeper('c', limits(1))] });
  await running('second');
  assert.equal(await exec('second', 'echo $GPUS'), 'gpu-1');
  await remove('gpu');
  await until('its end', async () => get('gpu') === undefined);
  await create('third', { containers: [sleeper('c', limits(1))] });
  await running('third');
  assert.equal(await exec('third', 'echo $GPUS'), 'gpu-0');
});

async function createClaim(name: string, podName: string, podUid: string): Promise<void> {
  const key = { namespace: 'default', name };
  const metadata = {
    ...key,
    ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: podName, uid: podUid, controller: true }],
  };
  await node.client.create(resourceV1.resourceclaims, { metadata, spec: {} } as Draft<ResourceClaim>);
  const status = {
    allocation: { devices: { results: [{ request: 'dev', driver: driverName, pool: 'node-a', device: 'd0' }] } },
    reservedFor: [{ resource: 'pods', name: podName, uid: podUid }],
  };
  await node.client.patch(
    resourceV1.resourceclaims,
    key,
    { type: 'merge', body: { status } },
    { subresource: 'status' },
  );
}

test('a pod with a claim starts when its driver has prepared it, with what the driver described by CDI', async () => {
  const uid = await create('claimer', {
    resourceClaims: [{ name: 'dev', resourceClaimTemplateName: 'template' }],
    containers: [sleeper('c', { claims: [{ name: 'dev' }] }), sleeper('without', {})],
  });
  await createClaim('claimer-dev', 'claimer', uid);
  const status = { resourceClaimStatuses: [{ name: 'dev', resourceClaimName: 'claimer-dev' }] };
  const key = { namespace: 'default', name: 'claimer' };
  await node.client.patch(coreV1.pods, key, { type: 'merge', body: { status } }, { subresource: 'status' });
  await until('the failure', async () =>
    node.client
      .objects(coreV1.events)
      .some(
        e =>
          e.reason === 'FailedPrepareDynamicResources' &&
          e.message ===
            `Failed to prepare dynamic resources: prepare dynamic resources: DRA driver ${driverName} is not registered`,
      ),
  );
  const directory = join(node.root, 'kubelet/plugins_registry');
  driver = await startTestDraDriver({
    ...{ driver: driverName, directory },
    prepare: claim => {
      const containerEdits = {
        env: [`CLAIM=${claim.name}`],
        deviceNodes: [{ path: '/dev/zeros', hostPath: join(node.root, 'zeros') }],
      };
      const device = { name: claim.uid, containerEdits };
      writeFileSync(cdiFile, JSON.stringify({ cdiVersion: '0.6.0', kind: cdiKind, devices: [device] }));
      const prepared = { request_names: ['dev'], pool_name: 'node-a', device_name: 'd0' };
      return [{ ...prepared, cdi_device_ids: [`${cdiKind}=${claim.uid}`] }];
    },
    unprepare: () => rmSync(cdiFile),
  });
  await running('claimer');
  assert.equal(
    await exec('claimer', 'echo $CLAIM; /bin/busybox head -c 4 /dev/zeros | /bin/busybox wc -c'),
    'claimer-dev\n4',
  );
  const without = node.kubelet.container(get('claimer')!, 'without')!.id;
  const env = await node.containerd.runtime.ExecSync({ container_id: without, cmd: ['/bin/busybox', 'env'] });
  assert.doesNotMatch(Buffer.from(env.stdout ?? []).toString(), /CLAIM=/);
  await remove('claimer');
  await until('its end', async () => get('claimer') === undefined);
  await until('the undoing', async () => driver.calls.at(-1) === 'unprepare claimer-dev');
  assert.deepEqual(driver.calls, ['prepare claimer-dev', 'unprepare claimer-dev']);
});
