import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { readApiServerFiles, readPeer } from './api-server-files.ts';

const directory = mkdtempSync(join(tmpdir(), 'api-server-files-'));
after(() => rmSync(directory, { recursive: true }));
const deps = { clock: new VirtualClock(), log: silentLog };

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const policy = 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n';
const issuer = (url: string) => `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
- issuer: {url: '${url}', audiences: [k8s]}
  claimMappings: {username: {claim: sub, prefix: ''}}
`;

test('policy, log and issuers come from their files', async () => {
  const auditLogPath = join(directory, 'log', 'audit.log');
  const read = readApiServerFiles(
    {
      auditPolicyFile: file('policy.yaml', policy),
      auditLogPath,
      authenticationConfig: file('authn.yaml', issuer('https://issuer.example.com')),
    },
    deps,
  );
  assert.equal(read.options.audit?.policy.rules[0]?.level, 'Metadata');
  assert.equal(read.options.authentication?.jwt?.[0]?.issuer.url, 'https://issuer.example.com');
  read.options.audit?.sinks[0]?.write({ level: 'Metadata' } as never);
  await read.close();
  assert.equal(readFileSync(auditLogPath, 'utf8'), '{"level":"Metadata"}\n');
});

test('a file that is wrong is named', () => {
  const read = (text: string, key: 'auditPolicyFile' | 'authenticationConfig') => () =>
    readApiServerFiles({ [key]: file('wrong.yaml', text) }, deps);
  assert.throws(
    read('kind: Pod', 'auditPolicyFile'),
    /loading audit policy file: failed decoding: .*: from file .*wrong.yaml/,
  );
  assert.throws(read(issuer('http://x'), 'authenticationConfig'), /reading .*wrong.yaml: .*URL scheme must be https/);
  assert.deepEqual(readApiServerFiles(undefined, deps).options, {});
});

test('who may come without a name', () => {
  const anonymousOf = (anonymous: string) =>
    readApiServerFiles(
      {
        authenticationConfig: file(
          'anonymous.yaml',
          `${issuer('https://i').split('jwt:')[0]}anonymous: ${anonymous}\n`,
        ),
      },
      deps,
    ).options.authentication?.anonymousPaths;
  assert.deepEqual(anonymousOf('{enabled: false}'), []);
  assert.deepEqual(anonymousOf('{enabled: true}'), ['*']);
  assert.deepEqual(anonymousOf('{enabled: true, conditions: [{path: /livez}]}'), ['/livez']);
});

test('limits of requests at work go through as they are', () => {
  const limits = { enablePriorityAndFairness: false, maxRequestsInflight: 10, maxMutatingRequestsInflight: 0 };
  const { flags: _, ...options } = readApiServerFiles(limits, deps).options;
  assert.deepEqual(options, limits);
  assert.deepEqual(readApiServerFiles(undefined, deps).options, {});
});

test('tracing, profiling and what /flagz shows', () => {
  const tracing = (text: string) =>
    readApiServerFiles({ tracingConfigFile: file('tracing.yaml', text) }, deps).options.tracing;
  const head = 'apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\n';
  assert.deepEqual(tracing(head), { endpoint: 'localhost:4317', samplingRatePerMillion: 0 });
  assert.deepEqual(tracing(`${head}endpoint: otel:4317\nsamplingRatePerMillion: 100\n`), {
    endpoint: 'otel:4317',
    samplingRatePerMillion: 100,
  });
  const wrong: [string, RegExp][] = [
    [
      `${head}samplingRatePerMillion: -1\n`,
      /reading .*tracing.yaml: samplingRatePerMillion: Invalid value: -1: sampling rate must be positive/,
    ],
    [`${head}samplingRatePerMillion: 1000001\n`, /must be less than or equal to 1 million/],
    [`${head}endpoint: nonsense\n`, /endpoint: Invalid value: "nonsense"/],
    [`${head}endpoints: a:1\n`, /strict decoding error: unknown field "endpoints"/],
    ['kind: Pod', /no kind "Pod" is registered/],
  ];
  for (const [text, message] of wrong) assert.throws(() => tracing(text), message);
  const { options } = readApiServerFiles({ profiling: false, apiAudiences: ['a', 'b'] }, deps);
  assert.equal(options.profiling, false);
  assert.deepEqual(options.flags, { profiling: 'false', 'api-audiences': '[a,b]' });
});

test('plugins of admission are switched by name', () => {
  const files = { enableAdmissionPlugins: ['AlwaysPullImages'], disableAdmissionPlugins: ['Priority'] };
  const { flags, ...options } = readApiServerFiles(files, deps).options;
  assert.deepEqual(options, files);
  assert.equal(flags?.['enable-admission-plugins'], '[AlwaysPullImages]');
});

test('networks behind proxies are named by a file', () => {
  const head = 'apiVersion: apiserver.k8s.io/v1beta1\nkind: EgressSelectorConfiguration\negressSelections:\n';
  const text = (name: string, connection: string) => `${head}- {name: ${name}, connection: ${connection}}`;
  const read = (name: string, connection: string) =>
    readApiServerFiles({ egressSelectorConfigFile: file('egress.yaml', text(name, connection)) }, deps).options.egress;
  const proxied = '{proxyProtocol: GRPC, transport: {uds: {udsName: /run/konnectivity.socket}}}';
  const socketPath = '/run/konnectivity.socket';
  assert.deepEqual(read('cluster', proxied), {
    cluster: { protocol: 'grpc', proxy: { shown: socketPath, socketPath } },
  });
  assert.deepEqual(read('etcd', '{proxyProtocol: Direct}'), {});
  assert.throws(() => read('etcd', proxied), /egress.yaml: egress selections of etcd are direct here$/);
  assert.throws(() => read('other', proxied), /egress.yaml: service.connection: Unsupported value: "other"/);
});

test('other servers ask this one where its clients do, unless told otherwise', () => {
  const advertise = { address: '10.0.0.1', port: 6443 };
  const peerCaFile = file('peers.crt', 'PEM');
  assert.deepEqual(readPeer(undefined, advertise), {});
  assert.deepEqual(readPeer({ peerCaFile }, advertise), { peer: { ca: 'PEM', ...advertise } });
  const other = { peerCaFile, peerAdvertiseIp: '10.0.0.2', peerAdvertisePort: 7443 };
  assert.deepEqual(readPeer(other, advertise), { peer: { ca: 'PEM', address: '10.0.0.2', port: 7443 } });
  for (const [wrong, message] of [
    [{ peerAdvertisePort: 1 }, /peerCaFile must be set with them/],
    [{ peerCaFile, peerAdvertiseIp: 'host' }, /"host" is not an IP address/],
    [{ peerCaFile: join(directory, 'none') }, /^Error: reading .*none: ENOENT/],
  ] as const)
    assert.throws(() => readPeer(wrong, advertise), message);
});

test('flags about every request go through as they are, or are refused in the words of kube-apiserver', () => {
  const given = {
    minRequestTimeout: 60,
    goawayChance: 0.01,
    strictTransportSecurityDirectives: ['max-age=1', 'preload'],
    corsAllowedOrigins: ['^https://a$'],
  };
  const serving = {
    ...{ tlsMinVersion: 'VersionTLS13', disableHttp2Serving: true, http2MaxStreamsPerConnection: 50 },
    tlsCipherSuites: ['TLS_AES_128_GCM_SHA256', 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'],
  };
  const { options } = readApiServerFiles(
    { ...given, ...serving, requestTimeout: '1m30s', eventTtl: '2h', shutdownDelayDuration: '5s' },
    deps,
  );
  assert.deepEqual(
    { ...options, ...given, requestTimeoutMs: 90_000, eventTtlMs: 7_200_000, shutdownDelayMs: 5000 },
    options,
  );
  assert.deepEqual(options.serving, {
    ...{ minVersion: 'TLSv1.3', http2: false, maxStreams: 50 },
    ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-RSA-AES128-GCM-SHA256',
  });
  for (const [files, why] of [
    [{ goawayChance: 0.5 }, '--goaway-chance can not be less than 0 or greater than 0.02'],
    [{ minRequestTimeout: -1 }, '--min-request-timeout can not be negative value'],
    [{ maxRequestsInflight: -1 }, '--max-requests-inflight can not be negative value'],
    [{ maxMutatingRequestsInflight: -1 }, '--max-mutating-requests-inflight can not be negative value'],
    [{ tlsMinVersion: 'TLS13' }, 'unknown tls version "TLS13"'],
    [{ tlsCipherSuites: ['TLS_NOPE'] }, "Cipher suite TLS_NOPE not supported or doesn't exist"],
    [{ shutdownDelayDuration: '-1s' }, '--shutdown-delay-duration can not be negative value'],
    [{ requestTimeout: '-1s' }, '--request-timeout can not be negative value'],
    [
      { strictTransportSecurityDirectives: ['x'] },
      '--strict-transport-security-directives invalid, allowed values: max-age=expireTime, includeSubDomains, preload. see https://tools.ietf.org/html/rfc6797#section-6.1 for more information',
    ],
  ] as const)
    assert.throws(() => readApiServerFiles(files, deps), { message: why });
  assert.throws(
    () => readApiServerFiles({ corsAllowedOrigins: ['a'] }, deps),
    /^Error: --cors-allowed-origins has an /,
  );
});
