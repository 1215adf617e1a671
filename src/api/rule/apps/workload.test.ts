import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cloneDeep, type KubeObject, type Mutable } from '../../meta.ts';
import type { Strategy } from '../../strategy.ts';
import { workloadStrategies } from '../index-workload.ts';
import { create, ruleContext, update } from '../testing.ts';

const labels = { app: 'a' };
const template = (spec: object = {}) => ({
  metadata: { labels },
  spec: { containers: [{ name: 'c', image: 'nginx:1' }], ...spec },
});
const objectOf = (spec: object = {}) => ({
  metadata: { name: 'x', namespace: 'default', uid: 'u' },
  spec: { selector: { matchLabels: labels }, template: template(), ...spec },
});
const strategyOf = (key: string): Strategy<any> => workloadStrategies[key]!;
const causes = (key: string, spec: object = {}) => create(strategyOf(key), objectOf(spec)).errors;
const stored = (key: string, spec: object = {}): any => {
  const { object } = create(strategyOf(key), objectOf(spec));
  return { ...object, metadata: { ...object.metadata, resourceVersion: '1' } };
};
const changed = (key: string, old: KubeObject, change: (object: any) => void, subresource = '') => {
  const next = cloneDeep(old) as Mutable<KubeObject>;
  change(next);
  return update(strategyOf(key), next, old, ruleContext(subresource));
};

const POD_DEFAULTS = {
  dnsPolicy: 'ClusterFirst',
  restartPolicy: 'Always',
  securityContext: {},
  terminationGracePeriodSeconds: 30,
  schedulerName: 'default-scheduler',
};
const TEMPLATE = {
  metadata: { labels },
  spec: {
    containers: [
      {
        name: 'c',
        image: 'nginx:1',
        imagePullPolicy: 'IfNotPresent',
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
      },
    ],
    ...POD_DEFAULTS,
  },
};
const selector = { matchLabels: labels };

test('deployment defaults', () => {
  const { object, errors } = create(strategyOf('apps/deployments'), objectOf());
  assert.deepEqual(errors, []);
  assert.deepEqual(object.spec, {
    selector,
    template: TEMPLATE,
    replicas: 1,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
  });
  assert.deepEqual(object.status, {});
});

test('stateful set defaults', () => {
  const claim = {
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  };
  const mounts = {
    containers: [{ name: 'c', image: 'nginx:1', volumeMounts: [{ name: 'data', mountPath: '/d' }] }],
  };
  const { object, errors } = create(
    strategyOf('apps/statefulsets'),
    objectOf({ serviceName: 's', volumeClaimTemplates: [claim], template: template(mounts) }),
  );
  assert.deepEqual(errors, []);
  const { template: _, volumeClaimTemplates, ...rest } = object.spec;
  assert.deepEqual(rest, {
    selector,
    serviceName: 's',
    podManagementPolicy: 'OrderedReady',
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
    replicas: 1,
    revisionHistoryLimit: 10,
  });
  assert.deepEqual(volumeClaimTemplates, [
    {
      ...claim,
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      spec: { ...claim.spec, volumeMode: 'Filesystem' },
      status: { phase: 'Pending' },
    },
  ]);
});

test('daemon set defaults and template generation', () => {
  const old = stored('apps/daemonsets');
  const { template: _, ...rest } = old.spec;
  assert.deepEqual(rest, {
    selector,
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
    revisionHistoryLimit: 10,
  });
  const annotation = 'deprecated.daemonset.template.generation';
  assert.equal(old.metadata.annotations[annotation], '1');
  const { object, errors } = changed('apps/daemonsets', old, o => {
    o.spec.template.spec.containers[0].image = 'nginx:2';
    o.metadata.annotations = {};
  });
  assert.deepEqual(errors, []);
  assert.equal(object.metadata.annotations?.[annotation], '2');
});

const table: [name: string, key: string, spec: object, causes: string[]][] = [
  ['no selector', 'apps/deployments', { selector: undefined }, ['spec.selector: Required value']],
  [
    'empty selector',
    'apps/deployments',
    { selector: {} },
    ['spec.selector: Invalid value: {}: empty selector is invalid for deployment'],
  ],
  [
    'selector of something else',
    'apps/deployments',
    { selector: { matchLabels: { app: 'b' } } },
    ['spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'],
  ],
  [
    'negative replicas',
    'apps/deployments',
    { replicas: -1 },
    ['spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
  ],
  [
    'restart policy',
    'apps/deployments',
    { template: template({ restartPolicy: 'Never' }) },
    ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
  ],
  [
    'recreate with rolling update',
    'apps/deployments',
    { strategy: { type: 'Recreate', rollingUpdate: {} } },
    ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
  ],
  [
    'nothing may move',
    'apps/deployments',
    { strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: '0%' } } },
    ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0'],
  ],
  [
    'percentages',
    'apps/deployments',
    { strategy: { rollingUpdate: { maxUnavailable: '101%', maxSurge: 'x' } } },
    [
      "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"x\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
      'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
    ],
  ],
  [
    'deadline before ready',
    'apps/deployments',
    { progressDeadlineSeconds: 5, minReadySeconds: 5 },
    ['spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds'],
  ],
  [
    'pod management policy',
    'apps/statefulsets',
    { podManagementPolicy: 'Some' },
    ["spec.podManagementPolicy: Invalid value: \"Some\": must be 'OrderedReady' or 'Parallel'"],
  ],
  [
    'rolling update of a set updated by hand',
    'apps/statefulsets',
    { updateStrategy: { type: 'OnDelete', rollingUpdate: { partition: 1 } } },
    [
      'spec.updateStrategy.rollingUpdate: Invalid value: {"Partition":1,"MaxUnavailable":null}: only allowed for updateStrategy \'RollingUpdate\'',
    ],
  ],
  [
    'surge and unavailable',
    'apps/daemonsets',
    { updateStrategy: { rollingUpdate: { maxUnavailable: 1, maxSurge: 1 } } },
    ['spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero'],
  ],
  [
    'deadline of a daemon',
    'apps/daemonsets',
    { template: template({ activeDeadlineSeconds: 1 }) },
    ['spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is not Supported'],
  ],
  [
    'template labels',
    'apps/replicasets',
    {
      selector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] },
      template: { ...template(), metadata: { labels: { app: '-' } } },
    },
    [
      "spec.template.labels: Invalid value: \"-\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    ],
  ],
];
for (const [name, key, spec, expected] of table) {
  test(`create ${key}: ${name}`, () => assert.deepEqual(causes(key, spec), expected));
}

test('selectors are immutable', () => {
  for (const key of ['apps/deployments', 'apps/replicasets', 'apps/daemonsets']) {
    const out = changed(key, stored(key), o => {
      o.spec.selector = { matchLabels: { app: 'a', x: 'y' } };
      o.spec.template.metadata.labels.x = 'y';
    }).errors;
    assert.deepEqual(out, ['spec.selector: Invalid value: {"matchLabels":{"app":"a","x":"y"}}: field is immutable']);
  }
});

test('stateful sets change in named fields only', () => {
  const old = stored('apps/statefulsets', { serviceName: 's' });
  assert.deepEqual(
    changed('apps/statefulsets', old, o => {
      o.spec.replicas = 3;
      o.spec.template.spec.containers[0].image = 'nginx:2';
    }).errors,
    [],
  );
  assert.deepEqual(
    changed('apps/statefulsets', old, o => {
      o.spec.serviceName = 't';
    }).errors,
    [
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ],
  );
});

test('status counters are consistent', () => {
  assert.deepEqual(
    changed(
      'apps/deployments',
      stored('apps/deployments'),
      o => {
        o.status = { replicas: 1, readyReplicas: 2, availableReplicas: -1 };
      },
      'status',
    ).errors,
    [
      'status.availableReplicas: Invalid value: -1: must be greater than or equal to 0',
      'status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas',
    ],
  );
});

test('replication controllers take labels and selector from the template', () => {
  const { object, errors } = create(strategyOf('/replicationcontrollers'), objectOf({ selector: undefined }));
  assert.deepEqual(errors, []);
  assert.deepEqual(object.spec.selector, labels);
  assert.deepEqual(object.metadata.labels, labels);
  assert.deepEqual(causes('/replicationcontrollers', { selector: { app: 'b' } }), [
    'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`',
  ]);
});

test('controller revisions keep their data', () => {
  const strategy = strategyOf('apps/controllerrevisions');
  const revision = { metadata: { name: 'r' }, data: { a: 1 }, revision: 1 };
  assert.deepEqual(create(strategy, revision).errors, []);
  assert.deepEqual(create(strategy, { ...revision, revision: -1 }).errors, [
    'revision: Invalid value: -1: must be greater than or equal to 0',
  ]);
  assert.deepEqual(update(strategy, { ...revision, data: { a: 2 } }, revision).errors, [
    'data: Invalid value: {"a":2}: field is immutable',
  ]);
});

test('names that make bad hostnames are warned of', () => {
  const strategy = strategyOf('apps/deployments');
  const object = stored('apps/deployments');
  const dotted = { ...object, metadata: { ...object.metadata, name: 'a.b' } };
  assert.deepEqual(strategy.warnings!(dotted, undefined, ruleContext()), [
    'metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]',
  ]);
  assert.deepEqual(strategy.warnings!(dotted, dotted, ruleContext()), []);
});

test('a stateful set may keep all revisions, and is told so', () => {
  const claims = [
    {
      metadata: { name: 'c' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '100m' } } },
    },
  ];
  const set = create(
    strategyOf('apps/statefulsets'),
    objectOf({ revisionHistoryLimit: -1, volumeClaimTemplates: claims }),
  );
  assert.deepEqual(set.errors, []);
  assert.deepEqual(strategyOf('apps/statefulsets').warnings!(set.object, undefined, ruleContext()), [
    'spec.volumeClaimTemplates[0].resources.requests[storage]: fractional byte value "100m" is invalid, must be an integer',
    'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended',
  ]);
});
