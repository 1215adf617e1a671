// `npm run bench churn`: a large cluster at rest with a few pods coming and going. PODS=15000 NODES=500 makes it smaller.
// Nodes and standing pods are objects without kubelets: what is measured is the control plane.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Draft } from '../src/api/meta.ts';
import type { Node, Pod } from '../src/api/type/core-v1.ts';
import { systemClock } from '../src/base/clock.ts';
import { type Cluster, coreV1, createCluster } from '../src/cluster/index.ts';
import { openLmdbStore } from '../src/store/lmdb-store.ts';
import { memoryMb } from './process.ts';
import { report } from './report.ts';

const nodes = Number(process.env.NODES ?? 5000);
const pods = Number(process.env.PODS ?? 150_000);
const churnSeconds = Number(process.env.CHURN_SECONDS ?? 30);
const perSecond = 100;
const atOnce = 64;

const nodeOf = (i: number): Draft<Node> => ({
  metadata: {
    name: `node-${i}`,
    labels: { 'kubernetes.io/hostname': `node-${i}`, 'topology.kubernetes.io/zone': `zone-${i % 3}` },
  },
  status: {
    allocatable: { cpu: '16', memory: '64Gi', pods: '110' },
    capacity: { cpu: '16', memory: '64Gi', pods: '110' },
  },
});

const podOf = (name: string, app: number, nodeName?: string): Draft<Pod> => ({
  metadata: { name, namespace: 'default', labels: { app: `app-${app}`, tier: 'web' } },
  spec: {
    ...(nodeName ? { nodeName } : {}),
    automountServiceAccountToken: false,
    containers: [
      {
        name: 'c',
        image: 'registry.example/web:1',
        env: [{ name: 'LEVEL', value: 'info' }],
        resources: { requests: { cpu: '100m', memory: '128Mi' } },
      },
    ],
  },
});

async function inParallel(count: number, work: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

/** Milliseconds that each write took, in order. */
async function churn({ client }: Cluster): Promise<number[]> {
  const took: number[] = [];
  const timed = async (write: () => Promise<unknown>) => {
    const fromMs = performance.now();
    await write();
    took.push(performance.now() - fromMs);
  };
  const one = async (i: number) => {
    const key = { namespace: 'default', name: `churn-${i}` };
    await timed(() => client.create(coreV1.pods, podOf(key.name, i % 100)));
    await systemClock.sleep(5000);
    await timed(() => client.delete(coreV1.pods, key, { gracePeriodSeconds: 0 }));
  };
  const all: Promise<void>[] = [];
  const fromMs = performance.now();
  for (let i = 0; i < perSecond * churnSeconds; i++) {
    const aheadMs = (i * 1000) / perSecond - (performance.now() - fromMs);
    if (aheadMs > 0) await systemClock.sleep(aheadMs);
    all.push(one(i));
  }
  await Promise.all(all);
  return took.sort((a, b) => a - b);
}

export async function benchChurn(): Promise<void> {
  const directory = mkdtempSync(join(process.env.K8TS_BENCH_DIR ?? tmpdir(), 'k8ts-bench-churn-'));
  const store = await openLmdbStore({ directory, clock: systemClock });
  // Nobody reports for these nodes, and no kubelet ends their pods.
  const controllers = ['*', '-node-lifecycle-controller', '-taint-eviction-controller', '-node-ipam-controller'];
  const cluster = await createCluster({ store, controllers, components: ['controllers', 'scheduler'] });
  const about = `${nodes} nodes, ${pods} standing pods, ${perSecond} pods/s churn`;
  try {
    await inParallel(nodes, async i => {
      await cluster.client.create(coreV1.nodes, nodeOf(i));
      const body = { spec: { taints: null } };
      await cluster.client.patch(coreV1.nodes, { name: `node-${i}` }, { type: 'merge', body });
    });
    await inParallel(pods, i =>
      cluster.client.create(coreV1.pods, podOf(`standing-${i}`, i % 1000, `node-${i % nodes}`)),
    );
    const cpu = process.cpuUsage();
    const took = await churn(cluster);
    const { user, system } = process.cpuUsage(cpu);
    const line = { bench: 'churn', what: `${about}: ` };
    report({ ...line, what: `${line.what}mutating p99`, value: percentile(took, 0.99), unit: 'ms', aim: '≤ 1000' });
    report({ ...line, what: `${line.what}mutating median`, value: percentile(took, 0.5), unit: 'ms' });
    report({ ...line, what: `${line.what}resident`, value: memoryMb(process.pid).rss, unit: 'MB', aim: '≤ 4000' });
    const share = (user + system) / 1e4 / churnSeconds;
    report({ ...line, what: `${line.what}processor`, value: share, unit: '% of a core' });
  } finally {
    await cluster.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  await benchChurn();
  process.exit(0);
}
