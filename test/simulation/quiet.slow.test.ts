// Bad input: what can never come right must be told, and then cost nothing. Each case looks at an hour in which nothing
// changes: nothing may be stored but heartbeats, and events that are told again, as Kubernetes does, at most every five
// minutes about one object (its correlator's rate).
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
  type VirtualClock,
  virtualClock,
} from '../../src/cluster/index.ts';

type Any = any;

const namespace = 'default';
let identity: ClusterIdentity | undefined;

const heartbeats = /^(leases|minions|masterleases)\//;
const eventsPerHour = 12;

/** Runs `prepare` in a cluster of two nodes, waits, and demands an hour of silence; gives the calls it still took. */
async function quiet(
  prepare: (client: Any, cluster: Cluster) => Promise<void>,
  check?: (client: Any) => Promise<void>,
): Promise<Record<string, number>> {
  identity ??= await createClusterIdentity(virtualClock(), seededRandom(1));
  const stored: Record<string, number> = {};
  const called: Record<string, number> = {};
  let listening = false;
  const count = (all: Record<string, number>, what: string) => {
    if (listening) all[what] = (all[what] ?? 0) + 1;
  };
  const onWrite = ({ key }: { key: string }) => count(stored, key.slice('/registry/'.length));
  const cluster = await createCluster({ nodes: 2, clock: virtualClock(), seed: 1, identity, onWrite });
  try {
    await cluster.until(
      async () => (await cluster.client.list(coreV1.serviceaccounts, { namespace })).items.length > 0,
    );
    await cluster.advance('20s');
    await prepare(cluster.client, cluster);
    await cluster.advance('30m');
    listening = true;
    cluster.faults.observe(({ component, verb, resource }) => count(called, `${component} ${verb} ${resource}`));
    await cluster.advance('1h');
    listening = false;
    await check?.(cluster.client);
  } finally {
    await cluster.stop();
  }
  const events = Object.entries(stored).filter(([key]) => key.startsWith('events/'));
  for (const [key, n] of events) assert.ok(n <= eventsPerHour, `${key} was told ${n} times`);
  assert.deepEqual(
    Object.entries(stored).filter(([key]) => !key.startsWith('events/') && !heartbeats.test(key)),
    [],
  );
  return called;
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
  await quiet(
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
});

test('a pod that already has the name of a StatefulSet’s', async () => {
  const called = await quiet(async client => {
    await client.create(coreV1.pods, { metadata: { name: 's-0', namespace }, spec: template({}).spec });
    await client.create(appsV1.statefulsets, workload('s', { app: 's' }, { serviceName: 's' }));
  });
  // It tries in vain again, after a back-off of at most 1000 seconds.
  assert.ok(called['kube-controller-manager/statefulset-controller create pods']! <= 4, JSON.stringify(called));
});

test('templates that can never run, for no node fits', async () => {
  await quiet(
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
});

test('a quota lowered below what is used', async () => {
  await quiet(
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
});

test('a finalizer nobody removes: on a pod of a deleted Deployment, a Job, a namespace', async () => {
  await quiet(async (client, cluster) => {
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
});

test('a cron line that never fires, and one far in the future', async () => {
  await quiet(async client => {
    for (const [name, schedule] of [
      ['never', '0 0 30 2 *'],
      ['leap', '0 0 29 2 *'],
    ])
      await client.create(batchV1.cronjobs, {
        metadata: { name, namespace },
        spec: { schedule, jobTemplate: { spec: { template: template({}, { restartPolicy: 'Never' }) } } },
      });
  });
});

test('an autoscaler without metrics says so, and changes nothing', async () => {
  await quiet(
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
});

test('a clock that jumps, forwards and back: nothing is restarted, lost or started twice', async () => {
  let before: string[] = [];
  let starts = 0;
  const uids = async (client: Any) =>
    (await client.list(coreV1.pods, { namespace })).items.map((p: Any) => p.metadata.uid).sort();
  await quiet(
    async (client, cluster) => {
      await client.create(appsV1.deployments, workload('web', { app: 'w' }));
      await client.create(appsV1.statefulsets, workload('db', { app: 'd' }, { serviceName: 'db' }));
      await cluster.advance('2m');
      before = await uids(client);
      assert.equal(before.length, 4);
      const ends = { metadata: { annotations: { 'k8ts.local/simulate': '{"exitAfterMs":1000}' } } };
      const jobTemplate = { spec: { template: { ...template({}, { restartPolicy: 'Never' }), ...ends } } };
      const cron = { metadata: { name: 'c', namespace }, spec: { schedule: '* * * * *', jobTemplate } };
      await client.create(batchV1.cronjobs, cron);
      cluster.faults.observe(({ verb, resource }) => verb === 'create' && resource === 'jobs' && starts++);
      const clock = cluster.clock as VirtualClock;
      for (const hours of [3, -5, 2]) {
        clock.jump(hours * 3_600_000);
        await cluster.advance('10m');
        for (const { metadata, status } of (await client.list(coreV1.nodes)).items)
          assert.equal(status.conditions.find((c: Any) => c.type === 'Ready').status, 'True', metadata.name);
      }
      // Of the hours left out one start is made up for; what comes a second time was started before.
      assert.ok(starts >= 10 && starts <= 11, `${starts} starts`);
      const pods = await uids(client);
      assert.deepEqual(
        before.filter(uid => !pods.includes(uid)),
        [],
      );
      await client.delete(batchV1.cronjobs, { namespace, name: 'c' }, { propagationPolicy: 'Foreground' });
    },
    async client => assert.deepEqual(await uids(client), before),
  );
});
