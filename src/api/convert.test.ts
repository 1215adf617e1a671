import assert from 'node:assert/strict';
import { test } from 'node:test';
import { convert, storedVersion } from './convert.ts';
import type { KubeObject } from './meta.ts';

const metadata = { name: 'x', namespace: 'n', uid: 'u' };

test('events change their names both ways', () => {
  const core = {
    kind: 'Event',
    apiVersion: 'v1',
    metadata,
    involvedObject: { kind: 'Pod', name: 'p' },
    reason: 'Started',
    message: 'hello',
    source: { component: 'kubelet' },
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:00Z',
    count: 2,
    type: 'Normal',
    reportingComponent: 'kubelet',
  } as unknown as KubeObject;
  const modern = convert(core, 'events.k8s.io/v1') as unknown as Record<string, unknown>;
  assert.equal(modern.note, 'hello');
  assert.deepEqual(modern.regarding, { kind: 'Pod', name: 'p' });
  assert.equal(modern.deprecatedCount, 2);
  assert.equal(modern.reportingController, 'kubelet');
  assert.deepEqual(convert(modern as unknown as KubeObject, 'v1'), core);
});

const target = { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' };

test('an autoscaler keeps in annotations what version 1 has no field for', () => {
  const v2 = {
    kind: 'HorizontalPodAutoscaler',
    apiVersion: 'autoscaling/v2',
    metadata,
    spec: {
      scaleTargetRef: target,
      minReplicas: 1,
      maxReplicas: 5,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } },
        { type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1Gi' } } },
        { type: 'External', external: { metric: { name: 'q' }, target: { type: 'Value', value: '30' } } },
        {
          type: 'Object',
          object: { describedObject: target, metric: { name: 'r' }, target: { type: 'Value', value: '10' } },
        },
        { type: 'Pods', pods: { metric: { name: 's' }, target: { type: 'AverageValue', averageValue: '5' } } },
      ],
      behavior: { scaleDown: { stabilizationWindowSeconds: 60 } },
    },
    status: { currentReplicas: 2, desiredReplicas: 3, conditions: [{ type: 'AbleToScale', status: 'True' }] },
  };
  const v1 = convert(v2 as unknown as KubeObject, 'autoscaling/v1') as any;
  assert.equal(v1.spec.targetCPUUtilizationPercentage, 70);
  assert.equal(v1.spec.metrics, undefined);
  const kept = JSON.parse(v1.metadata.annotations['autoscaling.alpha.kubernetes.io/metrics']);
  assert.deepEqual(kept[0], { type: 'Resource', resource: { name: 'memory', targetAverageValue: '1Gi' } });
  assert.deepEqual(kept[1], { type: 'External', external: { metricName: 'q', targetValue: '30' } });
  assert.deepEqual(convert(v1, 'autoscaling/v2'), v2);
});

test('only kinds of several forms are converted', () => {
  assert.equal(storedVersion({ group: '', version: 'v1', resource: 'events' }), undefined);
  assert.equal(storedVersion({ group: 'events.k8s.io', version: 'v1', resource: 'events' }), 'v1');
  const hpa = { group: 'autoscaling', resource: 'horizontalpodautoscalers' };
  assert.equal(storedVersion({ ...hpa, version: 'v2' }), undefined);
  assert.equal(storedVersion({ ...hpa, version: 'v1' }), 'autoscaling/v2');
});

test('devices and requests are one piece in v1beta1 and two later', () => {
  const early = (kind: string, spec: object) =>
    ({ kind, apiVersion: 'resource.k8s.io/v1beta1', metadata, spec }) as unknown as KubeObject;
  const firstAvailable = [{ name: 's', deviceClassName: 'c' }];
  const asked = { deviceClassName: 'c', allocationMode: 'ExactCount', count: 2 };
  const claim = early('ResourceClaim', {
    devices: {
      requests: [
        { name: 'r', ...asked },
        { name: 'f', firstAvailable },
      ],
    },
  });
  const spec = {
    devices: {
      requests: [
        { name: 'r', exactly: asked },
        { name: 'f', firstAvailable },
      ],
    },
  };
  const device = { attributes: { a: { int: 1 } }, taints: [] };
  const slice = early('ResourceSlice', { driver: 'd', devices: [{ name: 'x', basic: device }] });
  for (const version of ['resource.k8s.io/v1', 'resource.k8s.io/v1beta2']) {
    const now = convert(claim, version) as unknown as { spec: object };
    assert.deepEqual(now.spec, spec);
    assert.deepEqual(convert(now as unknown as KubeObject, 'resource.k8s.io/v1beta1'), claim);
    const template = convert(early('ResourceClaimTemplate', { spec: (claim as any).spec }), version) as any;
    assert.deepEqual(template.spec.spec, spec);
    const there = convert(slice, version) as any;
    assert.deepEqual(there.spec.devices, [{ name: 'x', ...device }]);
    assert.deepEqual(convert(there, 'resource.k8s.io/v1beta1'), slice);
  }
});
