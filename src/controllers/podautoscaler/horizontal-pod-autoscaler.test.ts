import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import { ref } from '../../api/ref.ts';
import { appsV1, autoscalingV2, coreV1 } from '../../api/refs.ts';
import { internalError } from '../../api/status.ts';
import type { HorizontalPodAutoscaler } from '../../api/type/autoscaling-v2.ts';
import type { PodMetrics } from '../../api/type/metrics-v1beta1.ts';
import type { FakeClient } from '../../client/fake-client.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { writesBut } from '../test-pods.ts';
import { horizontalPodAutoscalerController } from './horizontal-pod-autoscaler.ts';

type Usage = PodMetrics & { readonly metadata: NonNullable<PodMetrics['metadata']> };
const usage = ref<Usage>('metrics.k8s.io', 'v1beta1', 'pods', 'PodMetrics', true);
const epoch = Date.parse('2026-01-01T12:00:00Z');
const before = '2026-01-01T11:00:00Z';

const deployment = (replicas: number, matchLabels: object = { app: 'x' }) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd', namespace: 'a' },
  spec: { replicas, selector: { matchLabels } },
  status: { replicas },
});
const pod = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'a', labels: { app: 'x' } },
  spec: { containers: [{ name: 'c', resources: { requests: { cpu: '100m' } } }] },
  status: {
    phase: 'Running',
    startTime: before,
    conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: before }],
  },
});
const scaler = (more: object = {}, name = 'h') => ({
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name, namespace: 'a', uid: name, generation: 3 },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' },
    minReplicas: 1,
    maxReplicas: 5,
    metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }],
    ...more,
  },
});
/** What metrics-server says. */
const uses = (client: FakeClient, name: string, cpu: string) =>
  client.set(usage, {
    apiVersion: 'metrics.k8s.io/v1beta1',
    kind: 'PodMetrics',
    metadata: { name, namespace: 'a', labels: { app: 'x' } },
    timestamp: '2026-01-01T12:00:00Z',
    window: '15s',
    containers: [{ name: 'c', usage: { cpu } }],
  } as object as Draft<Usage>);
const discovery: Record<string, unknown> = {
  '/apis/apps/v1': {
    groupVersion: 'apps/v1',
    resources: [{ name: 'deployments', kind: 'Deployment', namespaced: true }],
  },
  '/apis/apps': { versions: [{ version: 'v1' }] },
};
function start(objects: object[], prepare: (client: FakeClient) => void = () => {}) {
  return controllerBench([horizontalPodAutoscalerController()], {
    objects: objects as [],
    startMs: epoch,
    prepare(client) {
      const raw = async (path: string) => {
        if (path in discovery) return discovery[path];
        throw new Error('the server could not find the requested resource');
      };
      const as = client.as.bind(client);
      client.as = identity => Object.assign(as(identity), { raw });
      prepare(client);
    },
  });
}
const get = (bench: ControllerBench, name = 'h'): HorizontalPodAutoscaler =>
  bench.client.object(autoscalingV2.horizontalpodautoscalers, `a/${name}`)!;
const conditions = (bench: ControllerBench, name?: string) =>
  (get(bench, name).status?.conditions ?? []).map(c => `${c.type}=${c.status} ${c.reason}: ${c.message}`);
const replicas = (bench: ControllerBench) => bench.client.object(appsV1.deployments, 'a/d')?.spec?.replicas;

describe('horizontal-pod-autoscaler-controller', () => {
  it('scales up by what is used of requests, tells so, and rests', async () => {
    await using bench = await start([deployment(1), pod('p'), scaler()], c => uses(c, 'p', '100m'));
    await bench.advance(15_000);
    assert.equal(replicas(bench), 2);
    assert.deepEqual(bench.events(), [
      'Normal SuccessfulRescale: New size: 2; reason: cpu resource utilization (percentage of request) above target',
    ]);
    const { status } = get(bench);
    assert.deepEqual([status?.currentReplicas, status?.desiredReplicas, status?.observedGeneration], [1, 2, 3]);
    assert.equal(status?.lastScaleTime, '2026-01-01T12:00:15Z');
    assert.deepEqual(status?.currentMetrics, [
      { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 100, averageValue: '100m' } } },
    ]);
    assert.deepEqual(conditions(bench), [
      'AbleToScale=True SucceededRescale: the HPA controller was able to update the target scale to 2',
      'ScalingActive=True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)',
      'ScalingLimited=False DesiredWithinRange: the desired count is within the acceptable range',
    ]);
    bench.client.set(appsV1.deployments, deployment(2) as never);
    bench.client.set(coreV1.pods, pod('q') as never);
    uses(bench.client, 'p', '50m');
    uses(bench.client, 'q', '50m');
    await bench.advance(30_000);
    bench.client.clearActions();
    await bench.advance(600_000);
    assert.deepEqual(writesBut(bench.client), []);
    assert.equal(conditions(bench)[0], 'AbleToScale=True ReadyForNewScale: recommended size matches current size');
  });

  it('tells what it cannot do', async () => {
    const told = async (objects: object[], prepare?: (client: FakeClient) => void) => {
      await using bench = await start(objects, prepare);
      await bench.advance(15_000);
      return bench.events();
    };
    const rescale = await told([deployment(1), pod('p'), scaler()], c => {
      uses(c, 'p', '100m');
      c.failNext('update', appsV1.deployments, internalError('no luck'), { subresource: 'scale' });
    });
    assert.match(
      rescale[0]!,
      /^Warning FailedRescale: New size: 2; reason: cpu resource utilization \(percentage of request\) above target; error: .*no luck/,
    );
    const metric = async (metrics: object[]) => (await told([deployment(1), pod('p'), scaler({ metrics })]))[0];
    const target = { type: 'Value', averageValue: '1', value: '1' };
    const name = { name: 'm' };
    const absent = 'the server could not find the requested resource';
    assert.equal(
      await metric([{ type: 'Pods', pods: { metric: name, target: { ...target, type: 'AverageValue' } } }]),
      `Warning FailedGetPodsMetric: unable to get metric m: unable to fetch metrics from custom metrics API: ${absent}`,
    );
    const external = 'failed to get m external metric: unable to get external metric a/m/nil';
    assert.equal(
      await metric([{ type: 'External', external: { metric: name, target } }]),
      `Warning FailedGetExternalMetric: ${external}: unable to fetch metrics from external metrics API: ${absent}`,
    );
    assert.equal(await metric([{ type: 'Odd' }]), 'Warning InvalidMetricSourceType: unknown metric source type "Odd"');
  });

  it('says why nothing can be known, and goes on asking', async () => {
    await using bench = await start([deployment(1), pod('p'), scaler()]);
    await bench.advance(15_000);
    const why =
      'failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API';
    assert.ok(
      conditions(bench).includes(
        `ScalingActive=False FailedGetResourceMetric: the HPA was unable to compute the replica count: ${why}`,
      ),
      conditions(bench).join('\n'),
    );
    const events = bench.events();
    assert.ok(events.includes(`Warning FailedGetResourceMetric: ${why}`));
    assert.ok(
      events.includes(
        `Warning FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: ${why}`,
      ),
      events.join('\n'),
    );
    bench.client.clearActions();
    await bench.advance(600_000);
    assert.deepEqual(writesBut(bench.client), [], 'what is said already is not written again');
    uses(bench.client, 'p', '100m');
    await bench.advance(15_000);
    assert.equal(replicas(bench), 2);
  });

  it('keeps to its bounds, and rests when the target is switched off', async () => {
    await using over = await start([deployment(9), scaler()]);
    await over.advance(15_000);
    assert.equal(replicas(over), 5);
    assert.deepEqual(over.events(), [
      'Normal SuccessfulRescale: New size: 5; reason: Current number of replicas above Spec.MaxReplicas',
    ]);
    await using off = await start([deployment(0), scaler()]);
    await off.advance(60_000);
    assert.equal(replicas(off), 0);
    assert.ok(
      conditions(off).includes(
        'ScalingActive=False ScalingDisabled: scaling is disabled since the replica count of the target is zero',
      ),
    );
    assert.deepEqual(off.events(), []);
  });

  it('tells of targets that are not there or select nothing, and of two that fight', async () => {
    await using gone = await start([scaler()]);
    await gone.advance(15_000);
    const missing = 'deployments.apps "d" not found';
    assert.deepEqual(gone.events(), [`Warning FailedGetScale: ${missing}`]);
    assert.deepEqual(conditions(gone), [
      `AbleToScale=False FailedGetScale: the HPA controller was unable to get the target's current scale: ${missing}`,
    ]);
    await using blind = await start([deployment(1, {}), scaler()]);
    await blind.advance(15_000);
    assert.ok(blind.events().includes('Warning SelectorRequired: selector is required'));
    await using rivals = await start([deployment(1), pod('p'), scaler(), scaler({}, 'i')], c => uses(c, 'p', '100m'));
    await rivals.advance(31_000);
    const fight = 'pods by selector app=x are controlled by multiple HPAs: [{h a} {i a}]';
    assert.ok(rivals.events().includes(`Warning AmbiguousSelector: ${fight}`), rivals.events().join('\n'));
  });

  it('tells when its status cannot be written', async () => {
    await using bench = await start([deployment(1), pod('p'), scaler()], c => uses(c, 'p', '50m'));
    bench.client.failNext('update', autoscalingV2.horizontalpodautoscalers, internalError('down'));
    await bench.advance(15_000);
    assert.ok(
      bench.events().some(e => e.startsWith('Warning FailedUpdateStatus: ')),
      bench.events().join(),
    );
    await bench.advance(15_000);
    assert.equal(conditions(bench)[1]?.startsWith('ScalingActive=True'), true);
  });
});
