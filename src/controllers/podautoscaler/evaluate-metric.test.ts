import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/meta.ts';
import { ref } from '../../api/ref.ts';
import type { MetricSpec, MetricTarget } from '../../api/type/autoscaling-v2.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { VirtualClock } from '../../base/clock.ts';
import { fakeClient } from '../../client/fake-client.ts';
import { ApiKinds } from './api-kinds.ts';
import { evaluateMetric } from './evaluate-metric.ts';
import { defaultDelays } from './kernel/pod-metric.ts';
import { MetricsSource } from './metrics-source.ts';

const custom = '/apis/custom.metrics.k8s.io/v1beta2/namespaces/a';
const external = '/apis/external.metrics.k8s.io/v1beta1/namespaces/a';
const raw = {
  '/apis/custom.metrics.k8s.io': { versions: [{ version: 'v1beta1' }, { version: 'v1beta2' }] },
  [`${custom}/pods/*/requests?labelSelector=app%3Dx`]: {
    items: [
      { describedObject: { name: 'p0' }, timestamp: '2026-01-01T00:00:00Z', value: '150' },
      { describedObject: { name: 'p1' }, timestamp: '2026-01-01T00:00:00Z', value: '250' },
    ],
  },
  '/apis/networking.k8s.io/v1': {
    resources: [{ name: 'ingresses', kind: 'Ingress', namespaced: true, verbs: ['get'] }],
  },
  '/apis/networking.k8s.io': { versions: [{ version: 'v1' }] },
  [`${custom}/ingresses.networking.k8s.io/main/hits`]: { items: [{ value: '10k' }] },
  [`${external}/depth?labelSelector=queue%3Djobs`]: { items: [{ value: '30' }, { value: '60' }] },
};
const podUsage = ref<KubeObject>('metrics.k8s.io', 'v1beta1', 'pods', 'PodMetrics', true);
const pods = ['p0', 'p1'].map(
  name =>
    ({
      metadata: { name, namespace: 'a', labels: { app: 'x' } },
      spec: { containers: [] },
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    }) as unknown as Pod,
);

function evaluate(spec: MetricSpec, of = pods, usage: readonly object[] = []) {
  const clock = new VirtualClock();
  const client = fakeClient([], { raw, clock });
  for (const item of usage) client.set(podUsage, item as never);
  return evaluateMetric(spec, {
    namespace: 'a',
    selector: 'app=x',
    currentReplicas: 2,
    statusReplicas: 2,
    pods: of,
    tolerances: { up: 0.1, down: 0.1 },
    delays: defaultDelays,
    nowMs: clock.now(),
    source: new MetricsSource(client),
    kinds: new ApiKinds(client, clock),
  });
}

const queue = { name: 'depth', selector: { matchLabels: { queue: 'jobs' } } };

test('metrics of pods', async () => {
  const pods = { metric: { name: 'requests' }, target: { type: 'AverageValue', averageValue: '100' } };
  assert.deepEqual(await evaluate({ type: 'Pods', pods }), {
    replicas: 4,
    name: 'pods metric requests',
    status: { type: 'Pods', pods: { metric: { name: 'requests' }, current: { averageValue: '200' } } },
  });
});

test('metrics of one container in each pod', async () => {
  const container = { name: 'app', resources: { requests: { cpu: '100m' } } };
  const sidecar = { name: 'sidecar', resources: { requests: { cpu: '900m' } } };
  const startTime = '2025-12-31T00:00:00Z';
  const both = pods.map(p => {
    const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: startTime }];
    return {
      ...p,
      spec: { containers: [container, sidecar] },
      status: { ...p.status, startTime, conditions },
    } as unknown as Pod;
  });
  const usage = pods.map(({ metadata: { name } }) => ({
    apiVersion: 'metrics.k8s.io/v1beta1',
    kind: 'PodMetrics',
    metadata: { name, namespace: 'a', labels: { app: 'x' } },
    timestamp: '2026-01-01T00:00:00Z',
    window: '30s',
    containers: [
      { name: 'app', usage: { cpu: '150m', memory: '1Mi' } },
      { name: 'sidecar', usage: { cpu: '1m', memory: '1Mi' } },
    ],
  }));
  const resource = (name: string, target: MetricTarget): MetricSpec => ({
    type: 'ContainerResource',
    containerResource: { name: 'cpu', container: name, target },
  });
  const used = await evaluate(resource('app', { type: 'Utilization', averageUtilization: 50 }), both, usage);
  assert.deepEqual(used, {
    replicas: 6,
    name: 'cpu container resource utilization (percentage of request)',
    status: {
      type: 'ContainerResource',
      containerResource: {
        name: 'cpu',
        container: 'app',
        current: { averageUtilization: 150, averageValue: '150m' },
      },
    },
  });
  const average = await evaluate(resource('app', { type: 'AverageValue', averageValue: '100m' }), both, usage);
  assert.deepEqual([average.replicas, average.name], [3, 'cpu resource']);
  await assert.rejects(
    evaluate(resource('none', { type: 'AverageValue', averageValue: '1' }), both, usage),
    error =>
      (error as { reason?: string }).reason === 'FailedGetContainerResourceMetric' &&
      /container none not present in metrics for pod a\/p0/.test((error as Error).message),
  );
});

test('metrics of an object', async () => {
  const describedObject = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'main' };
  const metric = { name: 'hits' };
  const object = { metric, describedObject, target: { type: 'Value', value: '5k' } };
  const found = await evaluate({ type: 'Object', object });
  assert.deepEqual(
    [found.replicas, found.name, found.status.object?.current],
    [4, 'Ingress metric hits', { value: '10k' }],
  );
  const shared = await evaluate({
    type: 'Object',
    object: { ...object, target: { type: 'AverageValue', averageValue: '1k' } },
  });
  assert.deepEqual(
    [shared.replicas, shared.name, shared.status.object?.current],
    [10, 'external metric hits(nil)', { averageValue: '5k' }],
  );
  await assert.rejects(
    evaluate({ type: 'Object', object: { ...object, metric: { name: 'none' } } }),
    error =>
      (error as { reason?: string }).reason === 'FailedGetObjectMetric' &&
      (error as Error).message.startsWith(
        'unable to get metric none: Ingress on a main/unable to fetch metrics from custom metrics API: ',
      ),
  );
});

test('external metrics', async () => {
  const external = { metric: queue, target: { type: 'AverageValue', averageValue: '30' } };
  const found = await evaluate({ type: 'External', external });
  assert.deepEqual(
    [found.replicas, found.name, found.status.external?.current],
    [
      3,
      'external metric depth(&LabelSelector{MatchLabels:map[string]string{queue: jobs,},MatchExpressions:[]LabelSelectorRequirement{},})',
      { averageValue: '45' },
    ],
  );
  const total = await evaluate({
    type: 'External',
    external: { metric: queue, target: { type: 'Value', value: '30' } },
  });
  assert.deepEqual([total.replicas, total.status.external?.current], [6, { value: '90' }]);
});
