import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { convert, storedVersion } from './convert.ts';
import { withoutConverted } from './convert-autoscaler.ts';
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
        { type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1Gi' } } },
        { type: 'External', external: { metric: { name: 'q' }, target: { type: 'Value', value: '30' } } },
        {
          type: 'Object',
          object: { describedObject: target, metric: { name: 'r' }, target: { type: 'Value', value: '10' } },
        },
        { type: 'Pods', pods: { metric: { name: 's' }, target: { type: 'AverageValue', averageValue: '5' } } },
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } },
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

const prefix = 'autoscaling.alpha.kubernetes.io/';
const v1 = (annotations: Record<string, string>, spec: object = {}, status: object = {}) =>
  ({
    kind: 'HorizontalPodAutoscaler',
    apiVersion: 'autoscaling/v1',
    metadata: { ...metadata, annotations },
    spec: { scaleTargetRef: target, maxReplicas: 5, ...spec },
    status,
  }) as unknown as KubeObject;

test('the annotations of an autoscaler are what Kubernetes writes and reads', () => {
  const behavior =
    '{"ScaleUp":{"StabilizationWindowSeconds":0,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15}],"Tolerance":null},"ScaleDown":null}';
  const currentMetrics =
    '[{"type":"External","external":{"metricName":"q","metricSelector":{"matchLabels":{"a":"b"}},"currentValue":"0","currentAverageValue":"16m"}},{"type":"Resource","resource":{"name":"cpu","currentAverageUtilization":0,"currentAverageValue":"0"}}]';
  const metrics =
    '[{"type":"Object","object":{"target":{"kind":"Pod","name":"p","apiVersion":"v1"},"metricName":"m","targetValue":"40"}}]';
  const annotations = {
    [`${prefix}metrics`]: metrics,
    [`${prefix}current-metrics`]: currentMetrics,
    [`${prefix}behavior`]: behavior,
  };
  const v2 = convert(v1(annotations), 'autoscaling/v2') as any;
  assert.deepEqual(v2.spec.behavior, {
    scaleUp: {
      stabilizationWindowSeconds: 0,
      selectPolicy: 'Max',
      policies: [{ type: 'Pods', value: 4, periodSeconds: 15 }],
    },
  });
  assert.deepEqual(v2.status.currentMetrics[0].external.current, { averageValue: '16m' });
  assert.deepEqual(convert(v2, 'autoscaling/v1').metadata.annotations, annotations);
  const lower = v1({ [`${prefix}behavior`]: '{"scaleDown":{"stabilizationWindowSeconds":1}}' });
  assert.deepEqual((convert(lower, 'autoscaling/v2') as any).spec.behavior, {
    scaleDown: { stabilizationWindowSeconds: 1 },
  });
  for (const odd of ['[1]', '[{"type":5}]', '"x"', '5', '{'])
    for (const name of Object.keys(annotations)) {
      const { spec, status } = convert(v1({ [name]: odd }), 'autoscaling/v2') as any;
      assert.deepEqual([spec.metrics, spec.behavior, status.currentMetrics], [undefined, undefined, undefined], odd);
    }
});

test('what version 1 itself says of an autoscaler is in version 2, what only it writes is not', () => {
  const memory = '[{"type":"Resource","resource":{"name":"memory","targetAverageUtilization":7}}]';
  const v2 = convert(
    v1(
      { [`${prefix}metrics`]: memory },
      { targetCPUUtilizationPercentage: 60 },
      { currentCPUUtilizationPercentage: 44 },
    ),
    'autoscaling/v2',
  ) as any;
  // The other metrics first.
  assert.deepEqual(
    v2.spec.metrics.map((m: any) => m.resource.name),
    ['memory', 'cpu'],
  );
  assert.deepEqual(v2.status.currentMetrics, [
    { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 44 } } },
  ]);
  const stale = { ...v2, metadata: { ...metadata, annotations: { [`${prefix}behavior`]: '{}', a: 'b' } } };
  assert.deepEqual(Object.keys(convert(stale, 'autoscaling/v1').metadata.annotations!).toSorted(), [
    'a',
    `${prefix}current-metrics`,
    `${prefix}metrics`,
  ]);
  assert.deepEqual(withoutConverted(stale.metadata).annotations, { a: 'b' });
});

test('no autoscaler of version 2 loses anything in version 1', () => {
  const quantity = fc.constantFrom('1', '250m', '3Gi');
  const metric = fc.record(
    { name: fc.constantFrom('m', 'n'), selector: fc.constant({ matchLabels: { a: 'b' } }) },
    { requiredKeys: ['name'] },
  );
  const averageValue = fc.record({ type: fc.constant('AverageValue'), averageValue: quantity });
  const value = fc.record({ type: fc.constant('Value'), value: quantity });
  const utilization = fc.record({ type: fc.constant('Utilization'), averageUtilization: fc.integer({ min: 1 }) });
  const resource = fc.record({ name: fc.constantFrom('cpu', 'memory'), target: fc.oneof(averageValue, utilization) });
  const source = fc.oneof(
    resource.map(r => ({ type: 'Resource', resource: r })),
    resource.map(r => ({ type: 'ContainerResource', containerResource: { ...r, container: 'c' } })),
    fc.record({ metric, target: averageValue }).map(pods => ({ type: 'Pods', pods })),
    fc.record({ metric, target: fc.oneof(value, averageValue) }).map(external => ({ type: 'External', external })),
    fc
      .record({ metric, describedObject: fc.constant(target), target: fc.oneof(value, averageValue) })
      .map(object => ({ type: 'Object', object })),
  );
  const rules = fc.record(
    {
      stabilizationWindowSeconds: fc.integer({ min: 0, max: 3600 }),
      selectPolicy: fc.constantFrom('Max', 'Min', 'Disabled'),
      policies: fc.array(fc.record({ type: fc.constant('Pods'), value: fc.nat(), periodSeconds: fc.nat() })),
      tolerance: quantity,
    },
    { requiredKeys: [] },
  );
  const behavior = fc.record({ scaleUp: rules, scaleDown: rules }, { requiredKeys: [] });
  fc.assert(
    fc.property(fc.array(source, { minLength: 1, maxLength: 5 }), fc.option(behavior), (metrics, b) => {
      const spec = { scaleTargetRef: target, maxReplicas: 5, metrics, ...(b ? { behavior: b } : {}) };
      const v2 = { ...v1({}), apiVersion: 'autoscaling/v2', spec, status: { desiredReplicas: 1 } };
      const back = convert(convert(v2 as any, 'autoscaling/v1'), 'autoscaling/v2') as any;
      // The first share of the processor goes last.
      const first = metrics.findIndex((m: any) => m.resource?.name === 'cpu' && m.resource.target.averageUtilization);
      const order = first < 0 ? metrics : [...metrics.filter((_, i) => i !== first), metrics[first]];
      assert.deepEqual(back.spec, JSON.parse(JSON.stringify({ ...spec, metrics: order })));
    }),
    { numRuns: 50 },
  );
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
