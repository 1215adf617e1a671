import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import { resourceV1 } from '../../api/refs.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import type { ResourceClaim } from '../../api/type/resource-v1.ts';
import { settle, VirtualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import { type FakeClient, fakeClient } from '../../client/fake-client.ts';
import { linuxHost } from '../host/linux-host.ts';
import { DraManager } from './dra-manager.ts';
import { startTestDraDriver, type TestDraDriver, type TestDraDriverOptions } from './test-dra-driver.ts';

let directory: string;
let clock: VirtualClock;
let client: FakeClient;
let manager: DraManager;
let drivers: TestDraDriver[];
let sick: string[];

async function startManager(): Promise<void> {
  manager = new DraManager({
    ...{ nodeName: 'node-a', client, clock, host: linuxHost(), log: silentLog },
    checkpoint: join(directory, 'dra_manager_state'),
    onHealth: uid => sick.push(uid),
  });
  await manager.restore();
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'k8ts-dra-'));
  clock = new VirtualClock();
  client = fakeClient([], { clock, random: seededRandom(1) });
  [drivers, sick] = [[], []];
  await startManager();
});
afterEach(async () => {
  await manager.stop();
  for (const d of drivers) await d.close();
  rmSync(directory, { recursive: true, force: true });
});

async function until(what: string, probe: () => boolean): Promise<void> {
  for (let i = 0; !probe(); i++) {
    if (i > 20_000) throw new Error(`${what} did not come about`);
    await settle();
  }
}

async function drive(driver: string, options: Partial<TestDraDriverOptions> = {}): Promise<TestDraDriver> {
  const made = await startTestDraDriver({ driver, directory, ...options });
  drivers.push(made);
  const { handler } = manager.plugins;
  await handler.validate(driver, made.socket, made.info.supported_versions);
  await handler.register(driver, made.socket, made.info.supported_versions, made.socket);
  return made;
}

interface ClaimWish {
  readonly driver?: string;
  readonly drivers?: readonly string[];
  readonly for?: readonly string[];
  readonly owner?: string;
}

async function claim(name: string, wish: ClaimWish = {}): Promise<void> {
  const used = wish.drivers ?? [wish.driver ?? 'gpu.example.com'];
  const results = used.map(driver => ({ request: 'r', driver, pool: 'pool', device: name }));
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Pod', name: wish.owner, uid: wish.owner, controller: true }];
  const key = { namespace: 'default', name };
  const metadata = { ...key, ...(wish.owner ? { ownerReferences } : {}) };
  await client.create(resourceV1.resourceclaims, { metadata, spec: {} } as Draft<ResourceClaim>);
  const reservedFor = (wish.for ?? ['a']).map(uid => ({ resource: 'pods', name: uid, uid }));
  const status = { ...(used.length ? { allocation: { devices: { results } } } : {}), reservedFor };
  await client.patch(resourceV1.resourceclaims, key, { type: 'merge', body: { status } }, { subresource: 'status' });
}

const pod = (
  uid: string,
  claims: readonly string[],
  containerClaims: readonly object[] = [],
  status: object = {},
): Pod =>
  ({
    metadata: { uid, name: uid, namespace: 'default' },
    spec: {
      resourceClaims: claims.map(name => ({ name, resourceClaimName: name })),
      containers: [{ name: 'c', resources: { claims: containerClaims } }],
    },
    status,
  }) as unknown as Pod;

const uidOf = async (name: string) =>
  (await client.get(resourceV1.resourceclaims, { namespace: 'default', name })).metadata.uid;
const cdi = (p: Pod) => manager.cdiDevices(p, p.spec.containers[0]!);
const refused = (p: Pod, message: string) => assert.rejects(manager.prepare(p), { message });

test('the claims of a pod are prepared by their drivers, one call a driver, and undone at its end', async () => {
  const gpu = await drive('gpu.example.com');
  const nic = await drive('nic.example.com');
  await claim('one');
  await claim('two');
  await claim('net', { driver: 'nic.example.com' });
  const a = pod('a', ['one', 'two', 'net'], [{ name: 'two' }, { name: 'net' }]);
  await manager.prepare(a);
  assert.deepEqual(gpu.calls, ['prepare one two']);
  assert.deepEqual(nic.calls, ['prepare net']);
  assert.deepEqual(cdi(a), ['gpu.example.com/device=two', 'nic.example.com/device=net']);
  assert.deepEqual([...manager.holders()], ['a']);
  await manager.unprepare('a');
  assert.deepEqual(gpu.calls, ['prepare one two', 'unprepare one two']);
  assert.deepEqual([...manager.holders()], []);
  await manager.unprepare('a');
  assert.equal(nic.calls.length, 2);
});

test('a claim that pods share is prepared once, and undone after the last of them', async () => {
  const gpu = await drive('gpu.example.com');
  await claim('shared', { for: ['a', 'b'] });
  await Promise.all([manager.prepare(pod('a', ['shared'])), manager.prepare(pod('b', ['shared']))]);
  assert.deepEqual(gpu.calls, ['prepare shared']);
  await manager.unprepare('a');
  assert.deepEqual(gpu.calls, ['prepare shared']);
  await manager.unprepare('b');
  assert.deepEqual(gpu.calls, ['prepare shared', 'unprepare shared']);
});

test('a container gets the devices of the requests it names; requests with alternatives by their own name', async () => {
  await drive('gpu.example.com', {
    prepare: () => [
      { request_names: ['big'], pool_name: 'p', device_name: '1', cdi_device_ids: ['x/y=big'] },
      { request_names: ['small/first'], pool_name: 'p', device_name: '2', cdi_device_ids: ['x/y=small'] },
      { request_names: [], pool_name: 'p', device_name: '3', cdi_device_ids: ['x/y=all'] },
    ],
  });
  await claim('one');
  const of = (claims: readonly object[]) => cdi(pod('a', ['one'], claims));
  await manager.prepare(pod('a', ['one']));
  assert.deepEqual(of([]), []);
  assert.deepEqual(of([{ name: 'one', request: 'big' }]), ['x/y=big', 'x/y=all']);
  assert.deepEqual(of([{ name: 'one', request: 'small' }]), ['x/y=small', 'x/y=all']);
  assert.deepEqual(of([{ name: 'one' }]), ['x/y=big', 'x/y=small', 'x/y=all']);
});

test('a pod is told what is wrong with its claims, and nothing is asked of drivers', async () => {
  const gpu = await drive('gpu.example.com');
  const start = 'prepare dynamic resources: ';
  await refused(
    pod('a', ['none']),
    `${start}failed to fetch ResourceClaim none referenced by pod a: resourceclaims.resource.k8s.io "none" not found`,
  );
  await claim('other', { for: ['b'] });
  await refused(
    pod('a', ['other']),
    `${start}pod a (a) is not allowed to use ResourceClaim other (${await uidOf('other')})`,
  );
  await claim('raw', { drivers: [] });
  await refused(pod('a', ['raw']), `${start}ResourceClaim default/raw is not allocated`);
  await claim('away', { driver: 'away.example.com' });
  await refused(pod('a', ['away']), `${start}DRA driver away.example.com is not registered`);
  await manager.unprepare('a');
  assert.deepEqual(gpu.calls, []);
});

test('claims made from templates, and for extended resources, are found by the status of their pod', async () => {
  await drive('gpu.example.com', {
    prepare: c => [{ request_names: [], pool_name: 'p', device_name: c.name, cdi_device_ids: [`x/y=${c.name}`] }],
  });
  await claim('a-gpu-x7k2', { owner: 'a' });
  await claim('a-extended', { owner: 'a' });
  await claim('b-gpu', { owner: 'b', for: ['a'] });
  const made = (status: object): Pod => {
    const p = pod('a', [], [{ name: 'gpu' }, { name: 'unused' }], status);
    const spec = { ...p.spec, resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 't' }] };
    return { ...p, spec } as Pod;
  };
  await refused(made({}), 'prepare dynamic resources: pod claim gpu: pod "default/a": ResourceClaim not created yet');
  await refused(
    made({ resourceClaimStatuses: [{ name: 'gpu', resourceClaimName: 'b-gpu' }] }),
    'prepare dynamic resources: ResourceClaim default/b-gpu was not created for pod default/a (pod is not owner)',
  );
  const p = made({
    resourceClaimStatuses: [{ name: 'gpu', resourceClaimName: 'a-gpu-x7k2' }],
    extendedResourceClaimStatus: {
      resourceClaimName: 'a-extended',
      requestMappings: [
        { containerName: 'c', resourceName: 'example.com/gpu', requestName: 'container-0-request-0' },
        { containerName: 'd', resourceName: 'example.com/gpu', requestName: 'container-1-request-0' },
      ],
    },
  });
  await manager.prepare(p);
  assert.deepEqual(cdi(p), ['x/y=a-gpu-x7k2', 'x/y=a-extended']);
});

test('what a driver cannot prepare is tried again, also what it can', async () => {
  let broken = true;
  const gpu = await drive('gpu.example.com', {
    prepare() {
      if (broken) throw new Error('no power');
      return [{ pool_name: 'p', device_name: 'd', cdi_device_ids: ['x/y=d'] }];
    },
  });
  const nic = await drive('a-nic.example.com');
  await claim('both', { drivers: ['gpu.example.com', 'a-nic.example.com'] });
  const a = pod('a', ['both'], [{ name: 'both' }]);
  await refused(a, 'prepare dynamic resources: NodePrepareResources failed for ResourceClaim both: no power');
  broken = false;
  await manager.prepare(a);
  await manager.prepare(a);
  assert.deepEqual(nic.calls, ['prepare both', 'prepare both']);
  assert.deepEqual(gpu.calls, ['prepare both', 'prepare both']);
  assert.deepEqual(cdi(a), ['a-nic.example.com/device=both', 'x/y=d']);
});

test('what was begun and failed is undone at the end of the pod', async () => {
  const gpu = await drive('gpu.example.com', {
    prepare() {
      throw new Error('no power');
    },
  });
  await claim('one');
  await refused(
    pod('a', ['one']),
    'prepare dynamic resources: NodePrepareResources failed for ResourceClaim one: no power',
  );
  await manager.unprepare('a');
  assert.deepEqual(gpu.calls, ['prepare one', 'unprepare one']);
});

test('a claim that cannot be undone holds its pod, and another of the same name', async () => {
  let broken = true;
  await drive('gpu.example.com', {
    unprepare() {
      if (broken) throw new Error('still in use');
    },
  });
  await claim('one');
  await manager.prepare(pod('a', ['one']));
  const message = 'unprepare dynamic resources: NodeUnprepareResources failed for ResourceClaim one: still in use';
  await assert.rejects(manager.unprepare('a'), { message });
  await client.delete(resourceV1.resourceclaims, { namespace: 'default', name: 'one' });
  await claim('one', { for: ['b'] });
  await assert.rejects(manager.prepare(pod('b', ['one'])), /old ResourceClaim with same name one and different UID/);
  broken = false;
  await manager.unprepare('a');
  await manager.prepare(pod('b', ['one']));
});

test('a restarted kubelet knows what is prepared', async () => {
  const gpu = await drive('gpu.example.com');
  await claim('one');
  const a = pod('a', ['one'], [{ name: 'one' }]);
  await manager.prepare(a);
  await manager.stop();
  await startManager();
  assert.deepEqual(cdi(a), ['gpu.example.com/device=one']);
  await manager.prepare(a);
  assert.deepEqual(gpu.calls, ['prepare one']);
  await assert.rejects(manager.unprepare('a'), /DRA driver gpu.example.com is not registered/);
  await manager.plugins.handler.register('gpu.example.com', gpu.socket, gpu.info.supported_versions, gpu.socket);
  await manager.unprepare('a');
  assert.deepEqual(gpu.calls, ['prepare one', 'unprepare one']);
});

test('drivers of v1beta1 are called so, drivers of neither version are refused', async () => {
  const old = await drive('gpu.example.com', { services: ['v1beta1.DRAPlugin'] });
  await claim('one');
  await manager.prepare(pod('a', ['one']));
  assert.deepEqual(old.calls, ['prepare one']);
  assert.throws(
    () => manager.plugins.handler.validate('x', '/x.sock', ['v1alpha3.Node']),
    /none of the gRPC services \[v1alpha3.Node\] is supported/,
  );
});

test('an updated driver takes over while the former one still runs', async () => {
  const directories = ['old', 'new'].map(d => join(directory, d));
  for (const d of directories) await linuxHost().makeDirectory(d);
  const old = await drive('gpu.example.com', { directory: directories[0]! });
  const young = await drive('gpu.example.com', { directory: directories[1]! });
  await claim('one');
  await manager.prepare(pod('a', ['one']));
  assert.deepEqual([old.calls, young.calls], [[], ['prepare one']]);
  await manager.plugins.handler.deregister('gpu.example.com', young.socket);
  await manager.unprepare('a');
  assert.deepEqual(old.calls, ['unprepare one']);
});

// ---- slices ----

async function slice(name: string, driver: string): Promise<void> {
  await client.create(resourceV1.resourceslices, {
    metadata: { name },
    spec: { driver, nodeName: 'node-a', pool: { name: 'p', generation: 1, resourceSliceCount: 1 } },
  } as never);
}
const slices = () => client.objects(resourceV1.resourceslices).map(s => s.metadata.name);

test('slices of a driver that is away are deleted after half a minute, those of one that comes back stay', async () => {
  await drive('other.example.com');
  const gpu = await drive('gpu.example.com');
  await slice('gpu', 'gpu.example.com');
  await slice('other', 'other.example.com');
  const { handler } = manager.plugins;
  await handler.deregister('gpu.example.com', gpu.socket);
  await clock.advance(29_000);
  assert.deepEqual(slices(), ['gpu', 'other']);
  await handler.register('gpu.example.com', gpu.socket, gpu.info.supported_versions, gpu.socket);
  await clock.advance(60_000);
  assert.deepEqual(slices(), ['gpu', 'other']);
  await handler.deregister('gpu.example.com', gpu.socket);
  await clock.advance(30_000);
  await settle();
  assert.deepEqual(slices(), ['other']);
});

test('at the start no driver is believed to be there, but for those that are', async () => {
  await slice('gpu', 'gpu.example.com');
  await slice('other', 'other.example.com');
  await drive('gpu.example.com');
  manager.plugins.start();
  await until('wiping', () => slices().length === 1);
  assert.deepEqual(slices(), ['gpu']);
});

test('a driver that was killed and left its socket is away, too', async () => {
  const gpu = await drive('gpu.example.com');
  await slice('gpu', 'gpu.example.com');
  await clock.advance(60_000);
  await settle();
  assert.deepEqual(slices(), ['gpu']);
  await gpu.close();
  await until('its end', () => !manager.plugins.isThere('gpu.example.com'));
  await clock.advance(31_000);
  await settle();
  assert.deepEqual(slices(), []);
});

// ---- health ----

test('the health of devices shows in the status of containers; who says nothing for 30 s is not known', async () => {
  const gpu = await drive('gpu.example.com', {
    services: ['v1.DRAPlugin', 'v1alpha1.DRAResourceHealth'],
    health: { one: 'HEALTHY' },
  });
  await claim('one');
  const a = pod('a', ['one'], [{ name: 'one', request: 'r' }]);
  await manager.prepare(a);
  const health = () => manager.health(a, a.spec.containers[0]!);
  const shows = (h: string) => [
    { name: 'claim:one/r', resources: [{ resourceID: 'gpu.example.com/device=one', health: h }] },
  ];
  await until('health', () => health()[0]?.resources?.[0]?.health === 'Healthy');
  assert.deepEqual(health(), shows('Healthy'));
  gpu.tellHealth({ one: 'UNHEALTHY' });
  await until('bad news', () => sick.length > 0);
  assert.deepEqual(health(), shows('Unhealthy'));
  await clock.advance(30_000);
  assert.deepEqual(health(), shows('Unknown'));
  assert.deepEqual(new Set(sick), new Set(['a']));
});
