// `npm run bench simulation`: clusters of simulated nodes. A day of cluster time in the library, and nodes and replicas
// on the machine's clock. NODES=100 REPLICAS=500 OBJECTS=1000 HOURS=2 makes it smaller. Beside the clock it tells the
// processor time of the main thread, which is what the clock would show on a machine with nothing else to do.
import type { Draft } from '../src/api/meta.ts';
import type { CronJob } from '../src/api/type/batch-v1.ts';
import { appsV1, batchV1, type Cluster, coreV1, createCluster, simulated, virtualClock } from '../src/cluster/index.ts';
import { report } from './report.ts';

const readyNodes = async (cluster: Cluster): Promise<number> => {
  const { items } = await cluster.client.list(coreV1.nodes);
  return items.filter(n => n.status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True')).length;
};

/** Measures from now on; the function it returns reports. */
function measure(): (what: string, aim: string) => void {
  const fromMs = performance.now();
  const from = process.threadCpuUsage();
  return (what, aim) => {
    const value = (performance.now() - fromMs) / 1000;
    const { user, system } = process.threadCpuUsage(from);
    report({ bench: 'simulation', what, value, unit: 's', aim });
    report({ bench: 'simulation', what: `${what}: main thread`, value: (user + system) / 1e6, unit: 's' });
  };
}

const size = (name: string, usual: number): number => Number(process.env[name] ?? usual);

/** Forty run each hour, ten every five to fourteen minutes; each run takes 20 seconds. */
const cronJob = (i: number): Draft<CronJob> => ({
  metadata: { name: `cron-${i}`, namespace: 'default' },
  spec: {
    schedule: i % 5 === 0 ? `*/${5 + (i % 10)} * * * *` : `${i} * * * *`,
    jobTemplate: {
      spec: {
        template: {
          metadata: { annotations: { 'k8ts.local/simulate': '{"exitAfterMs":20000}' } },
          spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'registry.example/task:1' }] },
        },
      },
    },
  },
});

/** A day in which nothing ran would be soon over. */
async function told(cluster: Cluster): Promise<void> {
  const { items } = await cluster.client.list(batchV1.cronjobs);
  const last = items.map(c => Date.parse(c.status?.lastSuccessfulTime ?? ''));
  if (!last.every(ms => cluster.clock.now() - ms < 2 * 3_600_000)) throw new Error('not all CronJobs have run');
}

async function benchDay(hours: number): Promise<void> {
  const cluster = await createCluster({ nodes: simulated(100), clock: virtualClock(), seed: 1 });
  await cluster.until(async () => (await readyNodes(cluster)) === 100);
  for (let i = 0; i < 50; i++) await cluster.client.create(batchV1.cronjobs, cronJob(i));
  const done = measure();
  for (let hour = 0; hour < hours; hour++) await cluster.advance('1h');
  const time = hours === 24 ? 'one day' : `${hours} hours`;
  done(`${time} of 100 nodes with 50 CronJobs, virtual clock`, '≤ 60 s a day');
  await told(cluster);
  await cluster.stop();
}

async function benchReplicas(nodes: number, replicas: number): Promise<void> {
  const ready = measure();
  const cluster = await createCluster({ nodes: simulated(nodes), seed: 1 });
  await cluster.until(async () => (await readyNodes(cluster)) === nodes);
  ready(`${nodes} simulated nodes Ready`, '≤ 10 s');
  const labels = { app: 'web' };
  const running = measure();
  await cluster.client.create(appsV1.deployments, {
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'registry.example/web:1' }] } },
    },
  });
  await cluster.until(async () => {
    const { status } = await cluster.client.get(appsV1.deployments, { namespace: 'default', name: 'web' });
    return status?.readyReplicas === replicas;
  });
  running(`Deployment 0 → ${replicas} replicas Running on ${nodes} simulated nodes`, '≤ 10 s');
  const used = process.cpuUsage();
  await cluster.clock.sleep(10_000);
  const { user, system } = process.cpuUsage(used);
  report({
    bench: 'simulation',
    what: `processor time a second of ${nodes} idle simulated nodes`,
    value: (user + system) / 10_000,
    unit: 'ms',
  });
  await cluster.stop();
}

async function benchNamespace(objects: number): Promise<void> {
  const cluster = await createCluster({ seed: 1 });
  const namespace = 'big';
  await cluster.client.create(coreV1.namespaces, { metadata: { name: namespace } });
  for (let i = 0; i < objects; i++)
    await cluster.client.create(coreV1.configmaps, { metadata: { name: `c-${i}`, namespace }, data: { key: 'value' } });
  const there = (await cluster.client.list(coreV1.configmaps, { namespace })).items.length;
  const done = measure();
  await cluster.client.delete(coreV1.namespaces, { name: namespace });
  await cluster.until(async () => {
    const { items } = await cluster.client.list(coreV1.namespaces);
    return items.every(n => n.metadata.name !== namespace);
  });
  done(`namespace with ${there} objects deleted`, '≤ 10 s');
  const left = await cluster.client.list(coreV1.configmaps);
  if (left.items.some(o => o.metadata.namespace === namespace)) throw new Error('objects of the namespace are left');
  await cluster.stop();
}

export async function benchSimulation(): Promise<void> {
  await benchReplicas(size('NODES', 1000), size('REPLICAS', 5000));
  await benchNamespace(size('OBJECTS', 10_000));
  await benchDay(size('HOURS', 24));
}
