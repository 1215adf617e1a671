// Bad input: what can never come right must be told once, and then cost nothing. Each case counts the writes of an hour
// in which nothing changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../src/base/random.ts';
import {
  appsV1,
  autoscalingV2,
  batchV1,
  type Cluster,
  type ClusterIdentity,
  coreV1,
  createCluster,
  createClusterIdentity,
  virtualClock,
} from '../../src/cluster/index.ts';

type Any = any;

const namespace = 'default';
let identity: ClusterIdentity | undefined;

/** Runs `prepare` in a cluster of two nodes, waits, and gives what is still written in an hour. */
async function noise(
  prepare: (client: Any, cluster: Cluster) => Promise<void>,
  check?: (client: Any) => Promise<void>,
): Promise<Record<string, number>> {
  identity ??= await createClusterIdentity(virtualClock(), seededRandom(1));
  const cluster = await createCluster({ nodes: 2, clock: virtualClock(), seed: 1, identity });
  try {
    await cluster.until(
      async () => (await cluster.client.list(coreV1.serviceaccounts, { namespace })).items.length > 0,
    );
    await cluster.advance('20s');
    await prepare(cluster.client, cluster);
    await cluster.advance('30m');
    const written: Record<string, number> = {};
    cluster.faults.observe(({ component, verb, resource, name }) => {
      if (resource === 'leases' || resource === 'nodes/status' || resource === 'serviceaccounts/token') return;
      const what = `${component} ${verb} ${resource} ${name}`;
      written[what] = (written[what] ?? 0) + 1;
    });
    await cluster.advance('1h');
    await check?.(cluster.client);
    return written;
  } finally {
    await cluster.stop();
  }
}

const template = (labels: object, spec: object = {}): Any => ({
  metadata: { labels },
  spec: { containers: [{ name: 'c', image: 'registry.example/i:1' }], ...spec },
});
const workload = (name: string, labels: object, more: object = {}, of: object = {}): Any => ({
  metadata: { name, namespace },
  spec: { replicas: 2, selector: { matchLabels: labels }, template: template(labels, of), ...more },
});

test('two ReplicaSets and a Deployment whose selectors match the same pods', async () => {
  const labels = { app: 'x' };
  const written = await noise(
    async client => {
      await client.create(appsV1.replicasets, workload('a', labels));
      await client.create(appsV1.replicasets, workload('b', labels));
      await client.create(appsV1.deployments, workload('c', labels));
    },
    async client => {
      const pods = (await client.list(coreV1.pods, { namespace })).items;
      assert.equal(pods.length, 6);
    },
  );
  assert.deepEqual(written, {});
});

test('a pod that already has the name of a StatefulSet’s', async () => {
  const written = await noise(async client => {
    await client.create(coreV1.pods, { metadata: { name: 's-0', namespace }, spec: template({}).spec });
    await client.create(appsV1.statefulsets, workload('s', { app: 's' }, { serviceName: 's' }));
  });
  // It tries again, ever more rarely, as Kubernetes does.
  const times = Object.entries(written).filter(([what]) => !what.includes('events'));
  for (const [what, count] of times) assert.ok(count <= 5, `${what}: ${count}`);
});

test('templates that can never run, for no node fits', async () => {
  const written = await noise(
    async client => {
      await client.create(appsV1.deployments, workload('huge', { app: 'h' }, {}, { nodeSelector: { no: 'where' } }));
      await client.create(
        appsV1.daemonsets,
        workload('ds', { app: 'd' }, { replicas: undefined }, { nodeSelector: { no: 'where' } }),
      );
    },
    async client => {
      const { status } = await client.get(appsV1.deployments, { namespace, name: 'huge' });
      const progressing = status.conditions.find((c: Any) => c.type === 'Progressing');
      assert.equal(progressing.reason, 'ProgressDeadlineExceeded');
    },
  );
  // The scheduler looks again every five minutes, and tells again.
  const times = Object.entries(written).filter(
    ([what, n]) => !what.startsWith('kube-scheduler patch events') || n > 12,
  );
  assert.deepEqual(times, []);
});

test('a quota lowered below what is used', async () => {
  const written = await noise(
    async client => {
      await client.create(coreV1.resourcequotas, { metadata: { name: 'q', namespace }, spec: { hard: { pods: '5' } } });
      await client.create(appsV1.replicasets, workload('a', { app: 'a' }, { replicas: 4 }));
      await new Promise(resolve => setImmediate(resolve));
      await client.patch(
        coreV1.resourcequotas,
        { namespace, name: 'q' },
        { type: 'merge', body: { spec: { hard: { pods: '1' } } } },
      );
    },
    async client => {
      const { status } = await client.get(coreV1.resourcequotas, { namespace, name: 'q' });
      assert.deepEqual(status.hard, { pods: '1' });
    },
  );
  for (const [what, count] of Object.entries(written)) assert.ok(count <= 10, `${what}: ${count}`);
});

test('a finalizer nobody removes: on a pod of a deleted Deployment, a Job, a namespace', async () => {
  const written = await noise(async (client, cluster) => {
    const held = workload('held', { app: 'x' });
    held.spec.template.metadata.finalizers = ['example.com/held'];
    await client.create(appsV1.deployments, held);
    await client.create(batchV1.jobs, {
      metadata: { name: 'j', namespace, finalizers: ['example.com/held'] },
      spec: { template: template({}, { restartPolicy: 'Never' }) },
    });
    await cluster.advance('10s');
    await client.delete(appsV1.deployments, { namespace, name: 'held' }, { propagationPolicy: 'Foreground' });
    await client.delete(batchV1.jobs, { namespace, name: 'j' }, { propagationPolicy: 'Foreground' });
  });
  assert.deepEqual(written, {});
});

test('a cron line that never fires, and one far in the future', async () => {
  const written = await noise(async client => {
    for (const [name, schedule] of [
      ['never', '0 0 30 2 *'],
      ['leap', '0 0 29 2 *'],
    ])
      await client.create(batchV1.cronjobs, {
        metadata: { name, namespace },
        spec: { schedule, jobTemplate: { spec: { template: template({}, { restartPolicy: 'Never' }) } } },
      });
  });
  assert.deepEqual(written, {});
});

test('an autoscaler without metrics says so, and changes nothing', async () => {
  const written = await noise(
    async client => {
      await client.create(appsV1.deployments, workload('web', { app: 'w' }));
      await client.create(autoscalingV2.horizontalpodautoscalers, {
        metadata: { name: 'web', namespace },
        spec: {
          scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
          maxReplicas: 5,
          metrics: [
            { type: 'External', external: { metric: { name: 'nothing' }, target: { type: 'Value', value: '1' } } },
          ],
        },
      });
    },
    async client => {
      const { status } = await client.get(autoscalingV2.horizontalpodautoscalers, { namespace, name: 'web' });
      assert.equal(status.conditions.find((c: Any) => c.type === 'ScalingActive').status, 'False');
    },
  );
  // The event is told again as Kubernetes aggregates it: no status, no scale.
  const times = Object.keys(written).filter(what => !/(create|patch) events/.test(what));
  assert.deepEqual(times, []);
});
