import assert from 'node:assert/strict';
import { test } from 'node:test';
import { badClusterName, parseConfig, parsePort } from './config.ts';

const head = 'apiVersion: k8ts.dev/v1alpha1\nkind: ClusterConfiguration\n';
const parse = (rest: string) => parseConfig(head + rest, 'c.yaml');

test('a whole file', () => {
  assert.deepEqual(
    parse(`metadata: {name: shop}
spec:
  nodes: 3
  egress: true
  api: {port: 7443}
  ports:
  - {hostPort: 8080, nodePort: 30080}
  network: {podCIDR: 10.20.0.0/16, serviceCIDR: 10.30.0.0/16, clusterDomain: shop.test}
  kubelet: {maxPods: 50, config: /etc/kubelet.yaml}
`),
    {
      name: 'shop',
      nodes: 3,
      egress: true,
      apiPort: 7443,
      ports: [{ hostAddress: '127.0.0.1', hostPort: 8080, nodePort: 30080 }],
      podCidr: '10.20.0.0/16',
      serviceCidr: '10.30.0.0/16',
      clusterDomain: 'shop.test',
      maxPods: 50,
      kubelet: { config: '/etc/kubelet.yaml' },
    },
  );
  assert.deepEqual(parse(''), {});
});

test('errors name the field', () => {
  const cases: [string, RegExp][] = [
    [
      'spec: {nodes: 0}',
      /^reading c\.yaml: The ClusterConfiguration "" is invalid: spec\.nodes: Invalid value: 0: must be between 1 and 200, inclusive$/,
    ],
    ['spec: {kubelet: {config: kubelet.yaml}}', /spec\.kubelet\.config: Invalid value: .*must be an absolute path/],
    ['spec: {nodes: two}', /spec\.nodes: Invalid value: "two": must be a number/],
    ['spec: {nodez: 2}', /strict decoding error: unknown field "spec\.nodez"/],
    ['metadata: {name: A_b}', /metadata\.name: Invalid value: "A_b": must consist of lower case/],
    ['spec: {ports: [{hostPort: 80}]}', /spec\.ports\[0\]\.nodePort: Required value/],
    [
      'spec: {ports: [{hostPort: 80, nodePort: 1}, {hostPort: 80, nodePort: 2}]}',
      /spec\.ports\[1\]\.hostPort: Duplicate value: 80/,
    ],
    [
      'spec: {network: {podCIDR: 10.0.0.0}}',
      /spec\.network\.podCIDR: Invalid value: "10\.0\.0\.0": must be an IPv4 CIDR/,
    ],
    [
      'spec: {ports: [{hostPort: 80, nodePort: 1, hostAddress: "::1"}]}',
      /spec\.ports\[0\]\.hostAddress: Invalid value: "::1": must be an IPv4 address of this machine$/,
    ],
    ['spec: {ports: [80]}', /is invalid: spec\.ports\[0\]: Invalid value: 80: must be a map$/],
    ['spec: [1]', /spec: Invalid value: \[1\]: must be a map/],
    ['spec: {nodes: 0, kubelet: {maxPods: 0}}', /is invalid: \n\* spec\.nodes: .*\n\* spec\.kubelet\.maxPods/],
    ['spec: {a: 1\n', /reading c\.yaml: .* at line 4, column 1$/],
    ['---\na: b\n', /^reading c\.yaml: it holds several documents, where one is read$/],
    ['spec: *a\n', /^reading c\.yaml: Unresolved alias/],
  ];
  for (const [text, expected] of cases)
    assert.throws(() => parse(text), { name: 'ConfigError', message: expected }, text);
  assert.throws(() => parseConfig('kind: Pod\napiVersion: v1', 'c.yaml'), /no kind "Pod" in version "v1": want/);
  assert.throws(() => parseConfig('', 'c.yaml'), /must hold one/);
  assert.deepEqual(parseConfig(`---\n${head}spec: {nodes: 2}\n---\n# no more\n`, 'c.yaml'), { nodes: 2 });
});

test('aliases that multiply are refused by the file', () => {
  const levels = Array.from({ length: 9 }, (_, i) => `b${i}: &a${i + 1} [${Array(10).fill(`*a${i}`)}]`);
  const text = `${head}a: &a0 [x]\n${levels.join('\n')}\n`;
  assert.throws(() => parseConfig(text, 'c.yaml'), { name: 'ConfigError', message: /^reading c\.yaml: .*alias/ });
});

test('port mappings', () => {
  assert.deepEqual(parsePort('8080:30080'), { hostAddress: '127.0.0.1', hostPort: 8080, nodePort: 30080 });
  assert.deepEqual(parsePort('0.0.0.0:8080:80'), { hostAddress: '0.0.0.0', hostPort: 8080, nodePort: 80 });
  for (const bad of ['8080', 'a:b', '8080:', ':80', '0:80', '8080:65536', '1:2:3:4'])
    assert.throws(() => parsePort(bad), RangeError, bad);
});

test('cluster names', () => {
  for (const good of ['dev', 'a', '1', 'a-b-9']) assert.equal(badClusterName(good), undefined);
  for (const bad of ['', '-a', 'a-', 'A', 'a_b', 'a/b', '..', 'x'.repeat(33)]) assert.ok(badClusterName(bad), bad);
});

test('files of the API server are named by absolute paths', () => {
  const config = (spec: string) =>
    parseConfig(`apiVersion: k8ts.dev/v1alpha1\nkind: ClusterConfiguration\nspec:\n  apiServer: ${spec}\n`, 'c.yaml');
  assert.deepEqual(config('{auditPolicyFile: /etc/policy.yaml, auditLogMaxSize: 5}').apiServer, {
    auditPolicyFile: '/etc/policy.yaml',
    auditLogMaxSize: 5,
  });
  assert.throws(() => config('{auditLogPath: audit.log}'), /spec.apiServer.auditLogPath: .*must be an absolute path/);
  assert.throws(() => config('{auditLog: x}'), /unknown field "spec.apiServer.auditLog"/);
});

test('what is served besides the defaults, and gates', () => {
  const runtimeConfig = { 'certificates.k8s.io/v1beta1': true, 'api/alpha': false };
  const featureGates = { ClusterTrustBundle: true };
  assert.deepEqual(
    parse(
      'spec: {runtimeConfig: {certificates.k8s.io/v1beta1: true, api/alpha: false}, featureGates: {ClusterTrustBundle: true}}',
    ),
    { runtimeConfig, featureGates },
  );
  assert.throws(
    () => parse('spec: {runtimeConfig: {no/v1: true}}'),
    /spec\.runtimeConfig: .*unknown api groups no\/v1/,
  );
  assert.throws(
    () => parse('spec: {runtimeConfig: {api/all: 1}}'),
    /spec\.runtimeConfig\[api\/all\]: .*must be a boolean/,
  );
});
