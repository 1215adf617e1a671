import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { appsV1, coordinationV1, coreV1, eventsV1 } from '../../api/refs.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { createCluster, simulated } from '../create-cluster.ts';
import { runControllersAlone, runSchedulerAlone } from './component.ts';

test('controllers and scheduler run beside an API server they reach over HTTPS', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'k8ts-component-'));
  const kubeconfig = join(folder, 'kubeconfig');
  const cluster = await createCluster({ components: [] });
  const stop = new AbortController();
  const context = { clock: systemClock, random: systemRandom, log: silentLog };
  const common = { kubeconfig, statusPort: 0, bindAddress: '127.0.0.1' };
  let running: Promise<unknown> = Promise.resolve();
  try {
    writeFileSync(kubeconfig, (await cluster.listen()).kubeconfig);
    running = Promise.all([
      runControllersAlone(common, context, stop.signal),
      runSchedulerAlone({ ...common, leaderElect: false }, context, stop.signal),
    ]);
    running.catch(() => {});
    const { client } = cluster;
    await client.create(coreV1.nodes, { metadata: { name: 'n' } });
    const status = {
      allocatable: { cpu: '4', memory: '8Gi', pods: '110' },
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'KubeletReady',
          message: '',
          lastHeartbeatTime: new Date(systemClock.now()).toISOString(),
          lastTransitionTime: new Date(systemClock.now()).toISOString(),
        },
      ],
    };
    await client.patch(coreV1.nodes, { name: 'n' }, { type: 'merge', body: { status } }, { subresource: 'status' });
    const labels = { app: 'web' };
    await client.create(appsV1.deployments, {
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'x' }] } },
      },
    });
    const placed = async () =>
      (await client.list(coreV1.pods, { namespace: 'default' })).items.filter(p => p.spec.nodeName === 'n').length ===
      2;
    await cluster.until(placed, '30s');
    const lease = await client.get(coordinationV1.leases, {
      namespace: 'kube-system',
      name: 'kube-controller-manager',
    });
    assert.match(lease.spec?.holderIdentity ?? '', /_[0-9a-f-]{36}$/);
    const owner = (await client.list(appsV1.replicasets, { namespace: 'default' })).items[0]?.metadata.ownerReferences;
    assert.equal(owner?.[0]?.kind, 'Deployment');
  } finally {
    stop.abort();
    await running.catch(() => {});
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

test('two schedulers side by side each place the pods that name them, in the same room', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'k8ts-component-'));
  const [kubeconfig, config] = ['kubeconfig', 'scheduler.yaml'].map(name => join(folder, name)) as [string, string];
  const cluster = await createCluster({ nodes: simulated(1) });
  const stop = new AbortController();
  const context = { clock: systemClock, random: systemRandom, log: silentLog };
  let running: Promise<unknown> = Promise.resolve();
  try {
    writeFileSync(kubeconfig, (await cluster.listen()).kubeconfig);
    writeFileSync(
      config,
      [
        'apiVersion: kubescheduler.config.k8s.io/v1',
        'kind: KubeSchedulerConfiguration',
        'leaderElection: { resourceName: other-scheduler }',
        'profiles: [{ schedulerName: other-scheduler }]',
      ].join('\n'),
    );
    running = runSchedulerAlone({ kubeconfig, config, statusPort: 0, bindAddress: '127.0.0.1' }, context, stop.signal);
    running.catch(() => {});
    const { client } = cluster;
    const node = (await client.list(coreV1.nodes)).items[0]!;
    const cores = Number(node.status?.allocatable?.cpu);
    // Each wants more than half: the second has no room, whoever places it.
    const cpu = String(Math.floor(cores / 2) + 1);
    const make = (name: string, schedulerName?: string) =>
      client.create(coreV1.pods, {
        metadata: { name, namespace: 'default' },
        spec: {
          ...(schedulerName ? { schedulerName } : {}),
          containers: [{ name: 'c', image: 'x', resources: { requests: { cpu } } }],
        },
      });
    const conditionOf = async (name: string) =>
      (await client.get(coreV1.pods, { namespace: 'default', name })).status?.conditions?.find(
        c => c.type === 'PodScheduled',
      );
    await make('theirs', 'other-scheduler');
    await cluster.until(async () => (await conditionOf('theirs'))?.status === 'True', '30s');
    await make('ours');
    await cluster.until(async () => (await conditionOf('ours'))?.status === 'False', '30s');
    assert.match((await conditionOf('ours'))?.message ?? '', /^0\/1 nodes are available: 1 Insufficient cpu\./);
    await client.delete(coreV1.pods, { namespace: 'default', name: 'theirs' }, { gracePeriodSeconds: 0 });
    await cluster.until(async () => (await conditionOf('ours'))?.status === 'True', '30s');
    const by = async (name: string) =>
      (await client.list(eventsV1.events, { namespace: 'default' })).items
        .filter(e => e.reason === 'Scheduled' && e.regarding?.name === name)
        .map(e => e.reportingController);
    await cluster.until(async () => (await by('ours')).length > 0, '30s');
    assert.deepEqual([await by('theirs'), await by('ours')], [['other-scheduler'], ['default-scheduler']]);
  } finally {
    stop.abort();
    await running.catch(() => {});
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
