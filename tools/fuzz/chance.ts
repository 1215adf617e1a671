// Choices from one seeded source, and what is put in the place of something sensible.
import { seededRandom } from '../../src/base/random.ts';

export interface Chance {
  /** From 0 to below `n`. */
  below(n: number): number;
  /** True once in `n`. */
  once(n: number): boolean;
  pick<T>(items: readonly T[]): T;
}

export function chanceOf(seed: number): Chance {
  const random = seededRandom(seed);
  const below = (n: number) => Math.floor(random.next() * n);
  return { below, once: n => below(n) === 0, pick: items => items[below(items.length)]! };
}

/** The seed of one case: the same for the same run, target and number. */
export function caseSeed(seed: number, target: string, number: number): number {
  let h = (seed ^ 0x811c9dc5) >>> 0;
  for (const c of `${target}/${number}`) h = Math.imul(h ^ c.charCodeAt(0), 0x01000193) >>> 0;
  return h;
}

export const oddTexts: readonly string[] = [
  ...['', ' ', 'a', 'A', '-', '.', '..', '/', '//', '*', '%', '%00', '\0', '\n', '\u2028', 'ü', '😀', '\ud800'],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', 'null', 'true', 'NaN', '$(X)'],
  ...['a/b', 'example.com/a', 'a'.repeat(64), 'a'.repeat(254), 'x'.repeat(5000), '1', '-1', '0', '1e3', '1Gi', '1e999'],
  ...['9223372036854775808', '99999999999999999999999', '0x10', '1.5', '-0', '127.0.0.1', '::1', '::ffff:1.2.3.4/200'],
  ...['10.0.0.0/33', '2026-01-01T00:00:00Z', '2026-13-41T99:99:99Z', '5m', '-5m', '1h1', 'IfNotPresent', 'TCP'],
  ...['(a+)+$', '[', '(?P<n>', 'a{1000}', "'", '"', '`', '{{.}}', '$patch', '/spec', '~', '~2', 'v1', 'default'],
];

/** What some field of some kind takes: so that a value gets further than the first check. */
export const fitTexts: readonly string[] = [
  ...['Always', 'Never', 'OnFailure', 'IfNotPresent', 'TCP', 'UDP', 'SCTP', 'ClusterIP', 'NodePort', 'LoadBalancer'],
  ...['ExternalName', 'None', 'IPv4', 'IPv6', 'FQDN', 'Exact', 'Prefix', 'In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt'],
  ...['NoSchedule', 'NoExecute', 'Recreate', 'RollingUpdate', 'OnDelete', 'Retain', 'Delete', 'ReadWriteOnce', 'Block'],
  ...['Filesystem', 'WaitForFirstConsumer', 'Utilization', 'AverageValue', 'Value', 'Pods', 'Percent', 'Resource'],
  ...['Object', 'External', 'ContainerResource', 'Pod', 'Container', 'PersistentVolumeClaim', 'Fail', 'Ignore', 'Deny'],
  ...['Warn', 'Audit', 'Namespaced', 'Cluster', '*', 'CREATE', 'UPDATE', 'CONNECT', 'Equivalent', 'JSONPatch'],
  ...['ApplyConfiguration', 'IfNeeded', 'User', 'Group', 'ServiceAccount', 'Limited', 'Exempt', 'Queue', 'Reject'],
  ...['ByUser', 'Indexed', 'NonIndexed', 'FailJob', 'FailIndex', 'Count', 'Forbid', 'Replace', 'Etc/UTC', '@every 1m'],
  ...[
    '*/5 * * * *',
    'TZ=UTC 0 0 * * *',
    '0 0 31 2 *',
    'client auth',
    'digital signature',
    'kubernetes.io/kubelet-serving',
  ],
  ...['kubernetes.io/kube-apiserver-client', 'kubernetes.io/service-account-token', 'kubernetes.io/tls'],
  ...['kubernetes.io/dockerconfigjson', 'metadata.name', "metadata.labels['a']", 'limits.cpu', 'requests.memory'],
  ...[
    'Approved',
    'Denied',
    'Failed',
    'True',
    'False',
    'Unknown',
    'Ready',
    'Available',
    'Bound',
    'Running',
    'Succeeded',
  ],
  ...['kubernetes.io/hostname', 'topology.kubernetes.io/zone', 'foregroundDeletion', 'orphan', 'example.com/finalizer'],
  ...[
    '192.0.2.1',
    '2001:db8::1',
    '10.96.0.77',
    '198.51.100.0/24',
    '2001:db8::/64',
    '*.example.com',
    'pods',
    'apps',
    'v1',
  ],
  ...['integer', 'string', 'object', 'array', 'number', 'boolean', 'int32', 'date-time', 'int-or-string', 'set', 'map'],
  ...['ExactCount', 'All', 'AdminAccess', 'ReadOnlyMany', 'Guaranteed', 'BestEffort', 'PriorityClass', 'Terminating'],
  ...[
    'system-node-critical',
    'admissionregistration.k8s.io',
    'rbac.authorization.k8s.io',
    'view',
    'app',
    'http',
    'tmp',
  ],
  ...[
    'Localhost',
    'RuntimeDefault',
    'Unconfined',
    'Bidirectional',
    'HostToContainer',
    'Recursive',
    'Memory',
    'SIGTERM',
  ],
];

/** CEL, and what is almost CEL, for the fields that take it. */
export const expressions: readonly string[] = [
  ...['true', 'false', '1', "'a'", 'self', 'object', 'oldObject', 'self == oldSelf', 'self.x > 1', 'has(self.spec)'],
  ...['object.spec.replicas <= 5', 'object.metadata.name.startsWith("a")', 'request.userInfo.username == ""'],
  ...["device.attributes['example.com'].model == 'a'", "device.driver == 'example.com'", 'params.data.k', '1/0 == 1'],
  ...['self.all(x, x.size() > 0)', 'self.replicas >= self.minReplicas', "variables.a + 'x'", '[1,2].map(x, x)', '(((('],
  ...['Object{spec: Object.spec{replicas: 3}}', "[JSONPatch{op: 'add', path: '/metadata/labels/a', value: 'b'}]"],
  ...[
    "authorizer.group('').resource('pods').check('get').allowed()",
    "namespaceObject.metadata.name == 'x'",
    'dyn({})',
  ],
  ...["Object{metadata: Object.metadata{labels: {'a': 'b'}}}", "[JSONPatch{op: 'remove', path: '/nothing'}]", 'null'],
  ...[
    'self.metadata.name',
    "'%s'.format([self])",
    'string(object.metadata.creationTimestamp)',
    'oldSelf.orValue(self)',
  ],
  ...[
    "self.matches('(a+)+$')",
    'self.x.y.z',
    'object.?spec.?replicas.orValue(1)',
    "quantity(self.q).isLessThan(quantity('1'))",
  ],
];

export const oddNumbers: readonly number[] = [
  ...[0, -0, 1, -1, 2, 7, 80, 255, 256, 65535, 65536, 1e9, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 53],
  ...[2 ** 53 + 2, 2 ** 63, -(2 ** 63), 1e100, 1.5, -0.1, 1e-9, Number.MAX_VALUE, Number.MIN_VALUE],
];

/** Any JSON value. */
export function anyValue(c: Chance, depth = 3): unknown {
  switch (c.below(depth > 0 ? 9 : 6)) {
    case 0:
      return null;
    case 1:
      return c.once(2);
    case 2:
    case 3:
      return c.pick(oddNumbers);
    case 4:
    case 5:
      return c.pick(oddTexts);
    case 6:
    case 7:
      return Array.from({ length: c.below(4) }, () => anyValue(c, depth - 1));
    default: {
      const made: Record<string, unknown> = {};
      for (let i = c.below(4); i > 0; i--)
        Object.defineProperty(made, c.pick(oddTexts), {
          value: anyValue(c, depth - 1),
          ...{ enumerable: true, configurable: true, writable: true },
        });
      return made;
    }
  }
}
