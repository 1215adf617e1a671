// A whole cluster of two nodes with real containers: how fast it is up, how fast pods run beside the bare calls to the
// same containerd, what it weighs. Needs root; makes a cluster of its own and removes it.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { coreV1 } from '../src/api/refs.ts';
import type { Pod } from '../src/api/type/core-v1.ts';
import { systemClock } from '../src/base/clock.ts';
import { silentLog } from '../src/base/log.ts';
import { httpClient } from '../src/client/http-client.ts';
import { containerdRuntime } from '../src/cri/containerd.ts';
import type { ContainerRuntime } from '../src/cri/runtime.ts';
import { busyboxArchive, busyboxImage } from '../src/cri/test-containerd.ts';
import { cpuSeconds, memoryMb } from './process.ts';
import { report } from './report.ts';

const name = `bench-${process.pid}`;
const root = join(import.meta.dirname, '..');
const first = 7;
const later = 15;
const many = 100;
const script = 'while :; do sleep 3600; done';
const command = ['/bin/busybox', 'sh', '-c', script];

interface Lab {
  readonly kubeconfig: string;
  readonly client: ReturnType<typeof httpClient>;
  readonly runtimes: readonly ContainerRuntime[];
}

export async function benchLab(): Promise<void> {
  const base = mkdtempSync(join(tmpdir(), 'k8ts-bench-lab-'));
  const env = { ...process.env, KUBECONFIG: join(base, 'kubeconfig') };
  const k8ts = (...args: string[]) =>
    execFileSync('node', [join(root, 'bin/k8ts.js'), ...args, '--name', name], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  try {
    // The first start fills caches.
    k8ts('up', '--nodes', '2');
    k8ts('down');
    const from = performance.now();
    k8ts('up', '--nodes', '2');
    const readyMs = performance.now() - from;
    await untilDns();
    report({ bench: 'lab', what: '`k8ts up`, warm, to two nodes Ready', value: readyMs / 1000, unit: 's' });
    report({
      bench: 'lab',
      what: '`k8ts up`, warm, to two nodes Ready and DNS answering',
      value: (performance.now() - from) / 1000,
      unit: 's',
      aim: '≤ 3',
    });
    writeFileSync(join(base, 'busybox.tar'), busyboxArchive());
    k8ts('image', 'load', join(base, 'busybox.tar'));
    const lab = open(env.KUBECONFIG);
    await weigh();
    await oneAtATime(lab, 'first', first);
    await manyAtOnce(lab);
    await oneAtATime(lab, `after ${first + 2 * many} others`, later);
    for (const r of lab.runtimes) r.close();
    lab.client.close();
  } finally {
    k8ts('down');
    rmSync(base, { recursive: true, force: true });
  }
}

function open(kubeconfig: string): Lab {
  const config = JSON.parse(
    execFileSync('kubectl', ['--kubeconfig', kubeconfig, 'config', 'view', '--raw', '-o', 'json']).toString(),
  ) as {
    clusters: { cluster: Record<string, string> }[];
    users: { user: Record<string, string> }[];
  };
  const text = (data: string | undefined) => Buffer.from(data ?? '', 'base64').toString();
  const { cluster } = config.clusters[0]!;
  const { user } = config.users[0]!;
  const client = httpClient({
    server: cluster.server!,
    ca: text(cluster['certificate-authority-data']),
    cert: text(user['client-certificate-data']),
    key: text(user['client-key-data']),
    userAgent: 'bench',
  });
  const runtimes = ['node-1', 'node-2'].map(node =>
    containerdRuntime({ socket: `/run/k8ts/${name}/${node}/containerd.sock`, clock: systemClock, log: silentLog }),
  );
  return { kubeconfig, client, runtimes };
}

/** Asks the cluster's DNS from the first node until it knows the API server's service. */
async function untilDns(): Promise<void> {
  const query =
    "const {Resolver}=require('dns').promises;const r=new Resolver({timeout:200,tries:1});r.setServers(['10.96.0.10']);" +
    "r.resolve4('kubernetes.default.svc.cluster.local').then(()=>process.exit(0),()=>process.exit(1))";
  for (let tries = 0; tries < 100; tries++) {
    const { status } = spawnSync('nsenter', [`--net=/run/netns/k8ts-${name}-node-1`, process.execPath, '-e', query]);
    if (status === 0) return;
  }
  throw new Error('the DNS of the cluster did not answer');
}

function processes(role: string): number[] {
  return readdirSync('/proc')
    .filter(f => /^\d+$/.test(f))
    .filter(pid => {
      try {
        const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return args.some(a => a === role || a.endsWith(`/${role}`)) && args.some(a => a.includes(`/k8ts/${name}/`));
      } catch {
        return false;
      }
    })
    .map(Number);
}

const idleSeconds = 60;

async function weigh(): Promise<void> {
  // After a minute the first collections of garbage and the burst of a start are over.
  await systemClock.sleep(60_000);
  const servers = processes('server');
  const agents = processes('agent');
  const all = [...servers, ...agents, ...processes('supervisor'), ...processes('containerd')];
  const before = all.map(cpuSeconds);
  await systemClock.sleep(idleSeconds * 1000);
  const used = all.reduce((sum, pid, i) => sum + cpuSeconds(pid) - before[i]!, 0);
  report({ bench: 'lab', what: 'control plane: resident', value: memoryMb(servers[0]!).rss, unit: 'MB', aim: '≤ 150' });
  report({ bench: 'lab', what: 'node agent: resident', value: memoryMb(agents[0]!).rss, unit: 'MB', aim: '≤ 90' });
  report({
    bench: 'lab',
    what: 'idle processor of everything together, two nodes',
    value: (used / idleSeconds) * 100,
    unit: '%',
    aim: '< 1',
  });
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

async function oneAtATime({ client, runtimes }: Lab, when: string, count: number): Promise<void> {
  const raw: number[] = [];
  const own: number[] = [];
  for (let i = 0; i < count; i++) {
    raw.push(await timed(() => bare(runtimes[0]!, `raw-${i}`)));
    own.push(await timed(() => createAndAwait(client, [`one-${i}`])));
  }
  report({
    bench: 'lab',
    what: `pod create → Ready, one at a time, ${when}`,
    value: median(own),
    raw: median(raw),
    unit: 'ms',
    aim: '≤ 1.25 ×',
  });
  await cleanUp(client, runtimes);
}

async function manyAtOnce({ client, runtimes }: Lab): Promise<void> {
  const raw: number[] = [];
  for (const atOnce of [5, 10, 20]) {
    raw.push(await timed(() => Promise.all(runtimes.map((r, n) => bareMany(r, `many-${n}`, many / 2, atOnce)))));
    await cleanUp(client, runtimes);
  }
  const names = Array.from({ length: many }, (_, i) => `many-${i}`);
  for (const when of ['first', 'again']) {
    const own = await timed(() => createAndAwait(client, names));
    report({
      bench: 'lab',
      what: `${many} pods at once on two nodes, all Ready, ${when}`,
      value: own / 1000,
      raw: Math.min(...raw) / 1000,
      unit: 's',
      aim: '≤ 1.15 ×',
    });
    await cleanUp(client, runtimes);
  }
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await act();
  return performance.now() - from;
}

/** What any kubelet must ask of the runtime for one pod of one container. */
async function bare(runtime: ContainerRuntime, id: string): Promise<void> {
  const config = {
    metadata: { name: id, uid: id, namespace: 'bench', attempt: 0 },
    hostname: id,
    log_directory: `/tmp/${name}/${id}`,
    linux: { cgroup_parent: `/k8ts-${name}/${id}` },
    labels: { bench: name },
  };
  const { pod_sandbox_id = '' } = await runtime.RunPodSandbox({ config });
  const { container_id = '' } = await runtime.CreateContainer({
    pod_sandbox_id,
    sandbox_config: config,
    config: { metadata: { name: 'c', attempt: 0 }, image: { image: busyboxImage }, command, log_path: 'c.log' },
  });
  await runtime.StartContainer({ container_id });
}

async function bareMany(runtime: ContainerRuntime, prefix: string, count: number, atOnce: number): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await bare(runtime, `${prefix}-${next++}`);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

async function createAndAwait(client: Lab['client'], names: readonly string[]): Promise<void> {
  const waiting = new Set(names);
  const done = Promise.withResolvers<void>();
  const watch = client.watch(
    coreV1.pods,
    { namespace: 'default' },
    {
      onEvent(_, pod: Pod) {
        if (!pod.status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True')) return;
        waiting.delete(pod.metadata.name ?? '');
        if (!waiting.size) done.resolve();
      },
      onClose(error) {
        done.reject(error ?? new Error('the watch ended'));
      },
    },
  );
  const container = { name: 'c', image: busyboxImage, command };
  await Promise.all(
    names.map(n =>
      client.create(coreV1.pods, {
        metadata: { name: n, namespace: 'default' },
        spec: { containers: [container], terminationGracePeriodSeconds: 0 },
      }),
    ),
  );
  await done.promise;
  watch.stop();
}

async function cleanUp(client: Lab['client'], runtimes: readonly ContainerRuntime[]): Promise<void> {
  await client.deleteCollection(coreV1.pods, { namespace: 'default' }, { gracePeriodSeconds: 0 });
  while ((await client.list(coreV1.pods, { namespace: 'default' })).items.length) await systemClock.sleep(50);
  for (const runtime of runtimes) {
    const { items = [] } = await runtime.ListPodSandbox({ filter: { label_selector: { bench: name } } });
    for (const { id = '' } of items) {
      await runtime.StopPodSandbox({ pod_sandbox_id: id });
      await runtime.RemovePodSandbox({ pod_sandbox_id: id });
    }
    // The kubelet still ends what the API has forgotten.
    while ((await runtime.ListPodSandbox({})).items?.length) await systemClock.sleep(100);
  }
  rmSync(`/tmp/${name}`, { recursive: true, force: true });
  removeCgroups();
}

function removeCgroups(): void {
  for (const top of readdirSync('/sys/fs/cgroup')) {
    const parent = `/sys/fs/cgroup/${top}/k8ts-${name}`;
    spawnSync('find', [parent, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';'], { stdio: 'ignore' });
  }
}
