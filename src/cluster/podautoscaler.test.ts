import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appsV1, autoscalingV2, coreV1 } from '../api/refs.ts';
import type { Cluster } from './create-cluster.ts';
import { createCluster, simulated, virtualClock } from './create-cluster.ts';

const burner = (cpuMilli: number) => ({
  metadata: { name: 'burner', namespace: 'default' },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'burner' } },
    template: {
      metadata: {
        labels: { app: 'burner' },
        annotations: { 'k8ts.local/simulate': JSON.stringify({ cpuMilli }) },
      },
      spec: { containers: [{ name: 'c', image: 'x:1', resources: { requests: { cpu: '100m' } } }] },
    },
  },
});

const autoscaler = {
  metadata: { name: 'burner', namespace: 'default' },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'burner' },
    minReplicas: 1,
    maxReplicas: 5,
    metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }],
  },
};

const read = async (cluster: Cluster) => {
  const { status } = await cluster.client.get(autoscalingV2.horizontalpodautoscalers, {
    namespace: 'default',
    name: 'burner',
  });
  const conditions = (status?.conditions ?? []).map(c => `${c.type}=${c.status} ${c.reason}: ${c.message}`);
  return { status, conditions };
};
const replicas = async (cluster: Cluster) =>
  (await cluster.client.get(appsV1.deployments, { namespace: 'default', name: 'burner' })).spec.replicas;
const events = async (cluster: Cluster) =>
  (await cluster.client.list(coreV1.events, { namespace: 'default' })).items
    .filter(e => e.involvedObject.kind === 'HorizontalPodAutoscaler')
    .map(e => `${e.type} ${e.reason}: ${e.message}`);

test('a busy deployment is scaled up to its limit, an idle one down after five minutes', async () => {
  const cluster = await createCluster({ clock: virtualClock(), nodes: simulated(2), seed: 3 });
  try {
    await cluster.client.create(appsV1.deployments, burner(90));
    await cluster.client.create(autoscalingV2.horizontalpodautoscalers, autoscaler);
    await cluster.advance('8m');
    assert.equal(await replicas(cluster), 5);
    const busy = await read(cluster);
    assert.deepEqual(busy.conditions, [
      'AbleToScale=True ReadyForNewScale: recommended size matches current size',
      'ScalingActive=True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)',
      'ScalingLimited=True TooManyReplicas: the desired replica count is more than the maximum replica count',
    ]);
    assert.deepEqual(busy.status?.currentMetrics, [
      { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 90, averageValue: '90m' } } },
    ]);
    assert.equal(busy.status?.desiredReplicas, 5);
    const told = await events(cluster);
    assert.ok(
      told.includes(
        'Normal SuccessfulRescale: New size: 2; reason: cpu resource utilization (percentage of request) above target',
      ),
      told.join('\n'),
    );

    await cluster.client.update(appsV1.deployments, { ...burner(1), spec: { ...burner(1).spec, replicas: 5 } });
    await cluster.advance('3m');
    assert.equal(await replicas(cluster), 5);
    await cluster.advance('10m');
    assert.equal(await replicas(cluster), 1);
    assert.ok(
      (await events(cluster)).includes('Normal SuccessfulRescale: New size: 1; reason: All metrics below target'),
    );
  } finally {
    await cluster.stop();
  }
});

test('an autoscaler without a target or metrics says so and writes nothing more', async () => {
  const cluster = await createCluster({ clock: virtualClock(), seed: 3 });
  try {
    await cluster.client.create(autoscalingV2.horizontalpodautoscalers, autoscaler);
    await cluster.advance('1m');
    assert.deepEqual((await read(cluster)).conditions, [
      `AbleToScale=False FailedGetScale: the HPA controller was unable to get the target's current scale: deployments.apps "burner" not found`,
    ]);
    await cluster.client.create(appsV1.deployments, burner(1));
    await cluster.advance('1m');
    const { conditions, status } = await read(cluster);
    assert.deepEqual(conditions, [
      "AbleToScale=True SucceededGetScale: the HPA controller was able to get the target's current scale",
      'ScalingActive=False FailedGetResourceMetric: the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API',
    ]);
    assert.ok(
      (await events(cluster)).some(e =>
        e.startsWith(
          'Warning FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics',
        ),
      ),
    );
    const { resourceVersion } = (
      await cluster.client.get(autoscalingV2.horizontalpodautoscalers, { namespace: 'default', name: 'burner' })
    ).metadata;
    await cluster.advance('5m');
    const later = await cluster.client.get(autoscalingV2.horizontalpodautoscalers, {
      namespace: 'default',
      name: 'burner',
    });
    assert.equal(later.metadata.resourceVersion, resourceVersion);
    assert.equal(status?.currentReplicas, 1);
  } finally {
    await cluster.stop();
  }
});
