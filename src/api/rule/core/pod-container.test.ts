// What is wrong in containers: environment, ports, mounts, probes, hooks, restarts, resources.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, PodSpec } from '../../type/core-v1.ts';
import { create, ruleContext } from '../testing.ts';
import { podStrategy } from './pod.ts';
import { causes, type Loose, podOf } from './test-pod.ts';

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const ENV_NAME = "a valid environment variable name must consist only of printable ASCII characters other than '='";
const KEY =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const PORT_RANGE = 'must be between 1 and 65535, inclusive';
const BYTES = '1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei';
const SIX =
  '"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"';

/** Cases of one field of the container `c`; what is told starts there. */
function each(field: string, cases: readonly (readonly [object, ...string[]])[], spec: Loose<PodSpec> = {}): void {
  for (const [container, ...expected] of cases)
    assert.deepEqual(
      causes(spec, container as Loose<Container>),
      expected.map(e => `spec.containers[0]${field}${e}`),
      JSON.stringify(container),
    );
}

test('a variable has a name and one source that is whole', () => {
  const from = (valueFrom: object, more: object = {}) => ({ env: [{ name: 'A', valueFrom, ...more }] });
  const ref = (more: object) => from({ fieldRef: { fieldPath: 'metadata.name', ...more } });
  const resource = (more: object) => from({ resourceFieldRef: { resource: 'limits.cpu', ...more } });
  const divided = (name: string) => resource({ resource: name, divisor: '3' });
  const file = (more: object) => from({ fileKeyRef: { volumeName: 'v', key: 'K', path: 'f', ...more } });
  const at = '[0].valueFrom';
  each(
    '.env',
    [
      [{ env: [{ name: '' }] }, '[0].name: Required value'],
      [{ env: [{ name: 'a=b' }] }, `[0].name: Invalid value: "a=b": ${ENV_NAME}`],
      [
        from({ fieldRef: { fieldPath: 'metadata.name' }, secretKeyRef: { name: 's', key: 'k' } }),
        `${at}: Invalid value: "": may not have more than one field specified at a time`,
      ],
      [
        from({ configMapKeyRef: { name: 'M', key: 'k' } }),
        `${at}.configMapKeyRef.name: Invalid value: "M": ${SUBDOMAIN}`,
      ],
      [from({ secretKeyRef: { name: 's', key: '' } }), `${at}.secretKeyRef.key: Required value`],
      [from({ secretKeyRef: { name: 's', key: 'a b' } }), `${at}.secretKeyRef.key: Invalid value: "a b": ${KEY}`],
      [ref({ fieldPath: '' }), `${at}.fieldRef.fieldPath: Required value`],
      [
        ref({ apiVersion: 'v2' }),
        `${at}.fieldRef.fieldPath: Invalid value: "metadata.name": error converting fieldPath: unsupported pod version: v2`,
      ],
      [
        ref({ fieldPath: "metadata.name['a']" }),
        `${at}.fieldRef.fieldPath: Invalid value: "metadata.name['a']": error converting fieldPath: field label does not support subscript: metadata.name['a']`,
      ],
      [
        ref({ fieldPath: "metadata.labels['/a']" }),
        `${at}.fieldRef: Invalid value: "/a": prefix part must be non-empty`,
      ],
      [ref({ fieldPath: "metadata.annotations['A/B']" })],
      [ref({ fieldPath: 'spec.host' })],
      [
        ref({ fieldPath: 'status.phase' }),
        `${at}.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"`,
      ],
      [resource({ resource: '' }), `${at}.resourceFieldRef.resource: Required value`],
      [
        divided('limits.disk'),
        `${at}.resourceFieldRef.resource: Unsupported value: "limits.disk": supported values: ${SIX}`,
      ],
      [
        resource({ resource: 'gpu.hugepages-2Mi' }),
        `${at}.resourceFieldRef.resource: Unsupported value: "gpu.hugepages-2Mi": supported values: ${SIX}`,
      ],
      [resource({ resource: 'requests.hugepages-2Mi', divisor: '1Mi' })],
      [resource({ divisor: '0' })],
      [resource({ divisor: '1m' })],
      ...(
        [
          ['limits.cpu', '1m and 1', 'cpu'],
          ['requests.memory', BYTES, 'memory'],
          ['limits.ephemeral-storage', BYTES, 'local ephemeral storage'],
          ['limits.hugepages-2Mi', BYTES, 'hugepages'],
        ] as const
      ).map(
        ([name, list, said]) =>
          [
            divided(name),
            `${at}.resourceFieldRef.divisor: Invalid value: "${name}": only divisor's values ${list} are supported with the ${said} resource`,
          ] as const,
      ),
      [file({})],
      [file({ volumeName: '' }), `${at}.fileKeyRef.volumeName: Required value`],
      [
        file({ volumeName: 'V' }),
        `${at}.fileKeyRef.volumeName: Invalid value: "V": ${LABEL}`,
        `${at}.fileKeyRef.volumeName: Not found: "V"`,
      ],
      [
        file({ volumeName: 'h' }),
        `${at}.fileKeyRef.volumeName: Invalid value: "h": referenced volume must be of type emptyDir`,
      ],
      [file({ key: '' }), `${at}.fileKeyRef.key: Required value`],
      [file({ key: 'a=b' }), `${at}.fileKeyRef.key: Invalid value: "a=b": ${ENV_NAME}`],
      [file({ path: '' }), `${at}.fileKeyRef.path: Required value`],
      [file({ path: '/a' }), `${at}.fileKeyRef.path: Invalid value: "/a": must be a relative path`],
      [file({ path: '..a' }), `${at}.fileKeyRef.path: Invalid value: "..a": must not start with '..'`],
    ],
    { volumes: [{ name: 'v' }, { name: 'h', hostPath: { path: '/x' } }] },
  );
  // Only what was not defaulted can lack a version.
  const pod = podOf({}, from({ fieldRef: { fieldPath: 'metadata.name' } })) as { spec: PodSpec };
  const { errors } = create(
    {
      ...podStrategy,
      default: p => {
        podStrategy.default!(p);
        delete (p.spec.containers[0]!.env![0]!.valueFrom!.fieldRef as { apiVersion?: string }).apiVersion;
      },
    },
    pod,
  );
  assert.deepEqual(errors, ['spec.containers[0].env[0].valueFrom.fieldRef.apiVersion: Required value']);
});

test('variables taken from a whole object name one', () => {
  each('.envFrom', [
    [{ envFrom: [{ prefix: '=', configMapRef: { name: 'm' } }] }, `[0].prefix: Invalid value: "=": ${ENV_NAME}`],
    [{ envFrom: [{ configMapRef: { name: '' } }] }, '[0].configMapRef.name: Required value'],
    [{ envFrom: [{ secretRef: { name: 'S' } }] }, `[0].secretRef.name: Invalid value: "S": ${SUBDOMAIN}`],
    [{ envFrom: [{}] }, ': Invalid value: "": must specify one of: `configMapRef` or `secretRef`'],
    [
      { envFrom: [{ configMapRef: { name: 'a' }, secretRef: { name: 'b' } }] },
      ': Invalid value: "": may not have more than one field specified at a time',
    ],
  ]);
});

test('ports, policies of messages and of images', () => {
  const ports = (...list: object[]) => ({ ports: list.map(p => ({ containerPort: 80, ...p })) });
  each('', [
    [ports({ name: 'a' }, { name: 'a', containerPort: 81 }), '.ports[1].name: Duplicate value: "a"'],
    [ports({ hostPort: 65536 }), `.ports[0].hostPort: Invalid value: 65536: ${PORT_RANGE}`],
    [ports({ hostPort: 8080 }, { hostPort: 8080 }), '.ports[1].hostPort: Duplicate value: "TCP//8080"'],
    [
      { terminationMessagePolicy: 'Log' },
      '.terminationMessagePolicy: Unsupported value: "Log": supported values: "File", "FallbackToLogsOnError"',
    ],
    [
      { imagePullPolicy: 'Sometimes' },
      '.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
    ],
  ]);
  assert.deepEqual(causes({ initContainers: [{ name: '', image: 'x ' }] }), [
    'spec.initContainers[0].name: Required value',
    'spec.initContainers[0].image: Invalid value: "x ": must not have leading or trailing whitespace',
  ]);
  const bare = { ...podStrategy, default: undefined };
  const { errors } = create(
    bare as unknown as typeof podStrategy,
    podOf({ restartPolicy: 'Always', dnsPolicy: 'Default' }, { ports: [{ containerPort: 80 }] }),
  );
  assert.deepEqual(errors, [
    'spec.containers[0].terminationMessagePolicy: Required value',
    'spec.containers[0].ports[0].protocol: Required value',
    'spec.containers[0].imagePullPolicy: Required value',
  ]);
});

test('mounts', () => {
  const mount = (more: object, rest: object = {}) => ({
    volumeMounts: [{ name: 'v', mountPath: '/v', ...more }],
    ...rest,
  });
  const device = (name: string, devicePath: string) => ({ volumeDevices: [{ name, devicePath }] });
  const only = 'may only be specified when';
  each(
    '.volumeMounts',
    [
      [mount({ name: '' }), '[0].name: Required value', '[0].name: Not found: ""'],
      [mount({ mountPath: '' }), '[0].mountPath: Required value'],
      // Of these Kubernetes names the list.
      [mount({ subPath: '/a' }), '.subPath: Invalid value: "/a": must be a relative path'],
      [mount({ subPathExpr: 'a/../b' }), `.subPathExpr: Invalid value: "a/../b": must not contain '..'`],
      [
        mount({ subPath: 'a', subPathExpr: 'b' }),
        '[0].subPathExpr: Invalid value: "b": subPathExpr and subPath are mutually exclusive',
      ],
      [
        mount({ mountPropagation: 'Both' }),
        '.mountPropagation: Unsupported value: "Both": supported values: "Bidirectional", "HostToContainer", "None"',
      ],
      [
        mount({ mountPropagation: 'Bidirectional' }),
        '.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers',
      ],
      [mount({ mountPropagation: 'Bidirectional' }, { securityContext: { privileged: true } })],
      [
        mount({ recursiveReadOnly: 'Always' }),
        '[0].recursiveReadOnly: Unsupported value: "Always": supported values: "Disabled", "Enabled", "IfPossible"',
      ],
      [mount({ recursiveReadOnly: 'Disabled' })],
      [mount({ recursiveReadOnly: 'Enabled' }), `[0].recursiveReadOnly: Forbidden: ${only} readOnly is true`],
      [
        mount({ recursiveReadOnly: 'IfPossible', readOnly: true, mountPropagation: 'HostToContainer' }),
        `[0].recursiveReadOnly: Forbidden: ${only} mountPropagation is None or not specified`,
      ],
    ],
    { volumes: [{ name: 'v' }] },
  );
  const volumes = [
    { name: 'v', persistentVolumeClaim: { claimName: 'c' } },
    { name: 'w', persistentVolumeClaim: { claimName: 'd' } },
    { name: 'e' },
  ];
  each(
    '',
    [
      [device('v', '/d')],
      [device('', '/d'), '.volumeDevices[0].name: Required value', '.volumeDevices[0].name: Not found: ""'],
      [device('x', '/d'), '.volumeDevices[0].name: Not found: "x"'],
      [
        device('e', '/d'),
        '.volumeDevices[0].name: Invalid value: "e": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode',
      ],
      [device('v', ''), '.volumeDevices[0].devicePath: Required value'],
      [device('v', '/a/..'), `.volumeDevices[0].devicePath: Invalid value: "/a/..": can not contain backsteps ('..')`],
      [
        { volumeDevices: ['/a', '/b'].map(devicePath => ({ name: 'v', devicePath })) },
        '.volumeDevices[1].name: Invalid value: "v": must be unique',
      ],
      [
        { volumeDevices: ['v', 'w'].map(name => ({ name, devicePath: '/a' })) },
        '.volumeDevices[1].devicePath: Invalid value: "/a": must be unique',
      ],
      [
        mount({}, device('v', '/d')),
        '.volumeMounts[0].name: Invalid value: "v": must not already exist in volumeDevices',
        '.volumeDevices[0].name: Invalid value: "v": must not already exist in volumeMounts',
      ],
      [
        mount({}, device('w', '/v')),
        '.volumeMounts[0].mountPath: Invalid value: "/v": must not already exist as a path in volumeDevices',
        '.volumeDevices[0].devicePath: Invalid value: "/v": must not already exist as a path in volumeMounts',
      ],
    ],
    { volumes },
  );
});

test('probes and hooks', () => {
  const http = (more: object) => ({ livenessProbe: { httpGet: { port: 80, ...more } } });
  const exec = { exec: { command: ['x'] } };
  each('', [
    [
      { readinessProbe: { ...exec, terminationGracePeriodSeconds: 3 } },
      '.readinessProbe.terminationGracePeriodSeconds: Invalid value: 3: must not be set for readinessProbes',
    ],
    [
      { livenessProbe: { ...exec, terminationGracePeriodSeconds: 0 } },
      '.livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0',
    ],
    [{ startupProbe: { ...exec, successThreshold: 2 } }, '.startupProbe.successThreshold: Invalid value: 2: must be 1'],
    [
      { livenessProbe: { ...exec, tcpSocket: { port: 1 } } },
      '.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type',
    ],
    [
      http({ scheme: 'FTP' }),
      '.livenessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"',
    ],
    [http({ port: 0 }), `.livenessProbe.httpGet.port: Invalid value: 0: ${PORT_RANGE}`],
    [
      http({ port: 'a--b' }),
      '.livenessProbe.httpGet.port: Invalid value: "a--b": must not contain consecutive hyphens',
    ],
    [{ livenessProbe: { grpc: { port: 70000 } } }, `.livenessProbe.grpc.port: Invalid value: 70000: ${PORT_RANGE}`],
    [
      http({ httpHeaders: [{ name: 'a b', value: 'x' }] }),
      `.livenessProbe.httpGet.httpHeaders: Invalid value: "a b": a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')`,
    ],
    [{ lifecycle: { postStart: { exec: {} } } }, '.lifecycle.postStart.exec.command: Required value'],
    [{ lifecycle: { preStop: {} } }, '.lifecycle.preStop: Required value: must specify a handler type'],
    [{ lifecycle: { preStop: { sleep: { seconds: 30 } } } }],
    ...[-1, 31].map(
      seconds =>
        [
          { lifecycle: { preStop: { sleep: { seconds } } } },
          `.lifecycle.preStop.sleep: Invalid value: ${seconds}: must be non-negative and less than terminationGracePeriodSeconds (30)`,
        ] as const,
    ),
  ]);
  const stop = (os: string | undefined, stopSignal: string) =>
    create(
      podStrategy,
      podOf(os ? { os: { name: os } } : {}, { lifecycle: { stopSignal } }),
      ruleContext('', { ContainerStopSignals: true }),
    ).errors;
  const at = 'spec.containers[0].lifecycle.stopSignal';
  assert.deepEqual(stop('linux', 'SIGRTMIN+15'), []);
  assert.deepEqual(stop('windows', 'SIGTERM'), []);
  assert.deepEqual(stop(undefined, 'SIGTERM'), [
    `${at}: Forbidden: may not be set for containers with empty \`spec.os.name\``,
  ]);
  assert.deepEqual(stop('windows', 'SIGINT'), [
    `${at}: Unsupported value: "SIGINT": supported values: "SIGKILL", "SIGTERM"`,
  ]);
  const [linux, ...more] = stop('linux', 'SIGFOO');
  assert.deepEqual(more, []);
  assert.match(
    linux!,
    /: Unsupported value: "SIGFOO": supported values: "SIGABRT", "SIGALRM", .* "SIGXCPU", "SIGXFSZ"$/,
  );
  assert.equal(linux!.split(', ').length, 65);
});
