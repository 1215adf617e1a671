import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cniConflist, findCniBinDir, forgetCniResults, writeCniConfig } from './cni.ts';
import { containerdConfig, registryHosts, restrictOomScoreAdj } from './containerd-config.ts';
import { readEnvelope } from './containerd-events.ts';
import { containerdVersion } from './containerd-version.ts';
import { mountsImage } from './image-mounts.ts';
import { mountPointsBelow } from './mount-point.ts';

const options = {
  root: '/n/root',
  state: '/n/state',
  socket: '/n/c.sock',
  cniConfDir: '/n/cni',
  cniBinDir: '/usr/lib/cni',
  sandboxImage: 'k8ts.local/pause:1',
  registryDir: '/n/registry',
};

test('containerd 1.6 gets version 2, with everything below the node', () => {
  const text = containerdConfig({ ...options, restrictOomScoreAdj: true }, { major: 1, minor: 6 });
  for (const line of [
    'version = 2',
    '[plugins."io.containerd.grpc.v1.cri"]',
    'sandbox_image = "k8ts.local/pause:1"',
    'restrict_oom_score_adj = true',
    'bin_dir = "/usr/lib/cni"',
    'stream_server_address = "127.0.0.1"',
    'config_path = "/n/registry"',
    'Root = "/n/state/runc"',
    'SystemdCgroup = false',
  ])
    assert.ok(text.split('\n').includes(line), line);
});

test('containerd 2 gets version 3, the CRI plugin in two', () => {
  const text = containerdConfig(options, { major: 2, minor: 0 });
  for (const line of [
    'version = 3',
    '[plugins."io.containerd.cri.v1.images".pinned_images]',
    'sandbox = "k8ts.local/pause:1"',
    '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]',
    '[plugins."io.containerd.grpc.v1.cri"]',
    'bin_dir = "/usr/lib/cni"',
  ])
    assert.ok(text.split('\n').includes(line), line);
  assert.match(containerdConfig(options, { major: 2, minor: 1 }), /^bin_dirs = \["\/usr\/lib\/cni"\]$/m);
});

test('versions are told from what containerd prints and what the CRI says', () => {
  for (const [text, major, minor] of [
    ['containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3', 1, 6],
    ['containerd github.com/containerd/containerd/v2 v2.1.4 75cb2b7', 2, 1],
    ['1.6.20~ds1', 1, 6],
    ['v2.4.2', 2, 4],
  ] as const)
    assert.deepEqual(containerdVersion(text), { major, minor });
  assert.throws(() => containerdVersion('none'), /read containerd's version: "none"/);
});

test('images are mounted by containerd from 2.1 on, paths within them from 2.2 on', () => {
  const whole = { image: { image: 'a' } };
  const part = { ...whole, image_sub_path: 'dir' };
  const mounts = (text: string) => [whole, part].map(m => mountsImage(containerdVersion(text), m));
  assert.deepEqual(mounts('2.0.13'), [false, false]);
  assert.deepEqual(mounts('2.1.5'), [true, false]);
  assert.deepEqual(mounts('2.2.1'), [true, true]);
  assert.deepEqual(mounts('3.0.0'), [true, true]);
});

test('CAP_SYS_RESOURCE is looked for in the effective set', () => {
  assert.equal(restrictOomScoreAdj('CapPrm:\t000001ffffffffff\nCapEff:\t000001fffeffffff\n'), true);
  assert.equal(restrictOomScoreAdj('CapEff:\t000001ffffffffff\n'), false);
});

test('mirrors are tried in order', () => {
  assert.equal(
    registryHosts('https://registry-1.docker.io', ['http://10.0.0.1:5000']),
    'server = "https://registry-1.docker.io"\n\n[host."http://10.0.0.1:5000"]\ncapabilities = ["pull","resolve"]\n',
  );
});

test('mounts below a directory are found, latest first, blanks unescaped', () => {
  const line = (path: string) => `40 30 0:3 / ${path} rw - tmpfs tmpfs rw`;
  const text = ['/n/state/a', '/n/state', '/n/stateful/b', '/n/state/a/with\\040blank'].map(line).join('\n');
  assert.deepEqual(mountPointsBelow(text, ['/n/state']), ['/n/state/a/with blank', '/n/state/a']);
});

test('events of exec processes and of other topics are passed over', () => {
  const field = (id: number, text: string) =>
    Buffer.concat([Buffer.from([id * 8 + 2, text.length]), Buffer.from(text)]);
  const envelope = (topic: string, ...fields: Buffer[]) => ({
    namespace: 'k8s.io',
    topic,
    event: { type_url: '', value: Buffer.concat(fields) },
  });
  assert.deepEqual(readEnvelope(envelope('/tasks/exit', field(1, 'c'), field(2, 'c'))), { type: 'exited', id: 'c' });
  assert.equal(readEnvelope(envelope('/tasks/exit', field(1, 'c'), field(2, 'exec'))), undefined);
  assert.deepEqual(readEnvelope(envelope('/tasks/delete', field(1, 'c'))), { type: 'deleted', id: 'c' });
  assert.equal(readEnvelope(envelope('/tasks/create', field(1, 'c'))), undefined);
});

const network = {
  name: 'n1',
  bridge: 'cni0',
  podCidrs: ['10.1.0.0/24', 'fd00::/64'],
  mtu: 1450,
  leaseDir: '/n/leases',
};

test('the network is a bridge with host-local addresses of both families and port mappings', async () => {
  const { plugins } = cniConflist(network) as { plugins: Record<string, any>[] };
  assert.deepEqual(
    plugins.map(p => p.type),
    ['bridge', 'portmap'],
  );
  const { ipam, isGateway, hairpinMode, ipMasq, mtu } = plugins[0]!;
  assert.deepEqual([isGateway, hairpinMode, ipMasq, mtu], [true, true, false, 1450]);
  assert.deepEqual(ipam.ranges, [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd00::/64' }]]);
  assert.deepEqual(ipam.routes, [{ dst: '0.0.0.0/0' }, { dst: '::/0' }]);
});

test('the configuration is written, results are forgotten by network, missing plugins are named', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-cni-'));
  try {
    await writeCniConfig(directory, network);
    const written = JSON.parse(readFileSync(join(directory, '10-k8ts.conflist'), 'utf8'));
    assert.equal(written.name, 'n1');
    const remember = (name: string, id: string, device: string) =>
      writeFileSync(
        join(directory, `${name}-${id}-${device}`),
        `{"kind":"cniCacheV1","containerId":"${id}","networkName":"${name}"}`,
      );
    for (const [name, id] of [
      ['n1', 'aa'],
      ['n1-b', 'cc'],
    ] as const) {
      remember(name, id, 'eth0');
      remember('cni-loopback', id, 'lo');
    }
    await forgetCniResults('n1', directory);
    const left = readdirSync(directory).filter(file => file.includes('-cc-') || file.includes('-aa-'));
    assert.deepEqual(left.sort(), ['cni-loopback-cc-lo', 'n1-b-cc-eth0']);
    assert.throws(() => findCniBinDir([directory]), /install containernetworking-plugins/);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
