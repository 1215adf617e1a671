// Events of the kubelet that no other test is about: type, reason and message.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import type { Pod, PodSpec } from '../api/type/core-v1.ts';
import { startTestNode, type TestNode, type TestNodeOptions, testMachine } from './test-node.ts';

const app = { name: 'app', image: 'example.com/app:1' };

/** `Normal Started: …` of what has this name. */
async function told(t: TestNode, name: string): Promise<string[]> {
  const { items } = await t.client.list(coreV1.events, {});
  return items.filter(e => e.involvedObject.name === name).map(e => `${e.type} ${e.reason}: ${e.message}`);
}

async function assertTold(t: TestNode, name: string, ...events: readonly string[]): Promise<void> {
  const all = await told(t, name);
  for (const event of events) assert.ok(all.includes(event), `${event}\nis not among\n${all.join('\n')}`);
}

async function withNode(options: TestNodeOptions, use: (t: TestNode) => Promise<unknown>): Promise<void> {
  const t = await startTestNode(options);
  try {
    await use(t);
  } finally {
    await t.stop();
  }
}

const pod = async (t: TestNode, spec: Draft<PodSpec> = {}, name = 'p'): Promise<Pod> => {
  const made = await t.createPod({ metadata: { name }, spec: { containers: [app], ...spec } });
  await t.pass(500);
  return made;
};

test('a node that has started anew, and its conditions', async () => {
  const machine = { ...testMachine };
  const signals = ['memory.available', 'nodefs.available', 'pid.available'] as const;
  let lacking: string | undefined;
  const evictionSignals = async () =>
    Object.fromEntries(signals.map(s => [s, { available: s === lacking ? 1 : 5e10, capacity: 1e11 }]));
  const evictionHard = { 'memory.available': '1Gi', 'nodefs.available': '10%', 'pid.available': '10%' };
  await withNode({ machine, evictionSignals, evictionHard } as TestNodeOptions, async t => {
    machine.bootId = 'another';
    await t.restart();
    await assertTold(t, 'node-a', 'Warning Rebooted: Node node-a has been rebooted, boot id: another');
    for (const [signal, bad, good] of [
      ['memory.available', 'NodeHasInsufficientMemory', 'NodeHasSufficientMemory'],
      ['nodefs.available', 'NodeHasDiskPressure', 'NodeHasNoDiskPressure'],
      ['pid.available', 'NodeHasInsufficientPID', 'NodeHasSufficientPID'],
    ] as const) {
      lacking = signal;
      await t.pass(30_000);
      await assertTold(t, 'node-a', `Normal ${bad}: Node node-a status is now: ${bad}`);
      lacking = undefined;
      await t.pass(400_000);
      const again = (await t.client.list(coreV1.events, {})).items.find(e => e.reason === good);
      assert.equal(again?.message, `Node node-a status is now: ${good}`);
      assert.ok((again?.count ?? 1) > 1, `${good} is told again`);
    }
  });
});

test('pull secrets that are not there', () =>
  withNode({}, async t => {
    await pod(t, { imagePullSecrets: [{ name: 'one' }, { name: 'two' }] });
    const message =
      'Unable to retrieve some image pull secrets (one, two); attempting to pull the image may not succeed.';
    await assertTold(t, 'p', `Warning FailedToRetrieveImagePullSecret: ${message}`);
    assert.equal((await t.getPod('p')).status?.phase, 'Running');
  }));

test('a network that is not ready holds pods back, not those of the host', () =>
  withNode({}, async t => {
    const real = t.runtime.Status.bind(t.runtime);
    let ready = false;
    t.runtime.Status = async request => {
      const answer = await real(request);
      const conditions = answer.status?.conditions?.map(c =>
        c.type === 'NetworkReady'
          ? { ...c, status: ready, reason: 'NoPlugin', message: 'cni plugin not initialized' }
          : c,
      );
      return { ...answer, status: { ...answer.status, conditions } } as typeof answer;
    };
    await t.restart();
    await pod(t);
    await pod(t, { hostNetwork: true }, 'host');
    const [first] = await told(t, 'p');
    assert.match(
      first!,
      /^Warning NetworkNotReady: network is not ready: .*NetworkReady=false reason:NoPlugin message:cni plugin not initialized$/,
    );
    assert.equal((await t.getPod('host')).status?.phase, 'Running');
    ready = true;
    await t.pass(60_000);
    assert.equal((await t.getPod('p')).status?.phase, 'Running');
  }));

test('a sandbox that has gone', () =>
  withNode({}, async t => {
    await pod(t);
    const [sandbox] = (await t.runtime.ListPodSandbox({})).items ?? [];
    await t.runtime.StopPodSandbox({ pod_sandbox_id: sandbox!.id! });
    await t.pass(90_000);
    await assertTold(t, 'p', 'Normal SandboxChanged: Pod sandbox changed, it will be killed and re-created.');
  }));

test('a sandbox that its runtime made and cannot tell of', () =>
  withNode({}, async t => {
    const own = t.runtime.PodSandboxStatus.bind(t.runtime);
    let lost = true;
    t.runtime.PodSandboxStatus = async (...args) => (lost ? Promise.reject(new Error('no such thing')) : own(...args));
    await pod(t);
    await assertTold(t, 'p', 'Warning FailedPodSandBoxStatus: Unable to get pod sandbox status: no such thing');
    assert.ok(!(await told(t, 'p')).some(e => e.includes('FailedCreatePodSandBox')));
    lost = false;
    await t.pass(120_000);
    assert.equal((await t.getPod('p')).status?.phase, 'Running');
  }));

test('dead containers that cannot be removed', () =>
  withNode({}, async t => {
    const own = t.runtime.RemoveContainer.bind(t.runtime);
    let busy = true;
    t.runtime.RemoveContainer = async (...args) => (busy ? Promise.reject(new Error('device busy')) : own(...args));
    await pod(t);
    await t.deletePod('p', 0);
    await t.pass(5_000);
    await assertTold(t, 'node-a', 'Warning ContainerGCFailed: device busy');
    busy = false;
    await t.pass(120_000);
    assert.deepEqual((await t.runtime.ListContainers({})).containers ?? [], []);
  }));

test('an HTTPS hook of a server that speaks HTTP', async () => {
  const asked: string[] = [];
  const success = { result: 'success', output: '' } as const;
  const probeNetwork = {
    http: async ({ scheme, headers }: { scheme: string; headers: readonly { name: string }[] }) => {
      asked.push([scheme, ...headers.map(h => h.name)].join(' '));
      const output = 'http: server gave HTTP response to HTTPS client; wrong version number';
      return scheme === 'HTTP' ? success : ({ result: 'failure', output } as const);
    },
    tcp: async () => success,
    grpc: async () => success,
  };
  await withNode({ probeNetwork }, async t => {
    const httpHeaders = ['Authorization', 'X-A'].map(name => ({ name, value: 'v' }));
    const httpGet = { scheme: 'HTTPS' as const, host: '192.0.2.1', port: 8443, path: '/hook', httpHeaders };
    await pod(t, { containers: [{ ...app, lifecycle: { postStart: { httpGet } } }] });
    const message = 'request to HTTPS lifecycle hook 192.0.2.1:8443/hook got HTTP response, retry with HTTP';
    await assertTold(t, 'p', `Warning LifecycleHTTPFallback: ${message}`);
    assert.deepEqual(asked, ['HTTPS Authorization X-A', 'HTTP X-A'], 'credentials do not go out in the clear');
  });
});

test('names that cannot be had as asked', () =>
  withNode({ clusterDns: [] }, async t => {
    const { metadata } = await pod(t);
    const policy = 'using "ClusterFirst" policy. Falling back to "Default" policy.';
    const missing = `kubelet does not have ClusterDNS IP configured and cannot create Pod ${policy}`;
    await assertTold(t, 'p', `Warning MissingClusterDNS: pod: "p_default(${metadata.uid})". ${missing}`);
    const nameservers = [1, 2, 3, 4].map(n => `192.0.2.${n}`);
    const searches = Array.from({ length: 33 }, (_, i) => `s${i}.example`);
    await pod(t, { dnsPolicy: 'None', dnsConfig: { nameservers, searches } }, 'many');
    const limits = (what: string) => `${what} limits were exceeded, some`;
    await assertTold(
      t,
      'many',
      `Warning DNSConfigForming: ${limits('Nameserver')} nameservers have been omitted, the applied nameserver line is: 192.0.2.1 192.0.2.2 192.0.2.3`,
      `Warning DNSConfigForming: ${limits('Search Line')} search paths have been omitted, the applied search line is: ${searches.slice(0, 32).join(' ')}`,
    );
  }));

test('a disk that images do not free', () =>
  withNode({ upkeepMs: 60_000 }, async t => {
    t.runtime.ImageFsInfo = async () => ({ image_filesystems: [{ fs_id: { mountpoint: '/images' } }] }) as never;
    t.host.disk = async () => ({ capacityBytes: 1000, availableBytes: 50, inodes: 10, inodesFree: 5 });
    await t.restart();
    await t.pass(400_000);
    const message =
      'Failed to garbage collect required amount of images. Attempted to free 150 bytes, but only found 0 bytes eligible to free.';
    await assertTold(t, 'node-a', `Warning FreeDiskSpaceFailed: ${message}`);
  }));
