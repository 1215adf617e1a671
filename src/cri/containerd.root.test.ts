import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { writeImage } from '../../examples/guestbook/images.ts';
import { pushInside, serveRegistry } from '../../examples/guestbook/registry.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { destroyContainers, shimPids } from './containerd-cleanup.ts';
import { registryHosts } from './containerd-config.ts';
import { ContainerdProcess } from './containerd-process.ts';
import { loadImageArchive } from './image-archive.ts';
import { imageMountsDirectory } from './image-mounts.ts';
import { mountPointsBelow } from './mount-point.ts';
import { hostArchitecture, ociArchive } from './oci-image.ts';
import { pauseImageReference } from './pause-image.ts';
import { runtimeConformance } from './runtime-conformance.ts';
import { isRuntimeNotFound } from './runtime-error.ts';
import { writeTar } from './tar.ts';
import { busyboxArchive, busyboxImage, startTestContainerd, type TestContainerd } from './test-containerd.ts';
import type { Mount, PortMapping } from './type.ts';

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = systemClock.monotonic() + 20_000;
  while (!(await condition())) {
    if (systemClock.monotonic() > endMs) throw new Error(`gave up waiting for ${condition}`);
    await systemClock.sleep(10);
  }
}

runtimeConformance('containerd', async () => {
  const containerd = await startTestContainerd();
  return {
    runtime: containerd.runtime,
    image: busyboxImage,
    logDirectory: join(containerd.directory, 'logs'),
    cgroupParent: `${containerd.cgroups.parent}/burstable`,
    during: operation => operation,
    until,
    dispose: containerd.dispose,
  };
});

describe('containerd of a node', () => {
  let containerd: TestContainerd;
  let pods = 0;
  before(async () => {
    containerd = await startTestContainerd();
  });
  after(() => containerd?.dispose());

  const runPod = async (pid: 'POD' | 'CONTAINER' = 'CONTAINER', port_mappings: PortMapping[] = []) => {
    const uid = `u${++pods}`;
    const path = containerd.cgroups.podPath('Burstable', uid);
    containerd.cgroups.create(path, { cpuShares: 512, cpuQuotaUs: 50_000, memoryLimitBytes: 64 << 20, pidsLimit: 100 });
    const config = {
      metadata: { name: `p${pods}`, uid, namespace: 'default', attempt: 0 },
      log_directory: join(containerd.directory, 'logs', uid),
      port_mappings,
      linux: { cgroup_parent: path, security_context: { namespace_options: { pid } } },
    };
    const { pod_sandbox_id: id = '' } = await containerd.runtime.RunPodSandbox({ config });
    return { id, uid, path, config };
  };
  let attempts = 0;
  const runContainer = async (pod: Awaited<ReturnType<typeof runPod>>, script: string, mounts: Mount[] = []) => {
    const { container_id: id = '' } = await containerd.runtime.CreateContainer({
      pod_sandbox_id: pod.id,
      sandbox_config: pod.config,
      config: {
        metadata: { name: 'main', attempt: attempts++ },
        image: { image: busyboxImage },
        command: ['/bin/busybox', 'sh', '-c', script],
        log_path: 'main.log',
        mounts,
        linux: { security_context: { namespace_options: pod.config.linux.security_context.namespace_options } },
      },
    });
    await containerd.runtime.StartContainer({ container_id: id });
    return id;
  };
  const removePod = async (pod: { id: string; path: string }) => {
    const sandbox = { pod_sandbox_id: pod.id };
    // As a kubelet does it, again: a container that ends by itself just then cannot be killed ("ttrpc: closed").
    const done = (what: Promise<unknown>) =>
      what.then(
        () => true,
        error => !/ttrpc: closed/.test(String(error)) && Promise.reject(error),
      );
    await until(() => done(containerd.runtime.StopPodSandbox(sandbox)));
    await until(() => done(containerd.runtime.RemovePodSandbox(sandbox)));
    await containerd.cgroups.remove(pod.path);
  };
  const containerdPid = () => Number(readFileSync(join(containerd.directory, 'state/containerd.pid'), 'utf8'));

  test('runs in its network namespace and sees the control groups', () => {
    const link = (path: string) => execFileSync('stat', ['-Lc', '%i', path], { encoding: 'utf8' });
    assert.equal(link(`/proc/${containerdPid()}/ns/net`), link(containerd.networkNamespace));
  });

  test('a new pod makes its address known to who spoke with the one that had it before', async () => {
    const ip = (...args: string[]) => execFileSync('ip', ['-n', basename(containerd.networkNamespace), ...args]);
    const addressOf = async ({ id }: { id: string }) =>
      (await containerd.runtime.PodSandboxStatus({ pod_sandbox_id: id })).status?.network?.ip ?? '';
    // Keeps the bridge up.
    const other = await runPod();
    const first = await runPod();
    const address = await addressOf(first);
    await removePod(first);
    const parts = address.split('.');
    // host-local gives out all others before the same again: it is told that it has.
    const name = basename(containerd.networkNamespace);
    const last = join(containerd.directory, 'leases', name, 'last_reserved_ip.0');
    writeFileSync(last, [...parts.slice(0, 3), Number(parts[3]) - 1].join('.'));
    const before = '02:00:00:00:00:01';
    ip('neigh', 'replace', address, 'lladdr', before, 'dev', 'cni0', 'nud', 'stale');
    const second = await runPod();
    assert.equal(await addressOf(second), address);
    const [neighbour] = JSON.parse(String(ip('-json', 'neigh', 'show', address)));
    assert.match(neighbour.lladdr, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    assert.notEqual(neighbour.lladdr, before);
    for (const pod of [other, second]) await removePod(pod);
  });

  test('who had spoken with a pod that has gone learns within seconds that nobody is there', async () => {
    const [other, gone] = [await runPod(), await runPod()];
    const asking = await runContainer(other, 'while :; do sleep 1; done');
    await runContainer(gone, 'while :; do echo hello | nc -l -p 8080; done');
    const status = await containerd.runtime.PodSandboxStatus({ pod_sandbox_id: gone.id });
    const address = status.status?.network?.ip ?? '';
    const run = async (cmd: string[]) =>
      containerd.runtime.ExecSync({ container_id: asking, cmd: ['/bin/busybox', ...cmd], timeout: 100 });
    await until(async () => (await run(['nc', '-w', '2', address, '8080'])).exit_code === 0);
    const known = async () => {
      const { stdout } = await run(['cat', '/proc/net/arp']);
      const line = String(stdout)
        .split('\n')
        .find(l => l.startsWith(`${address} `));
      return line?.match(/([0-9a-f]{2}:){5}[0-9a-f]{2}/)?.[0];
    };
    const former = await known();
    assert.ok(former);
    await removePod(gone);
    const bridge = () =>
      JSON.parse(
        execFileSync('ip', ['-n', basename(containerd.networkNamespace), '-json', 'addr', 'show', 'cni0'], {
          encoding: 'utf8',
        }),
      )[0];
    await until(async () => (await known()) === bridge().address);
    const startMs = systemClock.monotonic();
    const tried = await run(['nc', address, '8080']);
    assert.match(String(tried.stderr), /No route to host/);
    assert.ok(systemClock.monotonic() - startMs < 15_000);
    // The gateway's own alone.
    assert.equal(bridge().addr_info.filter((a: { family: string }) => a.family === 'inet').length, 1);
    await removePod(other);
  });

  test("a pod's group holds its limits, tells its usage, and goes with everything in it", async () => {
    const { cgroups } = containerd;
    const pod = await runPod();
    const id = await runContainer(pod, 'while :; do :; done');
    const { version, unified, v1 } = cgroups.layout;
    const text = (controller: string, file: string, path = pod.path) =>
      readFileSync(`${version === 'v2' ? unified : v1.get(controller)}${path}/${file}`, 'utf8').trim();
    assert.deepEqual(
      version === 'v2'
        ? [text('memory', 'memory.max'), text('cpu', 'cpu.weight'), text('cpu', 'cpu.max'), text('pids', 'pids.max')]
        : [text('memory', 'memory.limit_in_bytes'), text('cpu', 'cpu.shares'), text('pids', 'pids.max')],
      version === 'v2' ? [`${64 << 20}`, '20', '50000 100000', '100'] : [`${64 << 20}`, '512', '100'],
    );
    const container = () => cgroups.stats(`${pod.path}/${id}`)!;
    await until(() => container().cpuUsageNanoseconds > 20e6);
    assert.ok(container().memoryWorkingSetBytes > 0 && container().pids === 1);
    const whole = cgroups.stats(pod.path)!;
    assert.ok(whole.cpuUsageNanoseconds >= 20e6 && whole.memoryLimitBytes === 64 << 20);
    assert.ok(cgroups.stats(cgroups.parent)!.cpuUsageNanoseconds >= whole.cpuUsageNanoseconds);
    assert.ok(cgroups.stats('/')!.memoryUsageBytes > 0);
    assert.equal(cgroups.stats('/kubepods-none'), undefined);
    assert.ok(cgroups.pods().some(p => p.uid === pod.uid && p.qos === 'Burstable'));
    await containerd.runtime.UpdateContainerResources({
      container_id: id,
      linux: { cpu_quota: 20_000, cpu_period: 100_000 },
    });
    const [file, quota] = version === 'v2' ? ['cpu.max', '20000 100000'] : ['cpu.cfs_quota_us', '20000'];
    assert.equal(text('cpu', file, `${pod.path}/${id}`), quota);
    // With all processes still in it: they are killed.
    await cgroups.remove(pod.path);
    assert.equal(cgroups.exists(pod.path), false);
    await removePod(pod);
  });

  test('the pause program reaps what the containers of a shared process namespace leave', async () => {
    const pod = await runPod('POD');
    const id = await runContainer(
      pod,
      '(busybox sleep 0.05 & exec busybox sleep 0.01) & wait; exec busybox sleep 1000',
    );
    const exec = async (script: string) => {
      const cmd = ['/bin/busybox', 'sh', '-c', script];
      const { stdout } = await containerd.runtime.ExecSync({ container_id: id, cmd, timeout: 10 });
      return Buffer.from(stdout!).toString();
    };
    assert.match(await exec('busybox cat /proc/1/cmdline'), /^\/pause/);
    assert.equal(await exec('for i in 1 2 3 4 5; do (busybox true & busybox true &) ; done; echo ok'), 'ok\n');
    await until(async () => !/^State:\s+Z/m.test(await exec('busybox cat /proc/[0-9]*/status 2>/dev/null')));
    await removePod(pod);
  });

  test('streams are served on loopback in the network namespace', async () => {
    const pod = await runPod();
    const id = await runContainer(pod, 'busybox sleep 1000');
    const exec = await containerd.runtime.Exec({ container_id: id, cmd: ['/bin/busybox', 'true'], stdout: true });
    const attach = await containerd.runtime.Attach({ container_id: id, stdout: true });
    const forward = await containerd.runtime.PortForward({ pod_sandbox_id: pod.id, port: [80] });
    for (const [name, { url = '' }] of Object.entries({ exec, attach, portforward: forward }))
      assert.match(url, new RegExp(`^http://127\\.0\\.0\\.1:\\d+/${name}/`));
    await removePod(pod);
  });

  test('pods reach each other, and a host port leads to its pod', async () => {
    const mapping = { protocol: 'TCP' as const, container_port: 8080, host_port: 18_080, host_ip: '' };
    const [server, client] = [await runPod('CONTAINER', [mapping]), await runPod()];
    await runContainer(server, 'while :; do echo served | busybox nc -l -p 8080; done');
    const asking = await runContainer(client, 'busybox sleep 1000');
    const { status } = await containerd.runtime.PodSandboxStatus({ pod_sandbox_id: server.id });
    // nc, because Debian's static wget crashes where glibc finds no name service.
    const ask = async (address: string, port: number) => {
      const cmd = ['/bin/busybox', 'nc', '-w', '2', address, String(port)];
      const { stdout } = await containerd.runtime.ExecSync({ container_id: asking, cmd, timeout: 10 });
      return Buffer.from(stdout!).toString();
    };
    await until(async () => (await ask(status?.network?.ip ?? '', 8080)) === 'served\n');
    // The gateway's address is the node's.
    await until(async () => (await ask('10.244.1.1', 18_080)) === 'served\n');
    const node = [`--net=${containerd.networkNamespace}`, 'busybox', 'nc', '-w', '2', '127.0.0.1', '18080'];
    await until(() => spawnSync('nsenter', node, { encoding: 'utf8' }).stdout === 'served\n');
    for (const pod of [server, client]) await removePod(pod);
  });

  test('containers outlive containerd, which comes back; watchers hear of the gap', async () => {
    const pod = await runPod();
    const id = await runContainer(pod, 'busybox sleep 1000');
    const stop = new AbortController();
    const exits: string[] = [];
    let gaps = 0;
    const watching = containerd.runtime.watchEvents(
      { onEvent: event => event.type === 'exited' && exits.push(event.id), onGap: () => gaps++ },
      stop.signal,
    );
    await until(() => gaps === 1);
    const pid = containerdPid();
    process.kill(pid, 'SIGKILL');
    await until(() => gaps === 2);
    assert.notEqual(containerdPid(), pid);
    const { status } = await containerd.runtime.ContainerStatus({ container_id: id });
    assert.equal(status?.state, 'CONTAINER_RUNNING');
    assert.equal(exits.length, 0);
    await containerd.runtime.StopContainer({ container_id: id, timeout: 0 });
    await until(() => exits.includes(id));
    stop.abort();
    await watching;
    await removePod(pod);
  });

  test('images are mounted as volumes, of one layer and of several, and gone with their sandbox', async () => {
    const { directory, runtime } = containerd;
    const file = (name: string, text: string) => ({ name, content: Buffer.from(text) });
    for (const [image, ...layers] of [
      ['k8ts.local/one:1', [file('one', '1')]],
      [
        'k8ts.local/two:1',
        [file('one', '1'), file('both', 'below')],
        [{ name: 'dir/' }, file('dir/two', '2'), file('both', 'above')],
      ],
    ] as const) {
      const [files = [], ...moreLayers] = layers;
      const archive = ociArchive({ reference: image, architecture: hostArchitecture(), files, moreLayers, config: {} });
      writeFileSync(join(directory, 'volume.tar'), archive);
      await loadImageArchive(containerd.options.socket, join(directory, 'volume.tar'));
      await until(async () => (await runtime.ImageStatus({ image: { image } })).image !== undefined);
    }
    const pod = await runPod();
    const mounts = [
      { container_path: '/a', readonly: true, image: { image: 'k8ts.local/one:1' } },
      { container_path: '/b', readonly: true, image: { image: 'k8ts.local/two:1' } },
      { container_path: '/c', readonly: true, image: { image: 'k8ts.local/two:1' }, image_sub_path: 'dir' },
    ];
    await runContainer(pod, 'cd /; cat a/one b/one b/both b/dir/two c/two; touch b/new 2>&1', mounts);
    const log = join(pod.config.log_directory, 'main.log');
    const said = () => readFileSync(log, 'utf8').replaceAll(/^\S+ stdout [FP] /gm, '');
    await until(() => said().includes('Read-only file system'));
    assert.match(said(), /^11above22/);
    const outside = runContainer(pod, 'true', [{ ...mounts[2], image_sub_path: '../..' }]);
    // containerd from 2.2 on has words of its own.
    await assert.rejects(outside, /leaves image|image subpath/);
    await removePod(pod);
    const left = mountPointsBelow(readFileSync('/proc/self/mountinfo', 'utf8'), [
      imageMountsDirectory(containerd.options.socket),
    ]);
    assert.deepEqual(left, []);
  });

  test('archives are loaded: OCI with bare names, gzipped, and docker-archives', async () => {
    const socket = join(containerd.directory, 'containerd.sock');
    const load = (name: string, content: Buffer) => {
      writeFileSync(join(containerd.directory, name), content);
      return loadImageArchive(socket, join(containerd.directory, name));
    };
    const names = async (image: string) =>
      (await containerd.runtime.ImageStatus({ image: { image } })).image?.repo_tags ?? [];
    assert.deepEqual(await load('bare.tar', busyboxArchive('mine/tool:2')), ['docker.io/mine/tool:2']);
    await until(async () => (await names('mine/tool:2')).includes('docker.io/mine/tool:2'));
    const zipped = gzipSync(busyboxArchive('k8ts.local/zipped:1'));
    assert.deepEqual(await load('zipped.tar.gz', zipped), ['k8ts.local/zipped:1']);
    const layer = writeTar([{ name: 'hello', content: Buffer.from('hello') }]);
    const { createHash } = await import('node:crypto');
    const diff = `sha256:${createHash('sha256').update(layer).digest('hex')}`;
    const config = { architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [diff] } };
    const docker = writeTar([
      { name: 'config.json', content: Buffer.from(JSON.stringify(config)) },
      { name: 'layer/layer.tar', content: layer },
      {
        name: 'manifest.json',
        content: Buffer.from(
          JSON.stringify([{ Config: 'config.json', RepoTags: ['plain:1'], Layers: ['layer/layer.tar'] }]),
        ),
      },
    ]);
    assert.deepEqual(await load('docker.tar', docker), ['docker.io/library/plain:1']);
    await until(async () => (await names('plain:1')).length === 1);
    await assert.rejects(
      load('bad.tar', writeTar([{ name: 'x', content: Buffer.from('y') }])),
      /neither a docker-archive/,
    );
    assert.ok((await names(pauseImageReference)).length === 1);
  });

  test('images are pulled from a registry, by its own name and as a mirror of another', async () => {
    const { networkNamespace: namespace, runtime } = containerd;
    const [directory, url] = [join(containerd.directory, 'registry'), 'http://127.0.0.1:5000'];
    mkdirSync(join(containerd.registryDir, 'images.example'), { recursive: true });
    const hosts = registryHosts('https://images.example', [url]);
    writeFileSync(join(containerd.registryDir, 'images.example/hosts.toml'), hosts);
    const pushed = join(directory, 'pushed');
    writeImage(pushed, 'team/app:1', [writeTar([{ name: 'app', content: Buffer.from('app') }])], {});
    const registry = await serveRegistry({ directory, namespace, address: '127.0.0.1:5000' });
    const ended = new Promise(resolve => registry.once('exit', resolve));
    try {
      await pushInside(namespace, pushed, url);
      for (const image of ['127.0.0.1:5000/team/app:1', 'images.example/team/app:1']) {
        const { image_ref: pulled } = await runtime.PullImage({ image: { image } });
        assert.equal((await runtime.ImageStatus({ image: { image } })).image?.id, pulled);
      }
      const missing = runtime.PullImage({ image: { image: '127.0.0.1:5000/team/none:1' } });
      await assert.rejects(missing, isRuntimeNotFound);
    } finally {
      registry.kill('SIGKILL');
      await ended;
    }
  });

  test('a containerd left behind by a killed agent is used to clean up, and stopped', async () => {
    const own = await startTestContainerd();
    try {
      const { root, state, socket } = own.options;
      await own.stop();
      assert.equal(existsSync(join(state, 'containerd.pid')), false);
      const left = spawn(
        'nsenter',
        [`--net=${own.networkNamespace}`, 'containerd', '--config', join(own.directory, 'root/config.toml')],
        { stdio: 'ignore' },
      );
      const ended = new Promise(resolve => left.once('exit', resolve));
      writeFileSync(join(state, 'containerd.pid'), `${left.pid}`);
      await until(() => own.runtime.Version({}).then(Boolean, () => false));
      const config = {
        metadata: { name: 'left', uid: 'left', namespace: 'default', attempt: 0 },
        linux: { cgroup_parent: own.cgroups.podPath('BestEffort', 'left') },
      };
      await own.runtime.RunPodSandbox({ config });
      await new ContainerdProcess(own.options).destroyContainers();
      await ended;
      assert.deepEqual(shimPids(socket), []);
      assert.deepEqual(mountPointsBelow(readFileSync('/proc/self/mountinfo', 'utf8'), [root, state]), []);
    } finally {
      await own.dispose();
    }
  });

  test('a log that has grown long is put aside', async () => {
    const own = await startTestContainerd();
    const log = join(own.options.state, 'containerd.log');
    const stop = new AbortController();
    try {
      await own.stop();
      writeFileSync(log, Buffer.alloc(11 << 20, 'x'));
      const running = new ContainerdProcess(own.options).run(stop.signal);
      await until(() => existsSync(`${log}.1`) && statSync(log).size < 1 << 20);
      stop.abort();
      await running;
      assert.equal(statSync(`${log}.1`).size, 11 << 20);
    } finally {
      stop.abort();
      await own.dispose();
    }
  });

  test('what is left is removed by force when containerd is gone', async () => {
    const own = await startTestContainerd();
    const { directory } = own;
    const socket = join(directory, 'containerd.sock');
    let sandbox: string | undefined;
    try {
      const config = {
        metadata: { name: 'left', uid: 'left', namespace: 'default', attempt: 0 },
        linux: { cgroup_parent: own.cgroups.podPath('BestEffort', 'left') },
      };
      sandbox = (await own.runtime.RunPodSandbox({ config })).pod_sandbox_id;
      assert.equal(shimPids(socket).length, 1);
      process.kill(Number(readFileSync(join(directory, 'state/containerd.pid'), 'utf8')), 'SIGKILL');
      await destroyContainers({
        socket: '/nowhere.sock',
        root: join(directory, 'root'),
        state: join(directory, 'state'),
        clock: systemClock,
        log: silentLog,
      });
      assert.equal(own.cgroups.processes(own.cgroups.parent).length, 0, 'the containers are killed');
    } finally {
      await own.dispose();
    }
    assert.deepEqual(shimPids(socket), []);
    assert.deepEqual(mountPointsBelow(readFileSync('/proc/self/mountinfo', 'utf8'), [directory]), []);
    assert.equal(existsSync(own.networkNamespace), false);
    assert.equal(own.cgroups.exists(own.cgroups.parent), false);
    assert.equal(existsSync(directory), false);
    const results = existsSync('/var/lib/cni/results') ? readdirSync('/var/lib/cni/results') : [];
    assert.deepEqual(
      results.filter(name => name.includes(basename(directory)) || name.includes(sandbox!)),
      [],
    );
  });
});
