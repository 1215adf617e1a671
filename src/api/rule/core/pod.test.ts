import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cloneDeep } from '../../meta.ts';
import type { Container, Pod, PodSpec } from '../../type/core-v1.ts';
import { create, ruleContext } from '../testing.ts';
import { podStrategy } from './pod.ts';

import { causes, type Loose, podOf, stored } from './test-pod.ts';

test('a minimal pod gets the defaults of Kubernetes', () => {
  const { object, errors } = create(
    podStrategy,
    podOf({ volumes: [{ name: 'v' }, { name: 's', secret: { secretName: 'x' } }], serviceAccount: 'sa' }),
  );
  assert.deepEqual(errors, []);
  assert.deepEqual(object.spec, {
    containers: [
      {
        name: 'c',
        image: 'nginx',
        imagePullPolicy: 'Always',
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
      },
    ],
    volumes: [
      { name: 'v', emptyDir: {} },
      { name: 's', secret: { secretName: 'x', defaultMode: 420 } },
    ],
    enableServiceLinks: true,
    dnsPolicy: 'ClusterFirst',
    restartPolicy: 'Always',
    securityContext: {},
    terminationGracePeriodSeconds: 30,
    schedulerName: 'default-scheduler',
    serviceAccount: 'sa',
    serviceAccountName: 'sa',
  });
  assert.deepEqual(object.status, { phase: 'Pending', qosClass: 'BestEffort' });
});

test('the pull policy follows the tag', () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  for (const [image, policy] of [
    ['nginx', 'Always'],
    ['nginx:latest', 'Always'],
    ['nginx:1.27', 'IfNotPresent'],
    ['localhost:5000/a/b', 'Always'],
    ['localhost:5000/a/b:v1', 'IfNotPresent'],
    [`nginx@${digest}`, 'IfNotPresent'],
    [`nginx:latest@${digest}`, 'Always'],
    ['Bad Image', 'IfNotPresent'],
  ] as const)
    assert.equal(create(podStrategy, podOf({}, { image })).object.spec.containers[0]!.imagePullPolicy, policy, image);
});

test('defaulting is idempotent', () => {
  const once = stored(
    { hostNetwork: true, volumes: [{ name: 'v', hostPath: { path: '/x' } }] },
    {
      ports: [{ containerPort: 80 }],
      resources: { limits: { cpu: '1' } },
      livenessProbe: { httpGet: { port: 80 } },
      env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
    },
  );
  const twice = cloneDeep(once);
  podStrategy.default!(twice);
  assert.deepEqual(twice, once);
  const c = once.spec.containers[0]!;
  assert.deepEqual(c.ports, [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }]);
  assert.deepEqual(c.resources, { limits: { cpu: '1' }, requests: { cpu: '1' } });
  assert.deepEqual(c.livenessProbe, {
    httpGet: { port: 80, path: '/', scheme: 'HTTP' },
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  });
  assert.equal(c.env![0]!.valueFrom!.fieldRef!.apiVersion, 'v1');
  assert.equal(once.spec.volumes![0]!.hostPath!.type, '');
});

const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

const table: [name: string, spec: Loose<PodSpec>, container: Loose<Container>, causes: string[]][] = [
  ['no containers', { containers: [] }, {}, ['spec.containers: Required value']],
  ['no image', {}, { image: '' }, ['spec.containers[0].image: Required value']],
  [
    'padded image',
    {},
    { image: ' a' },
    ['spec.containers[0].image: Invalid value: " a": must not have leading or trailing whitespace'],
  ],
  ['bad container name', {}, { name: 'C' }, [`spec.containers[0].name: Invalid value: "C": ${LABEL}`]],
  [
    'duplicate names',
    {
      containers: [
        { name: 'a', image: 'x' },
        { name: 'a', image: 'x' },
      ],
    },
    {},
    ['spec.containers[1].name: Duplicate value: "a"'],
  ],
  [
    'init container named like a container',
    { initContainers: [{ name: 'c', image: 'x' }] },
    {},
    ['spec.initContainers[0].name: Duplicate value: "c"'],
  ],
  [
    'probe on an init container',
    { initContainers: [{ name: 'i', image: 'x', livenessProbe: { tcpSocket: { port: 1 } } }] },
    {},
    [
      'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
    ],
  ],
  [
    'probe on a sidecar',
    { initContainers: [{ name: 'i', image: 'x', restartPolicy: 'Always', livenessProbe: { tcpSocket: { port: 1 } } }] },
    {},
    [],
  ],
  [
    'restart policy',
    { restartPolicy: 'Sometimes' },
    {},
    ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'],
  ],
  [
    'volume unknown',
    {},
    { volumeMounts: [{ name: 'v', mountPath: '/x' }] },
    ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
  ],
  [
    'mount path twice',
    { volumes: [{ name: 'v' }] },
    {
      volumeMounts: [
        { name: 'v', mountPath: '/x' },
        { name: 'v', mountPath: '/x' },
      ],
    },
    ['spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/x": must be unique'],
  ],
  [
    'two volume sources',
    { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/x' } }] },
    {},
    ['spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type'],
  ],
  [
    'host path with backsteps and a wrong type',
    { volumes: [{ name: 'v', hostPath: { path: '/x/../y', type: 'Disk' } }] },
    {},
    [
      'spec.volumes[0].hostPath.path: Invalid value: "/x/../y": must not contain \'..\'',
      'spec.volumes[0].hostPath.type: Unsupported value: "Disk": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
    ],
  ],
  [
    'file mode',
    { volumes: [{ name: 'v', configMap: { name: 'm', defaultMode: 512 } }] },
    {},
    [
      'spec.volumes[0].configMap.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive',
    ],
  ],
  [
    'token without account',
    { volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }] },
    {},
    [
      'spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set',
    ],
  ],
  [
    'env from nothing',
    {},
    { env: [{ name: 'A', valueFrom: {} }] },
    [
      'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
    ],
  ],
  [
    'env with value and source',
    {},
    { env: [{ name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] },
    ['spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
  ],
  [
    'env from an unknown field',
    {},
    { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.foo' } } }] },
    [
      'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.foo": error converting fieldPath: field label not supported: metadata.foo',
    ],
  ],
  [
    'env from a subscripted label',
    {},
    { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.labels['a/b']" } } }] },
    [],
  ],
  [
    'request above limit',
    {},
    { resources: { requests: { cpu: '2' }, limits: { cpu: '1500m' } } },
    ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1500m'],
  ],
  [
    'negative memory',
    {},
    { resources: { requests: { memory: '-1' } } },
    ['spec.containers[0].resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0'],
  ],
  [
    'extended resource without limit',
    {},
    { resources: { requests: { 'example.com/gpu': '1' } } },
    ['spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources'],
  ],
  [
    'unknown resource',
    {},
    { resources: { limits: { foo: '1' } } },
    [
      'spec.containers[0].resources.limits[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
      'spec.containers[0].resources.limits[foo]: Invalid value: "foo": must be a standard resource for containers',
      'spec.containers[0].resources.requests[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
      'spec.containers[0].resources.requests[foo]: Invalid value: "foo": must be a standard resource for containers',
    ],
  ],
  [
    'ports',
    {},
    { ports: [{ containerPort: 0 }, { containerPort: 70000 }, { containerPort: 1, name: 'a--b', protocol: 'tcp' }] },
    [
      'spec.containers[0].ports[0].containerPort: Required value',
      'spec.containers[0].ports[1].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
      'spec.containers[0].ports[2].name: Invalid value: "a--b": must not contain consecutive hyphens',
      'spec.containers[0].ports[2].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"',
    ],
  ],
  [
    'host network port mismatch',
    { hostNetwork: true },
    { ports: [{ containerPort: 80, hostPort: 81 }] },
    ['spec.containers[0].ports[0].containerPort: Invalid value: 80: must match `hostPort` when `hostNetwork` is true'],
  ],
  [
    'probe thresholds',
    {},
    { livenessProbe: { exec: { command: [] }, successThreshold: 2, periodSeconds: -1 } },
    [
      'spec.containers[0].livenessProbe.exec.command: Required value',
      'spec.containers[0].livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0',
      'spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1',
    ],
  ],
  [
    'probe without handler',
    {},
    { readinessProbe: {} },
    ['spec.containers[0].readinessProbe: Required value: must specify a handler type'],
  ],
  [
    'security context',
    {},
    { securityContext: { privileged: true, allowPrivilegeEscalation: false, runAsUser: -1 } },
    [
      'spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive',
      'spec.containers[0].securityContext: Invalid value: {"privileged":true,"allowPrivilegeEscalation":false,"runAsUser":-1}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
    ],
  ],
  [
    'seccomp',
    { securityContext: { seccompProfile: { type: 'Localhost' } } },
    {},
    [
      'spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost',
    ],
  ],
  [
    'toleration',
    {
      tolerations: [
        { operator: 'Equal' },
        { key: 'a', operator: 'Exists', tolerationSeconds: 1, effect: 'NoSchedule' },
      ],
    },
    {},
    [
      'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"',
      'spec.tolerations[1].effect: Invalid value: "NoSchedule": effect must be \'NoExecute\' when `tolerationSeconds` is set',
    ],
  ],
  [
    'node affinity',
    {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'Gt', values: [] }] }],
          },
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 0, preference: {} }],
        },
      },
    },
    {},
    [
      "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'",
      'spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must be in the range 1-100',
    ],
  ],
  [
    'topology spread',
    {
      topologySpreadConstraints: [
        { maxSkew: 0, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: {} },
        { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: {} },
      ],
    },
    {},
    [
      'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
      'spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{zone, DoNotSchedule}"',
    ],
  ],
  [
    'dns',
    { dnsPolicy: 'None' },
    {},
    ['spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None'],
  ],
  [
    'deadline',
    { activeDeadlineSeconds: 0 },
    {},
    ['spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive'],
  ],
  [
    'user namespace with the host network',
    { hostUsers: false, hostNetwork: true },
    {},
    ['spec.hostNetwork: Forbidden: when `hostUsers` is false'],
  ],
  [
    'gated and assigned',
    { nodeName: 'n', schedulingGates: [{ name: 'a/b' }] },
    {},
    ['spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared'],
  ],
  [
    'ephemeral container at birth',
    { ephemeralContainers: [{ name: 'e', image: 'x' }] },
    {},
    ['spec.ephemeralContainers: Forbidden: cannot be set on create'],
  ],
];

for (const [name, spec, container, expected] of table) {
  test(`create: ${name}`, () => assert.deepEqual(causes(spec, container), expected));
}

test('the class of service follows requests and limits', () => {
  const qos = (resources: object) => create(podStrategy, podOf({}, { resources })).object.status.qosClass;
  assert.equal(qos({}), 'BestEffort');
  assert.equal(qos({ requests: { cpu: '1' } }), 'Burstable');
  assert.equal(qos({ limits: { cpu: '1' } }), 'Burstable');
  assert.equal(qos({ limits: { cpu: '1', memory: '1Gi' } }), 'Guaranteed');
  assert.equal(qos({ limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1000m' } }), 'Guaranteed');
  assert.equal(qos({ limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1m' } }), 'Burstable');
});

test('pod-level requests default to what containers need', () => {
  const { object, errors } = create(
    podStrategy,
    podOf({ resources: { limits: { cpu: '2', memory: '1Gi' } } }, { resources: { requests: { cpu: '500m' } } }),
  );
  assert.deepEqual(errors, []);
  assert.deepEqual(object.spec.resources, {
    limits: { cpu: '2', memory: '1Gi' },
    requests: { cpu: '500m', memory: '1Gi' },
  });
  assert.equal(object.status.qosClass, 'Burstable');
});

test('gated pods say so, and since when', () => {
  const { status } = stored({ schedulingGates: [{ name: 'a/b' }] });
  assert.deepEqual(status.conditions, [
    {
      type: 'PodScheduled',
      status: 'False',
      lastTransitionTime: '1970-01-01T00:00:00Z',
      reason: 'SchedulingGated',
      message: 'Scheduling is blocked due to non-empty scheduling gates',
    },
  ]);
});

test('matchLabelKeys go into the selector', () => {
  const term = { topologyKey: 'z', labelSelector: {}, matchLabelKeys: ['hash'], mismatchLabelKeys: ['t'] };
  const { object, errors } = create(
    podStrategy,
    podOf(
      { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } },
      {},
      { labels: { hash: 'h', t: 'u' } },
    ),
  );
  assert.deepEqual(errors, []);
  const terms = object.spec.affinity!.podAffinity!.requiredDuringSchedulingIgnoredDuringExecution!;
  assert.deepEqual(terms[0]!.labelSelector, {
    matchExpressions: [
      { key: 'hash', operator: 'In', values: ['h'] },
      { key: 't', operator: 'NotIn', values: ['u'] },
    ],
  });
});

test('labels named like words of JavaScript are labels like others', () => {
  const key = 'constructor';
  const term = { topologyKey: key, labelSelector: { matchLabels: { app: 'a' } }, matchLabelKeys: [key] };
  const match = { matchExpressions: [{ key, operator: 'Exists' }] };
  const { object, errors } = create(
    podStrategy,
    podOf({
      nodeSelector: { [key]: 'a' },
      affinity: {
        podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] },
        nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [match] } },
      },
    }),
  );
  assert.deepEqual(errors, []);
  const terms = object.spec.affinity!.podAffinity!.requiredDuringSchedulingIgnoredDuringExecution!;
  assert.deepEqual(terms[0]!.labelSelector, { matchLabels: { app: 'a' } });
  assert.deepEqual(podStrategy.warnings!(object, undefined, ruleContext()), []);
});

test('a projected volume may have no sources, however that is said', () => {
  for (const projected of [{}, { sources: null }, { sources: [] }])
    assert.deepEqual(causes({ volumes: [{ name: 'v', projected }] }), []);
});

test('grace is for pods that run', () => {
  const grace = (spec: object, status: object, requested?: number) =>
    podStrategy.gracePeriodSeconds!({ spec, status } as Pod, requested);
  assert.equal(grace({ terminationGracePeriodSeconds: 30 }, {}), 0);
  assert.equal(grace({ nodeName: 'n', terminationGracePeriodSeconds: 30 }, {}), 30);
  assert.equal(grace({ nodeName: 'n', terminationGracePeriodSeconds: 30 }, {}, 5), 5);
  assert.equal(grace({ nodeName: 'n', terminationGracePeriodSeconds: -5 }, {}), 1);
  assert.equal(grace({ nodeName: 'n', terminationGracePeriodSeconds: 30 }, { phase: 'Failed' }), 0);
});
