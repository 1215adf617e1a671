import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { appsV1, coordinationV1, coreV1 } from '../../api/refs.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { createCluster } from '../create-cluster.ts';
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
