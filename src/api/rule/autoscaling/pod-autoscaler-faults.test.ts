// One fault each, and all that a client is told of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, ruleContext } from '../testing.ts';
import { podAutoscalerStrategy } from './pod-autoscaler.ts';

const told = (spec: object, gates: Record<string, boolean> = {}): string[] =>
  create(
    podAutoscalerStrategy,
    {
      apiVersion: 'autoscaling/v2',
      metadata: { name: 'x', namespace: 'a' },
      spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' }, ...spec },
    },
    ruleContext('', gates),
  ).errors;

test('of replicas and what is scaled', () => {
  assert.deepEqual(told({ minReplicas: 0 }), [
    'spec.minReplicas: Invalid value: 0: must be greater than or equal to 1',
    'spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas',
  ]);
  assert.deepEqual(told({ maxReplicas: 0 }), [
    'spec.maxReplicas: Invalid value: 0: must be greater than 0',
    'spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`',
  ]);
  const gates = { HPAScaleToZero: true };
  assert.deepEqual(told({ minReplicas: -1 }, gates), [
    'spec.minReplicas: Invalid value: -1: must be greater than or equal to 0',
  ]);
  assert.deepEqual(told({ minReplicas: 0 }, gates), [
    'spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas',
  ]);
  const of = (ref: object) => told({ scaleTargetRef: { kind: 'D', name: 'd', ...ref } });
  assert.deepEqual(of({ kind: '' }), ['spec.scaleTargetRef.kind: Required value']);
  assert.deepEqual(of({ name: '' }), ['spec.scaleTargetRef.name: Required value']);
  assert.deepEqual(of({ kind: '..' }), [`spec.scaleTargetRef.kind: Invalid value: "..": may not be '..'`]);
  assert.deepEqual(of({ name: 'a/b' }), [`spec.scaleTargetRef.name: Invalid value: "a/b": may not contain '/'`]);
  assert.deepEqual(of({ apiVersion: 'a/b/c' }), [
    'spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
  ]);
});

const M = 'spec.metrics[0]';
const TYPES = '"ContainerResource", "External", "Object", "Pods", "Resource"';
const UTILIZATION = { type: 'Utilization', averageUtilization: 50 };
const AVERAGE = { type: 'AverageValue', averageValue: '1' };
const describedObject = { kind: 'Service', name: 's' };
const table: [metric: object, told: string[]][] = [
  [{ type: '' }, [`${M}.type: Required value: must specify a metric source type`]],
  [{ type: 'Some' }, [`${M}.type: Unsupported value: "Some": supported values: ${TYPES}`]],
  [{ type: 'Pods' }, [`${M}.pods: Required value: must populate information for the given metric source`]],
  [
    {
      type: 'Resource',
      resource: { name: 'cpu', target: UTILIZATION },
      pods: { metric: { name: 'm' }, target: AVERAGE },
    },
    [`${M}.pods: Forbidden: must populate the given metric source only`],
  ],
  [
    { type: 'Resource', resource: { name: '', target: UTILIZATION } },
    [`${M}.resource.name: Required value: must specify a resource name`],
  ],
  [
    { type: 'ContainerResource', containerResource: { name: 'cpu', container: '', target: UTILIZATION } },
    [`${M}.containerResource.container: Required value: must specify a container`],
  ],
  [
    { type: 'ContainerResource', containerResource: { name: '', container: 'c', target: UTILIZATION } },
    [`${M}.containerResource.name: Required value: must specify a resource name`],
  ],
  [
    { type: 'Resource', resource: { name: 'cpu', target: { type: 'Value', value: '1' } } },
    [
      `${M}.resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization`,
    ],
  ],
  [
    { type: 'Resource', resource: { name: 'cpu', target: { ...AVERAGE, averageUtilization: 5 } } },
    [`${M}.resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization`],
  ],
  [
    { type: 'Resource', resource: { name: 'cpu', target: { type: '', averageUtilization: 5 } } },
    [
      `${M}.resource.target.type: Required value: must specify a metric target type`,
      `${M}.resource.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue`,
    ],
  ],
  [
    { type: 'Resource', resource: { name: 'cpu', target: { type: 'Some', averageUtilization: 5 } } },
    [`${M}.resource.target.type: Invalid value: "Some": must be either Utilization, Value, or AverageValue`],
  ],
  [
    { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 0 } } },
    [`${M}.resource.target.averageUtilization: Invalid value: 0: must be greater than 0`],
  ],
  [
    { type: 'Resource', resource: { name: 'cpu', target: { type: 'AverageValue', averageValue: '-1' } } },
    [`${M}.resource.target.averageValue: Invalid value: "-1": must be positive`],
  ],
  [
    { type: 'Object', object: { describedObject, metric: { name: 'm' }, target: { type: 'Value', value: '0' } } },
    [`${M}.object.target.value: Invalid value: "0": must be positive`],
  ],
  [
    { type: 'Object', object: { describedObject, metric: { name: 'm' }, target: { type: 'Value' } } },
    [`${M}.object.target.averageValue: Required value: must set either a target value or averageValue`],
  ],
  [
    { type: 'Object', object: { describedObject: { kind: 'S' }, metric: { name: 'm' }, target: AVERAGE } },
    [`${M}.object.describedObject.name: Required value`],
  ],
  [
    { type: 'Object', object: { describedObject, metric: { name: '' }, target: AVERAGE } },
    [`${M}.object.metric.name: Required value: must specify a metric name`],
  ],
  [
    { type: 'Pods', pods: { metric: { name: 'a/b' }, target: AVERAGE } },
    [`${M}.pods.metric.name: Invalid value: "a/b": may not contain '/'`],
  ],
  [
    { type: 'Pods', pods: { metric: { name: 'm' }, target: { type: 'Value', value: '1' } } },
    [`${M}.pods.target.averageValue: Required value: must specify a positive target averageValue`],
  ],
  [
    { type: 'External', external: { metric: { name: 'm' }, target: { type: 'Value' } } },
    [
      `${M}.external.target.averageValue: Required value: must set either a target value for metric or a per-pod target`,
    ],
  ],
  [
    { type: 'External', external: { metric: { name: 'm' }, target: { ...AVERAGE, value: '1' } } },
    [`${M}.external.target.value: Forbidden: may not set both a target value for metric and a per-pod target`],
  ],
];
test('of a metric', () => {
  for (const [metric, expected] of table) assert.deepEqual(told({ metrics: [metric] }), expected);
});

test('of how fast it scales', () => {
  const at = 'spec.behavior.scaleUp';
  const up = (rules: object) => told({ behavior: { scaleUp: rules } });
  const policy = (part: object) => up({ policies: [{ type: 'Pods', value: 1, periodSeconds: 1, ...part }] });
  const where = `${at}.policies[0]`;
  assert.deepEqual(up({ stabilizationWindowSeconds: -1 }), [
    `${at}.stabilizationWindowSeconds: Invalid value: -1: must be greater than or equal to zero`,
  ]);
  assert.deepEqual(up({ stabilizationWindowSeconds: 3601 }), [
    `${at}.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600`,
  ]);
  assert.deepEqual(up({ tolerance: '-1' }), [
    `${at}.tolerance: Invalid value: "-1": must be greater than or equal to 0`,
  ]);
  assert.deepEqual(told({ behavior: { scaleDown: { selectPolicy: 'Some' } } }), [
    'spec.behavior.scaleDown.selectPolicy: Unsupported value: "Some": supported values: "Disabled", "Max", "Min"',
  ]);
  assert.deepEqual(up({ policies: [] }), [`${at}.policies: Required value: must specify at least one Policy`]);
  assert.deepEqual(policy({ type: 'Some' }), [
    `${where}.type: Unsupported value: "Some": supported values: "Percent", "Pods"`,
  ]);
  assert.deepEqual(policy({ value: 0 }), [`${where}.value: Invalid value: 0: must be greater than zero`]);
  assert.deepEqual(policy({ periodSeconds: 0 }), [
    `${where}.periodSeconds: Invalid value: 0: must be greater than zero`,
  ]);
  assert.deepEqual(policy({ periodSeconds: 1801 }), [
    `${where}.periodSeconds: Invalid value: 1801: must be less than or equal to 1800`,
  ]);
});
