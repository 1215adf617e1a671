import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTime } from '../../api/meta.ts';
import { builtinResources, readFacts } from '../../api/resource.ts';
import { humanDuration } from './human-duration.ts';
import { printerOf } from './printers.ts';

const now = Date.parse('2026-03-01T12:00:00Z');
const ago = (seconds: number) => formatTime(now - seconds * 1000);
const meta = { name: 'x', namespace: 'ns', creationTimestamp: ago(300) };

interface ColumnsFacts {
  kinds: {
    k: string;
    g: string[];
    unused?: 1;
    extraCells?: string[];
    cols: [string, string, string, number, string, string?][];
  }[];
  default: { kinds: [string, string][]; cols: unknown[] };
}
const facts = readFacts<ColumnsFacts>('columns.json');

// The least that a decoded object of any kind holds.
const bare = {
  metadata: meta,
  spec: {
    containers: [],
    scaleTargetRef: { kind: 'Deployment', name: 'd' },
    schedule: '* * * * *',
    jobTemplate: { spec: {} },
    minReplicas: 1,
    maxReplicas: 1,
    policyName: 'p',
    type: 'ClusterIP',
  },
  status: {},
  handler: 'runc',
  driverName: 'd',
  provisioner: 'p',
  addressType: 'IPv4',
  revision: 1,
};

test('every kind of the facts has cells, as many and of the types its columns say', () => {
  for (const { k, g, cols, unused, extraCells } of facts.kinds) {
    if (unused) continue;
    for (const group of g) {
      const printer = printerOf({ group, kind: k });
      assert.deepEqual(
        printer.columns.map(c => c.name),
        cols.map(c => c[0]),
      );
      const cells = printer.cells((k === 'Status' ? { status: 'Failure' } : bare) as never, now);
      assert.equal(cells.length, cols.length + (extraCells?.length ?? 0), `${k}: number of cells`);
      cols.forEach(([name, type, , , , cellType], i) => {
        const allowed = (cellType ?? type).split('|').map(t => (t === 'integer' ? 'number' : t));
        assert.ok(allowed.includes(typeof cells[i]), `${k}.${name}: ${JSON.stringify(cells[i])} is no ${allowed}`);
      });
    }
  }
});

test('no served kind lacks a printer of its own but those of the default', () => {
  const plain = builtinResources()
    .resources.filter(r => r.verbs.includes('list') && printerOf(r) === printerOf({ group: '', kind: 'Nothing' }))
    .map(r => `${r.group}/${r.kind}`);
  assert.deepEqual([...new Set(plain)].sort(), facts.default.kinds.map(([g, k]) => `${g}/${k}`).sort());
});

test('durations', () => {
  const table: [seconds: number, text: string][] = [
    [-5, '<invalid>'],
    [-1, '0s'],
    [0, '0s'],
    [119, '119s'],
    [120, '2m'],
    [121, '2m1s'],
    [599, '9m59s'],
    [601, '10m'],
    [3 * 3600 - 1, '179m'],
    [3 * 3600, '3h'],
    [3 * 3600 + 61, '3h1m'],
    [8 * 3600, '8h'],
    [48 * 3600 - 1, '47h'],
    [48 * 3600, '2d'],
    [49 * 3600, '2d1h'],
    [8 * 86400, '8d'],
    [729 * 86400, '729d'],
    [730 * 86400, '2y'],
    [731 * 86400, '2y1d'],
    [3000 * 86400, '8y'],
  ];
  for (const [seconds, text] of table) assert.equal(humanDuration(seconds * 1000), text);
});

const ready = { type: 'Ready', status: 'True' };

/** Cells of an object but name and age where they repeat. */
const row = (group: string, kind: string, object: object) =>
  printerOf({ group, kind }).cells({ metadata: meta, ...object } as never, now);

const template = {
  metadata: { labels: { b: '2', a: '1' } },
  spec: {
    containers: [
      { name: 'c', image: 'i:1' },
      { name: 'd', image: 'j' },
    ],
  },
};
const selector = {
  matchLabels: { app: 'web' },
  matchExpressions: [{ key: 'tier', operator: 'In', values: ['b', 'a'] }],
};

test('workloads', () => {
  const status = { replicas: 3, readyReplicas: 2, updatedReplicas: 3, availableReplicas: 2 };
  assert.deepEqual(row('apps', 'Deployment', { spec: { replicas: 3, template, selector }, status }), [
    'x',
    '2/3',
    3,
    2,
    '5m',
    'c,d',
    'i:1,j',
    'app=web,tier in (a,b)',
  ]);
  assert.deepEqual(
    row('apps', 'ReplicaSet', { spec: { replicas: 3, template, selector: {} }, status }).slice(1, 4),
    [3, 3, 2],
  );
  assert.deepEqual(row('apps', 'StatefulSet', { spec: { replicas: 3, template }, status }).slice(1), [
    '2/3',
    '5m',
    'c,d',
    'i:1,j',
  ]);
  assert.equal(row('', 'PodTemplate', { template }).at(-1), 'a=1,b=2');
  const owner = { kind: 'DaemonSet', apiVersion: 'apps/v1', name: 'd', uid: 'u', controller: true };
  assert.deepEqual(
    row('apps', 'ControllerRevision', { metadata: { ...meta, ownerReferences: [owner] }, revision: 4 }),
    ['x', 'daemonset.apps/d', 4, '5m'],
  );
});

test('jobs and cron jobs', () => {
  const job = (spec: object, status: object, metadata = {}) =>
    row('batch', 'Job', { metadata: { ...meta, ...metadata }, spec: { template, ...spec }, status }).slice(1, 4);
  const is = (...types: string[]) => types.map(type => ({ type, status: 'True' }));
  assert.deepEqual(job({ completions: 5 }, { startTime: ago(90), succeeded: 2 }), ['Running', '2/5', '90s']);
  assert.deepEqual(
    job(
      { completions: 1 },
      { startTime: ago(200), completionTime: ago(140), succeeded: 1, conditions: is('Complete') },
    ),
    ['Complete', '1/1', '60s'],
  );
  assert.deepEqual(job({ parallelism: 3 }, {}), ['Running', '0/1 of 3', '']);
  assert.deepEqual(job({ parallelism: 1 }, { conditions: is('Suspended') })[0], 'Suspended');
  assert.deepEqual(job({}, { conditions: is('FailureTarget', 'Failed') })[0], 'Failed');
  assert.deepEqual(job({}, {}, { deletionTimestamp: ago(1) })[0], 'Terminating');
  const cron = (spec: object, status: object) =>
    row('batch', 'CronJob', { spec: { schedule: '@daily', jobTemplate: { spec: { template } }, ...spec }, status });
  assert.deepEqual(cron({ suspend: true }, { active: [{}], lastScheduleTime: ago(60) }).slice(1, 7), [
    '@daily',
    '<none>',
    'True',
    1,
    '60s',
    '5m',
  ]);
  assert.deepEqual(cron({ timeZone: 'Etc/UTC' }, {}).slice(2, 6), ['Etc/UTC', '<unset>', 0, '<none>']);
});

test('autoscalers show two metrics, current against target', () => {
  const resource = (target: object) => ({ type: 'Resource', resource: { name: 'cpu', target } });
  const targets = (metrics: object[], currentMetrics: object[] = []) =>
    row('autoscaling', 'HorizontalPodAutoscaler', {
      spec: { scaleTargetRef: { kind: 'Deployment', name: 'd' }, maxReplicas: 3, metrics },
      status: { currentMetrics },
    })[2];
  assert.equal(targets([]), '<none>');
  assert.equal(targets([resource({ averageUtilization: 80 })]), 'cpu: <unknown>/80%');
  assert.equal(
    targets(
      [resource({ averageUtilization: 80 })],
      [{ type: 'Resource', resource: { current: { averageUtilization: 7 } } }],
    ),
    'cpu: 7%/80%',
  );
  const external = { type: 'External', external: { metric: { name: 'q' }, target: { averageValue: '30' } } };
  assert.equal(
    targets([external, resource({ averageValue: '1' }), external, external]),
    '<unknown>/30 (avg), cpu: <unknown>/1 + 2 more...',
  );
});

test('services, endpoints, ingresses', () => {
  const external = (spec: object, status = {}) => row('', 'Service', { spec, status })[3];
  assert.equal(external({ type: 'ClusterIP' }), '<none>');
  assert.equal(external({ type: 'NodePort', externalIPs: ['1.1.1.1', '2.2.2.2'] }), '1.1.1.1,2.2.2.2');
  assert.equal(external({ type: 'LoadBalancer' }), '<pending>');
  assert.equal(
    external(
      { type: 'LoadBalancer', externalIPs: ['9.9.9.9'] },
      { loadBalancer: { ingress: [{ ip: '3.3.3.3' }, { hostname: 'a.example' }, { ip: '1.1.1.1' }] } },
    ),
    '1.1.1.1,3.3.3.3,a.example,9.9.9.9',
  );
  assert.equal(external({ type: 'ExternalName', externalName: 'db.example' }), 'db.example');
  const ports = [
    { port: 80, nodePort: 30080, protocol: 'TCP' },
    { port: 53, protocol: 'UDP' },
  ];
  assert.deepEqual(
    row('', 'Service', { spec: { type: 'NodePort', clusterIPs: ['10.96.0.1'], ports, selector: { a: 'b' } } }),
    ['x', 'NodePort', '10.96.0.1', '<none>', '80:30080/TCP,53/UDP', '5m', 'a=b'],
  );
  const addresses = ['1', '2', '3', '4'].map(n => ({ ip: `10.0.0.${n}` }));
  const endpoints = (subsets: object[]) => row('', 'Endpoints', { subsets })[1];
  assert.equal(endpoints([]), '<none>');
  assert.equal(
    endpoints([{ addresses, ports: [{ port: 80 }, { port: 443 }] }]),
    '10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 5 more...',
  );
  assert.equal(endpoints([{ addresses: [{ ip: 'fd00::1' }], ports: [{ port: 1 }] }]), '[fd00::1]:1');
  assert.equal(endpoints([{ addresses: addresses.slice(0, 1) }]), '10.0.0.1');
  assert.deepEqual(
    row('discovery.k8s.io', 'EndpointSlice', {
      addressType: 'IPv4',
      ports: [{ port: 80 }, { name: 'any' }, {}],
      endpoints: addresses.map(a => ({ addresses: [a.ip] })),
    }).slice(1, 4),
    ['IPv4', '80,any,*', '10.0.0.1,10.0.0.2,10.0.0.3 + 1 more...'],
  );
  assert.deepEqual(row('networking.k8s.io', 'Ingress', { spec: { rules: [{}], tls: [{}] } }).slice(1, 5), [
    '<none>',
    '*',
    '',
    '80, 443',
  ]);
  const parentRef = { resource: 'services', namespace: 'default', name: 'kubernetes' };
  assert.deepEqual(row('networking.k8s.io', 'IPAddress', { spec: { parentRef } }), [
    'x',
    'services/default/kubernetes',
    '5m',
  ]);
});

test('nodes', () => {
  const node = (labels: object, spec: object, status: object) =>
    row('', 'Node', { metadata: { ...meta, labels }, spec, status });
  const nodeInfo = {
    kubeletVersion: 'v1.36.2',
    osImage: 'Debian',
    kernelVersion: '6.18',
    architecture: 'amd64',
    containerRuntimeVersion: 'containerd://1.6.20',
  };
  const addresses = [
    { type: 'Hostname', address: 'n' },
    { type: 'InternalIP', address: '10.1.1.1' },
  ];
  assert.deepEqual(
    node(
      { 'node-role.kubernetes.io/worker': '', 'kubernetes.io/role': 'edge', 'node-role.kubernetes.io/': '' },
      { unschedulable: true },
      { conditions: [ready], addresses, nodeInfo },
    ).slice(1),
    [
      'Ready,SchedulingDisabled',
      'edge,worker',
      '5m',
      'v1.36.2',
      '10.1.1.1',
      '<none>',
      'Debian',
      '6.18 (amd64)',
      'containerd://1.6.20',
    ],
  );
  assert.deepEqual(node({}, {}, { conditions: [{ type: 'Ready', status: 'Unknown' }] }).slice(1, 3), [
    'NotReady',
    '<none>',
  ]);
  assert.deepEqual(node({}, {}, {}).slice(1), [
    'Unknown',
    '<none>',
    '5m',
    '',
    '<none>',
    '<none>',
    '<unknown>',
    '<unknown>',
    '<unknown>',
  ]);
});

test('volumes, claims, classes', () => {
  const claim = { namespace: 'ns', name: 'c' };
  assert.deepEqual(
    row('', 'PersistentVolume', {
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadOnlyMany', 'ReadWriteOnce'],
        persistentVolumeReclaimPolicy: 'Retain',
        claimRef: claim,
        storageClassName: 'fast',
        volumeMode: 'Filesystem',
      },
      status: { phase: 'Bound' },
    }).slice(1),
    ['1Gi', 'RWO,ROX', 'Retain', 'Bound', 'ns/c', 'fast', '<unset>', '', '5m', 'Filesystem'],
  );
  assert.deepEqual(row('', 'PersistentVolumeClaim', { spec: {}, status: { phase: 'Pending' } }).slice(1), [
    'Pending',
    '',
    '',
    '',
    '',
    '<unset>',
    '5m',
    '<unset>',
  ]);
  const audiences = (tokenRequests?: object[]) => row('storage.k8s.io', 'CSIDriver', { spec: { tokenRequests } })[4];
  assert.deepEqual(
    [audiences(), audiences([{ audience: '' }]), audiences([{ audience: 'a' }, { audience: 'b' }])],
    ['<unset>', '', 'a,b'],
  );
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  assert.deepEqual(row('storage.k8s.io', 'StorageClass', { metadata: { ...meta, annotations }, provisioner: 'p' }), [
    'x (default)',
    'p',
    'Delete',
    'Immediate',
    false,
    '5m',
  ]);
});

test('events, quotas, bindings, certificate requests', () => {
  const event = (over: object) =>
    row('', 'Event', {
      involvedObject: { kind: 'Pod', name: 'p' },
      type: 'Normal',
      reason: 'Started',
      message: ' hello\n',
      source: { component: 'kubelet', host: 'n1' },
      ...over,
    });
  assert.deepEqual(event({ firstTimestamp: ago(600), lastTimestamp: ago(60), count: 3 }), [
    '60s',
    'Normal',
    'Started',
    'pod/p',
    '',
    'kubelet, n1',
    'hello',
    '10m',
    3,
    'x',
  ]);
  const series = { count: 9, lastObservedTime: ago(5) };
  const modern = event({ source: {}, reportingComponent: 'sched', eventTime: ago(70), series });
  assert.deepEqual([modern[0], modern[5], modern[7], modern[8]], ['5s', 'sched', '70s', 9]);
  assert.deepEqual(
    row('', 'ResourceQuota', {
      status: { hard: { pods: '4', 'limits.cpu': '2', cpu: '1', 'limits-x/y': '3' }, used: { pods: '2', cpu: '0' } },
    }).slice(1, 3),
    ['cpu: 0/1, limits-x/y: 0/3, pods: 2/4', 'limits.cpu: 0/2'],
  );
  const subjects = [
    { kind: 'User', name: 'u' },
    { kind: 'ServiceAccount', name: 'a', namespace: 'n' },
    { kind: 'Group', name: 'g' },
    { kind: 'Group', name: 'h' },
  ];
  assert.deepEqual(
    row('rbac.authorization.k8s.io', 'RoleBinding', { roleRef: { kind: 'Role', name: 'r' }, subjects }).slice(1),
    ['Role/r', '5m', 'u', 'g, h', 'n/a'],
  );
  assert.deepEqual(
    row('certificates.k8s.io', 'CertificateSigningRequest', {
      spec: { signerName: 's', username: 'u', expirationSeconds: 3600 },
      status: { conditions: [{ type: 'Approved' }], certificate: 'Zm9v' },
    }).slice(2),
    ['s', 'u', '60m', 'Approved,Issued'],
  );
  const ref = (paramRef?: object) =>
    row('admissionregistration.k8s.io', 'ValidatingAdmissionPolicyBinding', { spec: { policyName: 'p', paramRef } })[2];
  assert.deepEqual([ref(), ref({ name: 'n' }), ref({ name: 'n', namespace: 'm' })], ['<unset>', '*/n', 'm/n']);
});

test('flow schemas are listed in the order they are tried', () => {
  const { compare } = printerOf({ group: 'flowcontrol.apiserver.k8s.io', kind: 'FlowSchema' });
  const schema = (name: string, matchingPrecedence: number) =>
    ({ metadata: { name, uid: '' }, spec: { matchingPrecedence } }) as never;
  const sorted = [schema('c', 5), schema('b', 100), schema('a', 100)].sort(compare!);
  assert.deepEqual(
    sorted.map((s: { metadata: { name: string } }) => s.metadata.name),
    ['c', 'a', 'b'],
  );
});
