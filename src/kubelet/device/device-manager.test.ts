import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { Pod } from '../../api/type/core-v1.ts';
import { settle, VirtualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import type { GrpcServer } from '../../cri/grpc-server.ts';
import { linuxHost } from '../host/linux-host.ts';
import { DeviceManager } from './device-manager.ts';
import { deviceOptions, withDevices } from './device-options.ts';
import { serveDeviceRegistration } from './device-server.ts';
import {
  healthyDevices,
  registerDevicePlugin,
  type TestDevicePlugin,
  type TestDevicePluginOptions,
  testDevicePlugin,
} from './test-device-plugin.ts';

const gpu = 'example.com/gpu';
let directory: string;
let clock: VirtualClock;
let manager: DeviceManager;
let server: GrpcServer;
let pods: Pod[];
let sick: string[];
let plugins: TestDevicePlugin[];

async function startKubelet(): Promise<void> {
  const host = linuxHost();
  manager = new DeviceManager({
    ...{ directory, host, clock, log: silentLog },
    activePods: () => pods,
    onCapacity() {},
    onHealth: uid => sick.push(uid),
  });
  await manager.restore();
  server = await serveDeviceRegistration({ directory, manager, host, log: silentLog });
}

async function stopKubelet(): Promise<void> {
  await server.close();
  await manager.stop();
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'k8ts-device-'));
  clock = new VirtualClock();
  [pods, sick, plugins] = [[], [], []];
  await startKubelet();
});
afterEach(async () => {
  await stopKubelet();
  for (const p of plugins) await p.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Lets sockets speak until it is so. */
async function until(what: string, probe: () => boolean): Promise<void> {
  for (let i = 0; !probe(); i++) {
    if (i > 20_000) throw new Error(`${what} did not come about`);
    await settle();
  }
}

async function plug(options: Partial<TestDevicePluginOptions> = {}): Promise<TestDevicePlugin> {
  const plugin = testDevicePlugin({ resource: gpu, devices: ['d1', 'd2', 'd3'], ...options });
  plugins.push(plugin);
  await plugin.start(directory);
  const resource = options.resource ?? gpu;
  const count = (options.devices ?? ['', '', '']).length;
  await until('its devices', () => manager.capacity().allocatable[resource] === count);
  return plugin;
}

const container = (name: string, count: number, more: object = {}) => ({
  name,
  image: 'i',
  resources: { limits: { [gpu]: String(count) } },
  ...more,
});

function pod(uid: string, containers: readonly object[], initContainers: readonly object[] = []): Pod {
  const made = { metadata: { uid, name: uid, namespace: 'default' }, spec: { containers, initContainers } };
  pods.push(made as unknown as Pod);
  return made as unknown as Pod;
}

const held = (uid: string, name: string) => manager.book.find(uid, name, gpu)?.ids;

test('devices count as capacity, healthy ones as allocatable; a plugin that is away for five minutes has none', async () => {
  const plugin = await plug();
  assert.deepEqual(manager.capacity(), { capacity: { [gpu]: 3 }, allocatable: { [gpu]: 3 } });
  plugin.set([...healthyDevices(['d1', 'd2']), { ID: 'd3', health: 'Unhealthy' }]);
  await until('the sick device', () => manager.capacity().allocatable[gpu] === 2);
  assert.equal(manager.capacity().capacity[gpu], 3);
  await plugin.close();
  await until('the end of the plugin', () => manager.capacity().allocatable[gpu] === 0);
  assert.equal(manager.capacity().capacity[gpu], 3);
  await clock.advance(5 * 60_000 - 1);
  assert.equal(manager.capacity().capacity[gpu], 3);
  await clock.advance(1);
  assert.deepEqual(manager.capacity(), { capacity: { [gpu]: 0 }, allocatable: { [gpu]: 0 } });
  assert.deepEqual(manager.capacity(), { capacity: {}, allocatable: {} });
  await plugin.start(directory);
  await until('its return', () => manager.capacity().allocatable[gpu] === 2);
});

test('a container gets what the plugin says of its devices; the pod wins over the plugin', async () => {
  await plug({
    allocate: ids => ({
      envs: { GPU: ids.join(','), LEVEL: 'plugin' },
      mounts: [{ container_path: '/lib/gpu', host_path: '/var/lib/kubelet/gpu', read_only: true }],
      devices: ids.map(id => ({ container_path: `/dev/${id}`, host_path: `/dev/x${id}`, permissions: 'rw' })),
      annotations: { 'example.com/gpu': 'yes', kept: 'plugin' },
      cdi_devices: [{ name: 'example.com/gpu=a' }],
    }),
  });
  const p = pod('a', [container('c', 2)]);
  assert.equal(manager.concerns(p), true);
  await manager.admit(p);
  const options = deviceOptions(
    await manager.allocations(p, p.spec.containers[0]!),
    ['example.com/gpu=a', 'x/y=b'],
    path => path.replace('/var/lib/kubelet', '/node/root'),
  );
  const key = (name: string, value: string) => ({ key: name, value: new TextEncoder().encode(value) });
  assert.deepEqual(withDevices({ envs: [key('LEVEL', 'pod')], annotations: { kept: 'pod' } }, options), {
    envs: [key('GPU', 'd1,d2'), key('LEVEL', 'plugin'), key('LEVEL', 'pod')],
    mounts: [
      { container_path: '/lib/gpu', host_path: '/node/root/gpu', readonly: true, propagation: 'PROPAGATION_PRIVATE' },
    ],
    devices: [
      { container_path: '/dev/d1', host_path: '/dev/xd1', permissions: 'rw' },
      { container_path: '/dev/d2', host_path: '/dev/xd2', permissions: 'rw' },
    ],
    annotations: { 'example.com/gpu': 'yes', kept: 'pod' },
    CDI_devices: [{ name: 'example.com/gpu=a' }, { name: 'x/y=b' }],
  });
});

test('a pod that asks for more than there is gets nothing, and is told as Kubernetes tells it', async () => {
  const plugin = await plug();
  await manager.admit(pod('a', [container('c', 2)]));
  await assert.rejects(manager.admit(pod('b', [container('one', 1), container('two', 1)])), {
    message: 'requested number of devices unavailable for example.com/gpu. Requested: 1, Available: 0',
  });
  assert.equal(held('b', 'one'), undefined);
  pods = pods.filter(p => p.metadata.uid !== 'a');
  await manager.admit(pod('c', [container('c', 3)]));
  assert.deepEqual(held('c', 'c'), ['d1', 'd2', 'd3']);
  assert.equal(held('a', 'c'), undefined);
  plugin.set([]);
  await until('no devices', () => manager.capacity().allocatable[gpu] === 0);
  await assert.rejects(manager.admit(pod('d', [container('c', 1)])), {
    message: 'no healthy devices present; cannot allocate unhealthy devices example.com/gpu',
  });
});

test('pods that are admitted at once share no device', async () => {
  await plug({
    async allocate(ids) {
      await settle();
      return { envs: { D: ids.join() } };
    },
  });
  const all = ['a', 'b', 'c', 'd'].map(uid => manager.admit(pod(uid, [container('c', 1)])));
  const outcomes = await Promise.allSettled(all);
  assert.deepEqual(
    outcomes.map(o => o.status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
  );
  assert.deepEqual(['a', 'b', 'c'].flatMap(uid => held(uid, 'c')).sort(), ['d1', 'd2', 'd3']);
});

test('what an init container had its pod uses again; a sidecar keeps its own', async () => {
  await plug();
  const sidecar = container('side', 1, { restartPolicy: 'Always' });
  await manager.admit(pod('a', [container('main', 2)], [container('init', 2), sidecar]));
  assert.equal(held('a', 'init')?.length, 2);
  const side = held('a', 'side')!;
  assert.ok(held('a', 'init')!.includes(side[0]!));
  assert.equal(held('a', 'main')?.length, 2);
  assert.ok(!held('a', 'main')!.includes(side[0]!));
});

test('the plugin chooses among what is free, and is told before a container starts', async () => {
  const plugin = await plug({
    preferred: (available, must, size) =>
      [...must, ...available.filter(id => !must.includes(id)).reverse()].slice(0, size),
    preStart: ids => {
      if (ids.includes('d1')) throw new Error('it is broken');
    },
  });
  const a = pod('a', [container('c', 1)]);
  await manager.admit(a);
  assert.deepEqual(held('a', 'c'), ['d3']);
  await manager.allocations(a, a.spec.containers[0]!);
  assert.deepEqual(plugin.calls, ['Allocate d3', 'PreStartContainer d3']);
  const b = pod('b', [container('c', 2)]);
  await manager.admit(b);
  await assert.rejects(manager.allocations(b, b.spec.containers[0]!), {
    message: 'device plugin PreStartContainer rpc failed with err: rpc error: code = Unknown desc = it is broken',
  });
});

test('a restarted kubelet knows who has what, and waits for its plugins', async () => {
  const plugin = await plug();
  const p = pod('a', [container('c', 2)]);
  await manager.admit(p);
  writeFileSync(join(directory, 'stale.sock'), '');
  await stopKubelet();
  await startKubelet();
  assert.equal(existsSync(join(directory, 'stale.sock')), false);
  assert.deepEqual(manager.capacity(), { capacity: { [gpu]: 0 }, allocatable: { [gpu]: 0 } });
  assert.deepEqual(await manager.allocations(p, p.spec.containers[0]!), [
    { envs: { DEVICES: 'd1,d2' }, mounts: [], devices: [], annotations: {}, cdi_devices: [] },
  ]);
  await assert.rejects(manager.admit(pod('b', [container('c', 1)])), /no healthy devices present/);
  await plugin.start(directory);
  await until('its devices', () => manager.capacity().allocatable[gpu] === 3);
  await manager.admit(pod('c', [container('c', 1)]));
  assert.deepEqual(held('c', 'c'), ['d3']);
  assert.deepEqual(plugin.calls, ['Allocate d1,d2', 'Allocate d3']);
});

test('a checkpoint that was damaged is not believed', async () => {
  await plug();
  await manager.admit(pod('a', [container('c', 2)]));
  await stopKubelet();
  const path = join(directory, 'kubelet_internal_checkpoint');
  writeFileSync(path, readFileSync(path, 'utf8').replace('d1', 'd9'));
  await startKubelet();
  assert.equal(held('a', 'c'), undefined);
});

test('health shows by device, and its change is told to the pod that has it', async () => {
  const plugin = await plug();
  await manager.admit(pod('a', [container('c', 2)]));
  const health = () => manager.health('a', 'c');
  const status = (d1: string) => [
    {
      name: gpu,
      resources: [
        { resourceID: 'd1', health: d1 },
        { resourceID: 'd2', health: 'Healthy' },
      ],
    },
  ];
  assert.deepEqual(health(), status('Healthy'));
  plugin.set([{ ID: 'd1', health: 'Unhealthy' }, ...healthyDevices(['d2', 'd3'])]);
  await until('the news', () => sick.length > 0);
  assert.deepEqual(health(), status('Unhealthy'));
  plugin.set(healthyDevices(['d2']));
  await until('less', () => manager.capacity().capacity[gpu] === 1);
  assert.deepEqual(health(), status('Unknown'));
  assert.deepEqual([...new Set(sick)], ['a']);
});

test('plugins of another version, of resources that are none, and that do not answer are refused', async () => {
  const details = (request: object) =>
    registerDevicePlugin(directory, { version: 'v1beta1', endpoint: 'x.sock', resource_name: gpu, ...request }).then(
      () => '',
      error => error.details,
    );
  assert.equal(
    await details({ version: 'v1alpha' }),
    'requested API version "v1alpha" is not supported by kubelet. Supported version is ["v1beta1"]',
  );
  assert.equal(await details({ resource_name: 'gpu' }), 'the ResourceName "gpu" is invalid');
  assert.match(await details({}), /connection error/);
  assert.deepEqual(manager.capacity().capacity, {});
});

test('a plugin that registers again takes the place of the former one', async () => {
  await plug({ devices: ['old'] });
  const second = testDevicePlugin({ resource: gpu, devices: ['n1', 'n2'] });
  plugins.push(second);
  rmSync(join(directory, 'example.com_gpu.sock'));
  await second.start(directory);
  await until('new devices', () => manager.capacity().allocatable[gpu] === 2);
  await plugins[0]!.close();
  await settle();
  assert.equal(manager.capacity().allocatable[gpu], 2);
});
