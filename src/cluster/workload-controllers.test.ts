import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { appsV1, coreV1 } from '../api/refs.ts';
import { startTestServer } from '../apiserver/test-server.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { createMetrics } from '../base/metrics.ts';
import { systemRandom } from '../base/random.ts';
import type { Client, WatchHandle } from '../client/client.ts';
import type { ControlPlaneContext } from './component-context.ts';
import { createControllers } from './control-plane-controllers.ts';
import { createControlPlaneScheduler } from './control-plane-scheduler.ts';
import { createSimulatedNodes } from './simulated-nodes.ts';

/** Resolves once `name` is as wanted. */
function seen(client: Client, ref: ResourceRef<any>, name: string, wanted: (object: any) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let handle: WatchHandle | undefined;
    const namespace = ref.namespaced ? { namespace: 'default' } : {};
    handle = client.watch<KubeObject>(ref, namespace, {
      onEvent(type, object) {
        if (type === 'BOOKMARK' || object.metadata.name !== name || !wanted(object)) return;
        handle?.stop();
        resolve();
      },
      onClose: error => reject(error ?? new Error('the watch has ended')),
    });
  });
}

const spec = (app: string, image: string, more: object = {}) => ({
  selector: { matchLabels: { app } },
  template: { metadata: { labels: { app } }, spec: { containers: [{ name: 'c', image }] } },
  ...more,
});

const isObserved = (o: any) => o.status.observedGeneration === o.metadata.generation;

test('workloads are created and rolled out through the API server, each controller with its own rights', {
  timeout: 30_000,
}, async () => {
  const { server, ca, stop } = await startTestServer();
  const abort = new AbortController();
  const config = { simulatedNodes: 2, serviceCidr: '10.96.0.0/12', clusterDomain: 'cluster.local', maxPods: 110 };
  const context = {
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    metrics: createMetrics(),
    clusterCa: ca,
    config: { ...config, podCidr: '10.244.0.0/16' },
    client: (identity: Parameters<ControlPlaneContext['client']>[0]) => server.client(identity),
  } as unknown as ControlPlaneContext;
  const parts = [createControllers(context), await createControlPlaneScheduler(context), createSimulatedNodes(context)];
  const running = Promise.all(parts.map(p => p.run(abort.signal)));
  try {
    const client = server.client({ userAgent: 'test' });
    await seen(client, coreV1.serviceaccounts, 'default', () => true);
    const workloads: [ResourceRef<any>, string, object, (o: any) => boolean][] = [
      [
        appsV1.deployments,
        'web',
        { replicas: 3 },
        ({ status: s }) => s.updatedReplicas === 3 && s.availableReplicas === 3 && s.replicas === 3,
      ],
      [appsV1.daemonsets, 'agent', {}, ({ status: s }) => s.updatedNumberScheduled === 2 && s.numberAvailable === 2],
      [
        appsV1.statefulsets,
        'db',
        { replicas: 2, serviceName: 'db' },
        ({ status: s }) =>
          s.updatedReplicas === 2 && s.availableReplicas === 2 && s.currentRevision === s.updateRevision,
      ],
    ];
    await Promise.all(
      workloads.map(async ([ref, name, more, isDone]) => {
        const key = { namespace: 'default', name };
        await client.create(ref, { metadata: key, spec: spec(name, 'one', more) } as object);
        await seen(client, ref, name, o => isObserved(o) && isDone(o));
        await client.patch(ref, key, { type: 'strategic', body: { spec: spec(name, 'two') } });
        await seen(client, ref, name, o => isObserved(o) && isDone(o));
      }),
    );
    const pods = await client.list(coreV1.pods, { namespace: 'default' });
    const alive = pods.items.filter(p => !p.metadata.deletionTimestamp);
    assert.deepEqual(alive.map(p => `${p.metadata.labels!.app} ${p.spec.containers[0]!.image}`).sort(), [
      'agent two',
      'agent two',
      'db two',
      'db two',
      'web two',
      'web two',
      'web two',
    ]);
    const revisions = await client.list(appsV1.controllerrevisions, { namespace: 'default' });
    assert.deepEqual(revisions.items.map(r => `${r.metadata.ownerReferences![0]!.kind} ${r.revision}`).sort(), [
      'DaemonSet 1',
      'DaemonSet 2',
      'StatefulSet 1',
      'StatefulSet 2',
    ]);
  } finally {
    abort.abort();
    await running;
    await stop();
  }
});
