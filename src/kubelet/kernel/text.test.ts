// Golden tables of the small kernels.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseQuantity } from '../../api/quantity.ts';
import type { Container, Pod, Service } from '../../api/type/core-v1.ts';
import { formatDuration, milliOf, numberOf } from './amount.ts';
import { containerBackOff, nextBackOff, remainingBackOff } from './back-off.ts';
import { parseResolvConf, podDns, podHostname } from './dns.ts';
import { formatMap, resourceValue } from './downward.ts';
import { makeEnv, parseEnvFile } from './env.ts';
import { rankForEviction } from './eviction.ts';
import { expand } from './expansion.ts';
import { credentialsFor, keyringOf, parseImageName, withDefaultTag } from './image-name.ts';
import { initialProbeState, nextProbeState } from './probe.ts';
import { containerCgroup, cpuShares, oomScoreAdjust, podTotal, qosClassOf, withPodLimits } from './qos.ts';
import { verifyNonRoot } from './security.ts';
import { serviceEnv } from './service-env.ts';

const pod = (spec: object, metadata: object = {}) =>
  ({
    metadata: { name: 'p', namespace: 'n', uid: 'u', ...metadata },
    spec: { containers: [], ...spec },
    status: {},
  }) as unknown as Pod;
const limits = (requests: object | undefined, lim: object | undefined) =>
  ({ name: 'c', resources: { ...(requests ? { requests } : {}), ...(lim ? { limits: lim } : {}) } }) as Container;

test('$(VAR) expansion', () => {
  const env = new Map([
    ['A', '1'],
    ['EMPTY', ''],
  ]);
  const table = [
    ['$(A)', '1'],
    ['x$(A)y', 'x1y'],
    ['$$(A)', '$(A)'],
    ['$(NONE)', '$(NONE)'],
    ['$(EMPTY)', ''],
    ['$A', '$A'],
    ['$', '$'],
    ['$(A', '$(A'],
    ['$$$(A)', '$1'],
    ['$$$$(A)', '$$(A)'],
  ];
  for (const [input, want] of table)
    assert.equal(
      expand(input!, n => env.get(n)),
      want,
      input!,
    );
});

test('durations as Go writes them', () => {
  const table: readonly (readonly [number, string])[] = [
    [0, '0s'],
    [350, '350ms'],
    [1500, '1.5s'],
    [10_000, '10s'],
    [80_000, '1m20s'],
    [300_000, '5m0s'],
    [3_600_000, '1h0m0s'],
  ];
  for (const [ms, want] of table) assert.equal(formatDuration(ms), want);
});

test('quantities as numbers agree with the exact ones', () => {
  const text = fc
    .tuple(fc.integer({ min: 0, max: 99_999 }), fc.constantFrom('', 'm', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'e3'))
    .map(([n, s]) => `${n}${s}`);
  fc.assert(
    fc.property(text, q => {
      const exact = parseQuantity(q).toString();
      assert.ok(Math.abs(numberOf(q) - numberOf(exact)) <= 1e-9 * Math.max(1, numberOf(q)), q);
    }),
  );
  assert.equal(milliOf('100m'), 100);
  assert.equal(milliOf('0.1'), 100);
});

test('classes of service, shares, oom scores', () => {
  const both = { cpu: '1', memory: '1Gi' };
  assert.equal(qosClassOf(pod({ containers: [limits(both, both)] })), 'Guaranteed');
  assert.equal(qosClassOf(pod({ containers: [limits(undefined, both)] })), 'Guaranteed');
  assert.equal(qosClassOf(pod({ containers: [limits({ cpu: '1' }, undefined)] })), 'Burstable');
  assert.equal(qosClassOf(pod({ containers: [limits(both, both), limits(undefined, undefined)] })), 'Burstable');
  assert.equal(qosClassOf(pod({ containers: [limits(undefined, undefined)] })), 'BestEffort');
  assert.deepEqual([cpuShares(0), cpuShares(100), cpuShares(1000)], [2, 102, 1024]);
  assert.equal(containerCgroup({ limits: { cpu: '500m' } }).cpuQuotaUs, 50_000);
  const podLevel = { containers: [], resources: { limits: { cpu: '600m', memory: '64Mi' } } };
  assert.deepEqual(containerCgroup(withPodLimits(podLevel, { limits: { memory: '1Mi' }, requests: { cpu: '1' } })), {
    cpuShares: 1024,
    cpuQuotaUs: 60_000,
    cpuPeriodUs: 100_000,
    memoryBytes: 1 << 20,
  });
  assert.equal(containerCgroup(withPodLimits(podLevel, undefined)).memoryBytes, 64 << 20);
  assert.equal(withPodLimits({ containers: [] }, undefined), undefined);
  const capacity = 4 * 2 ** 30;
  const burstable = pod({ containers: [limits({ memory: '1Gi' }, undefined)] });
  assert.equal(oomScoreAdjust(burstable, burstable.spec.containers[0]!, capacity), 750);
  const best = pod({ containers: [limits(undefined, undefined)] });
  assert.equal(oomScoreAdjust(best, best.spec.containers[0]!, capacity), 1000);
});

test('a pod asks for the larger of its steps', () => {
  const c = (cpu: string, restartPolicy?: string) => ({ ...limits({ cpu }, undefined), restartPolicy });
  const spec = pod({ initContainers: [c('300m', 'Always'), c('2')], containers: [c('500m')] }).spec;
  assert.equal(podTotal(spec, 'requests', 'cpu'), 2300);
});

test('back-off doubles to its maximum and begins anew after a quiet time', () => {
  let entry = nextBackOff(undefined, 0, 0, containerBackOff);
  const seen = [entry.delayMs];
  for (let i = 0; i < 6; i++) {
    entry = nextBackOff(entry, entry.atMs, entry.atMs, containerBackOff);
    seen.push(entry.delayMs);
  }
  assert.deepEqual(seen, [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
  assert.equal(remainingBackOff(entry, 1000, 2000, containerBackOff), 299_000);
  assert.equal(nextBackOff(entry, 600_001, 600_001, containerBackOff).delayMs, 10_000);
});

test('probe thresholds', () => {
  const probe = { failureThreshold: 3, successThreshold: 2 };
  let state = initialProbeState('readiness');
  const verdicts = [...'++-+++---'].map(c => {
    state = nextProbeState(state, c === '+' ? 'success' : 'failure', probe);
    return state.verdict === 'success' ? 'T' : 'F';
  });
  assert.equal(verdicts.join(''), 'FTTTTTTTF');
});

test('image names', () => {
  assert.equal(withDefaultTag('nginx'), 'nginx:latest');
  assert.equal(withDefaultTag('host:5000/a/b'), 'host:5000/a/b:latest');
  assert.equal(withDefaultTag('nginx:1'), 'nginx:1');
  const digest = `nginx@sha256:${'a'.repeat(64)}`;
  assert.equal(withDefaultTag(digest), digest);
  assert.deepEqual(parseImageName('Bad//Name'), { error: 'invalid reference format' });
  assert.deepEqual(parseImageName('Nginx'), { error: 'invalid reference format: repository name must be lowercase' });
});

test('pull secrets: the most specific first, hub aliases, wildcards', () => {
  const auth = (name: string) => ({ auth: btoa(`${name}:pw`) });
  const text = JSON.stringify({
    auths: {
      'reg.example.com': auth('host'),
      'reg.example.com/team': auth('team'),
      '*.wild.io': auth('wild'),
      'https://index.docker.io/v1/': auth('hub'),
    },
  });
  const ring = [keyringOf('kubernetes.io/dockerconfigjson', text)];
  const users = (image: string) => credentialsFor(image, ring).map(c => c.username);
  assert.deepEqual(users('reg.example.com/team/app:1'), ['team', 'host']);
  assert.deepEqual(users('reg.example.com/teams/app'), ['host']);
  assert.deepEqual(users('a.wild.io/x'), ['wild']);
  assert.deepEqual(users('a.b.wild.io/x'), []);
  assert.deepEqual(users('nginx'), ['hub']);
});

test('resolv.conf by policy', () => {
  const host = parseResolvConf('nameserver 192.0.2.1 # x\nsearch corp.example\noptions rotate\n');
  const dns = (spec: object) =>
    podDns({ pod: pod(spec), host, clusterDns: ['10.96.0.10'], clusterDomain: 'cluster.local' }).config;
  const cluster = {
    nameservers: ['10.96.0.10'],
    searches: ['n.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'corp.example'],
    options: ['ndots:5'],
  };
  assert.deepEqual(dns({}), cluster);
  assert.deepEqual(dns({ hostNetwork: true }), host);
  assert.deepEqual(dns({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }), cluster);
  assert.deepEqual(
    dns({ dnsPolicy: 'None', dnsConfig: { nameservers: ['1.1.1.1'], options: [{ name: 'ndots', value: '2' }] } }),
    { nameservers: ['1.1.1.1'], searches: [], options: ['ndots:2'] },
  );
});

test('hostnames', () => {
  assert.equal(podHostname(pod({}, { name: `${'a'.repeat(62)}-b` }), 'd').hostname, 'a'.repeat(62));
  assert.deepEqual(podHostname(pod({ hostname: 'h', subdomain: 's', setHostnameAsFQDN: true }), 'd'), {
    hostname: 'h.s.n.svc.d',
    domain: 's.n.svc.d',
  });
});

test('service variables', () => {
  const service = (namespace: string, name: string, clusterIP: string) =>
    ({
      metadata: { name, namespace },
      spec: { clusterIP, ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
    }) as unknown as Service;
  const all = [
    service('default', 'kubernetes', '10.0.0.1'),
    service('n', 'my-db', '10.0.0.2'),
    service('n', 'headless', 'None'),
  ];
  assert.deepEqual(
    serviceEnv(all, 'n', true)
      .filter(e => e.name.startsWith('MY_DB'))
      .map(e => `${e.name}=${e.value}`),
    [
      'MY_DB_SERVICE_HOST=10.0.0.2',
      'MY_DB_SERVICE_PORT=80',
      'MY_DB_SERVICE_PORT_HTTP=80',
      'MY_DB_PORT=tcp://10.0.0.2:80',
      'MY_DB_PORT_80_TCP=tcp://10.0.0.2:80',
      'MY_DB_PORT_80_TCP_PROTO=tcp',
      'MY_DB_PORT_80_TCP_PORT=80',
      'MY_DB_PORT_80_TCP_ADDR=10.0.0.2',
    ],
  );
  assert.ok(serviceEnv(all, 'n', false).every(e => e.name.startsWith('KUBERNETES_')));
});

test('what env names and does not find', () => {
  const input = (env: object[]) => ({
    pod: pod({}),
    container: { name: 'c', env } as Container,
    serviceEnv: [],
    node: { hostIps: [], podIps: [] },
    allocatable: {},
    configMap: (name: string) => (name === 'm' ? ({ metadata: {}, data: { k: 'v' } } as never) : undefined),
    secret: () => undefined,
  });
  const from = (name: string, key: string, optional?: boolean) => ({
    name: 'X',
    valueFrom: { configMapKeyRef: { name, key, optional } },
  });
  assert.deepEqual(makeEnv(input([from('m', 'k')])), [{ name: 'X', value: 'v' }]);
  assert.throws(() => makeEnv(input([from('m', 'x')])), { message: "couldn't find key x in ConfigMap n/m" });
  assert.throws(() => makeEnv(input([from('q', 'x')])), { message: 'configmap "q" not found' });
  assert.deepEqual(makeEnv(input([from('q', 'x', true)])), []);
});

test('annotations as text: quoted as Go does', () => {
  const map = { b: 'tab\t\x01\u2028', a: '{"k":"\\u003c\\u0001"}' };
  assert.deepEqual(formatMap(map).split('\n'), [
    String.raw`a="{\"k\":\"\\u003c\\u0001\"}"`,
    String.raw`b="tab\t\x01\u2028"`,
  ]);
});

test("resources as text: the container's, else the pod's limit, else what the node can allocate", () => {
  const { spec } = pod({ resources: { limits: { cpu: '1500m', memory: '64Mi' } } });
  const own = limits({ cpu: '250m' }, { memory: '32Mi', 'hugepages-2Mi': '4Mi' });
  const none = limits(undefined, undefined);
  const allocatable = { cpu: '4', memory: '8Gi', 'ephemeral-storage': '10Gi', 'hugepages-2Mi': '1Gi' };
  const value = (resource: string, container: Container, ofPod = spec) =>
    resourceValue({ resource, divisor: '1' }, ofPod, container, allocatable);
  const bare = pod({}).spec;
  assert.deepEqual(
    [value('limits.memory', own), value('limits.memory', none), value('limits.memory', none, bare)],
    [String(32 << 20), String(64 << 20), String(8 * 2 ** 30)],
  );
  assert.deepEqual(
    [
      value('limits.cpu', own),
      value('limits.cpu', none, bare),
      value('requests.cpu', own),
      value('requests.cpu', none),
    ],
    ['2', '4', '1', '0'],
  );
  assert.equal(value('limits.ephemeral-storage', none), String(10 * 2 ** 30));
  assert.deepEqual([value('limits.hugepages-2Mi', own), value('limits.hugepages-2Mi', none)], [String(4 << 20), '0']);
});

test('runAsNonRoot', () => {
  const p = pod({ securityContext: { runAsNonRoot: true } });
  const c = (s?: object) => ({ name: 'c', ...(s ? { securityContext: s } : {}) }) as Container;
  assert.throws(() => verifyNonRoot(p, c(), { uid: 0 }), {
    message: 'container has runAsNonRoot and image will run as root (pod: "p_n(u)", container: c)',
  });
  assert.throws(() => verifyNonRoot(p, c({ runAsUser: 0 }), {}), /runAsUser breaks non-root policy/);
  assert.throws(() => verifyNonRoot(p, c(), { username: 'www' }), /non-numeric user \(www\)/);
  verifyNonRoot(p, c(), { uid: 101 });
});

test('eviction: over the request first, then low priority, then the largest excess', () => {
  const use = (name: string, amount: number, priority: number, request: string) => ({
    pod: pod({ priority, containers: [limits({ memory: request }, undefined)] }, { name }),
    amount,
  });
  const ranked = rankForEviction(
    [
      use('within', 50, 0, '100'),
      use('high', 900, 10, '100'),
      use('low', 200, 1, '100'),
      use('lower', 300, 1, '100'),
      use('critical', 9e9, 2e9, '1'),
    ],
    'memory',
  );
  assert.deepEqual(
    ranked.map(u => u.pod.metadata.name),
    ['lower', 'low', 'high', 'within'],
  );
});

test('files of variables', () => {
  const file = `
# it's a comment, A='0'
A='1'
  B = 'two words # no comment'
not a variable
C='first
D=second'
E=unquoted
F=''
A='last'
`;
  assert.deepEqual(
    [...parseEnvFile(file)],
    [
      ['A', 'last'],
      ['B', 'two words # no comment'],
      ['C', 'first\nD=second'],
      ['F', ''],
    ],
  );
});
