// What the kubelet tells of things that fail beside containers and images.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../api/type/core-v1.ts';
import { settle, VirtualClock } from '../base/clock.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import { noCgroups } from './cgroup.ts';
import type { Host } from './host/host.ts';
import { startWarnings } from './kernel/start-warning.ts';
import { startTestNode, type TestNode } from './test-node.ts';
import { applyFsGroup } from './volume/ownership.ts';
import { withinGrace } from './within-grace.ts';

const spec = { containers: [{ name: 'app', image: 'example.com/app:1' }] };

/** Has the runtime fail until what is returned is called. */
function fail(t: TestNode, method: 'ListPodSandbox' | 'StopContainer' | 'StopPodSandbox'): () => void {
  const real = t.runtime[method].bind(t.runtime) as (request: object) => Promise<never>;
  let mended = false;
  t.runtime[method] = async (request: object) => {
    if (mended) return real(request);
    throw new RuntimeError(method, 'Unavailable', 'connection refused');
  };
  return () => {
    mended = true;
  };
}

const saying = 'rpc error: code = Unavailable desc = connection refused';

function recording() {
  const told: string[] = [];
  const events = {
    pod: (_pod: Pod, type: string, reason: string, message: string) => void told.push(`${type} ${reason}: ${message}`),
    container: () => {},
  };
  return { told, events };
}

async function withNode(options: Parameters<typeof startTestNode>[0], use: (t: TestNode) => Promise<void>) {
  const t = await startTestNode(options);
  try {
    await use(t);
  } finally {
    await t.stop();
  }
}

test('a kubelet that starts says what is wrong with its machine', () => {
  const facts = {
    cgroupVersion: 2,
    kernelVersion: '6.4.0-1-amd64',
    swapBytes: 0,
    clusterDomain: 'cluster.local',
    resolvConf: { path: '/r', text: `search ${Array(29).fill('a.b').join(' ')}\n` },
  } as const;
  const reasons = (more: object) => startWarnings({ ...facts, ...more }).map(w => w.reason);
  assert.deepEqual(reasons({}), []);
  assert.deepEqual(reasons({ cgroupVersion: undefined }), []);
  assert.deepEqual(reasons({ cgroupVersion: 1 }), ['CgroupV1']);
  assert.deepEqual(reasons({ swapBytes: 1 }), []);
  assert.deepEqual(reasons({ swapBytes: 1, kernelVersion: '6.3.9' }), ['PossibleMemoryBackedVolumesOnDisk']);
  assert.deepEqual(reasons({ swapBytes: 1, kernelVersion: '5.15.0' }), ['PossibleMemoryBackedVolumesOnDisk']);
  const search = (text: string, clusterDomain = 'cluster.local') =>
    startWarnings({ ...facts, clusterDomain, resolvConf: { path: '/r', text } }).map(w => w.message);
  const many = `search ${Array(30).fill('a.b').join(' ')}`;
  assert.deepEqual(search(many), ["Resolv.conf file '/r' contains search line consisting of more than 29 domains!"]);
  assert.deepEqual(search(many, ''), []);
  assert.deepEqual(search(`search ${'a'.repeat(1024)} ${'b'.repeat(1024)}`), [
    "Resolv.conf file '/r' contains search line which length is more than allowed 2048 chars!",
  ]);
});

test('the node shows these warnings', () =>
  withNode({ cgroups: { ...noCgroups, version: 1 } }, async t => {
    await t.host.makeDirectory('/etc');
    await t.host.writeFile('/etc/resolv.conf', `search ${Array(40).fill('a.b').join(' ')}\n`);
    await t.restart();
    const events = await t.events('node-a');
    assert.ok(events.some(e => e.startsWith('CgroupV1: cgroup v1 support is unsupported')));
    assert.ok(events.some(e => e.startsWith("CheckLimitsForResolvConf: Resolv.conf file '/etc/resolv.conf' contains")));
  }));

test('a pod whose cgroup cannot be made says so', () => {
  const ensure = async () => {
    throw new Error('no space left on device');
  };
  return withNode({ cgroups: { ...noCgroups, version: 2, ensure } }, async t => {
    await t.createPod({ metadata: { name: 'web' }, spec });
    const said = 'FailedCreatePodContainer: unable to ensure pod container exists: no space left on device';
    assert.ok((await t.events('web')).includes(said));
  });
});

test('a pod that the runtime cannot be asked about says so', () =>
  withNode({}, async t => {
    const mend = fail(t, 'ListPodSandbox');
    await t.restart();
    await t.createPod({ metadata: { name: 'web' }, spec });
    assert.ok((await t.events('web')).includes(`FailedSync: error determining status: ${saying}`));
    mend();
    await t.pass(20_000);
    assert.equal((await t.getPod('web')).status?.phase, 'Running');
  }));

for (const method of ['StopContainer', 'StopPodSandbox'] as const)
  test(`a pod that cannot be killed, for ${method} fails, says so until it is`, () =>
    withNode({}, async t => {
      await t.createPod({ metadata: { name: 'web' }, spec });
      const mend = fail(t, method);
      await t.deletePod('web');
      assert.ok((await t.events('web')).includes(`FailedKillPod: error killing pod: ${saying}`));
      mend();
      await t.pass(20_000);
      assert.equal(await t.podExists('web'), false);
    }));

test('a file system of images without any room at all is told', () =>
  withNode({}, async t => {
    t.host.disk = async () => ({ capacityBytes: 0, availableBytes: 0, inodes: 0, inodesFree: 0 });
    await t.pass(310_000);
    const events = await t.events('node-a');
    for (const reason of ['InvalidDiskCapacity', 'ImageGCFailed'])
      assert.ok(events.includes(`${reason}: invalid capacity 0 on image filesystem`), events.join('\n'));
  }));

test('a pod that does not end in half as long again as it was given is told so, and waited for no longer', async () => {
  const clock = new VirtualClock();
  const { told, events } = recording();
  const pod = {
    metadata: {},
    spec: { terminationGracePeriodSeconds: 20, containers: [] },
    status: {},
  } as unknown as Pod;
  const never = new Promise<void>(() => {});
  let over = 0;
  void withinGrace(clock, events, pod, undefined, never).then(() => over++);
  void withinGrace(clock, events, pod, 1, never).then(() => over++);
  await withinGrace(clock, events, pod, undefined, Promise.resolve());
  const late = 'Warning ExceededGracePeriod: Container runtime did not kill the pod within specified grace period.';
  await clock.advance(10_000);
  assert.deepEqual([over, told], [1, [late]]);
  await clock.advance(19_999);
  assert.equal(over, 1);
  await clock.advance(1);
  assert.deepEqual([over, told], [2, [late, late]]);
});

test('giving a volume with many files to its pod is told while it lasts', async () => {
  const clock = new VirtualClock();
  const { told, events } = recording();
  const host = {
    info: async (path: string) => ({ kind: path === '/v' ? 'directory' : 'file', mode: 0, uid: 0, gid: 0 }),
    chown: () => clock.sleep(10_000),
    chmod: async () => {},
    list: async () => Array.from({ length: 12 }, (_, i) => `${i}`),
  } as unknown as Host;
  const pod = { metadata: {}, spec: { securityContext: { fsGroup: 7 }, containers: [] }, status: {} } as unknown as Pod;
  const owning = applyFsGroup({ host, clock, events }, pod, '/v', false);
  await clock.advance(29_000);
  assert.deepEqual(told, []);
  await clock.advance(101_000);
  await owning;
  await clock.advance(600_000);
  await settle();
  assert.deepEqual(told, [
    'Warning VolumePermissionChangeInProgress: Setting volume ownership for /v is taking longer than expected, consider using OnRootMismatch - https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#configure-volume-permission-and-ownership-change-policy-for-pods',
    'Warning VolumePermissionChangeInProgress: Setting volume ownership for /v, processed 9 files.',
  ]);
});
