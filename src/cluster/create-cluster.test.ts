import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appsV1, coordinationV1, coreV1, createCluster, simulated, virtualClock } from './index.ts';

test('a deployment runs on simulated nodes, on virtual time', async () => {
  const cluster = await createCluster({ nodes: simulated(3), clock: virtualClock(), seed: 1 });
  try {
    const { client } = cluster;
    await cluster.until(async () => (await client.list(coreV1.nodes)).items.length === 3);
    const labels = { app: 'web' };
    await client.create(appsV1.deployments, {
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        replicas: 6,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'web:1' }] } },
      },
    });
    const ready = () =>
      client
        .get(appsV1.deployments, { namespace: 'default', name: 'web' })
        .then(d => (d.status?.readyReplicas === 6 ? d : undefined));
    const startMs = cluster.clock.now();
    await cluster.until(ready, '2m');
    assert.ok(cluster.clock.now() - startMs < 120_000);
    const pods = await client.list(coreV1.pods, { namespace: 'default' });
    assert.deepEqual(new Set(pods.items.map(p => p.spec.nodeName)), new Set(['node-1', 'node-2', 'node-3']));
    await cluster.advance('1h');
    const lease = await client.get(coordinationV1.leases, { namespace: 'kube-node-lease', name: 'node-1' });
    assert.ok(Date.parse(lease.spec?.renewTime ?? '') > startMs + 3_500_000);
  } finally {
    await cluster.stop();
  }
});

test('an idle node reports its status every five minutes, and no more', async () => {
  const cluster = await createCluster({ nodes: 1, clock: virtualClock(), seed: 1 });
  try {
    await cluster.advance('10m');
    let reports = 0;
    cluster.faults.observe(call => {
      if (call.resource === 'nodes/status') reports++;
    });
    await cluster.advance('1h');
    assert.equal(reports, 12);
  } finally {
    await cluster.stop();
  }
});

test('a part that cannot be started or goes no further is told by its name, and nothing hangs', async () => {
  const unknown = { profiles: [{ plugins: { filter: { enabled: [{ name: 'Nope' }] } } }] };
  await assert.rejects(
    createCluster({ clock: virtualClock(), seed: 1, nodes: 1, scheduler: { configuration: unknown } }),
    /^Error: starting the part "scheduler": .*Nope/,
  );
  const broken = () => {
    throw new Error('no license');
  };
  await assert.rejects(
    createCluster({ clock: virtualClock(), seed: 1, nodes: 1, scheduler: { plugins: { Broken: broken } } }),
    /^Error: running the part "scheduler": .*no license/,
  );
  await assert.rejects(createCluster({ clock: virtualClock(), components: ['nothing'] }), /there is no "nothing"/);
});
