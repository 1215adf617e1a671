// What is told of requests: apiextensions-apiserver, as Kubernetes publishes it, and k8ts on one etcd are asked the same,
// and their audit events, metrics, limits and pages are compared.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import { establish } from '../../src/apiserver/custom/test-definition.ts';
import { applyPatch, type Caller, caller, type Json, jsonPatch, mergePatch } from '../../src/apiserver/test-caller.ts';
import { startTestServer, type TestServer } from '../../src/apiserver/test-server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { readAudit } from '../../src/cluster/audit-flags.ts';
import { openEtcdStore } from '../../src/store/etcd-store.ts';
import { type EtcdProcess, missingEtcd, startEtcd } from '../../src/store/test-etcd.ts';
import { callerOf } from './cluster-content.ts';
import { type RealServer, startRealServer } from './real-server.ts';
import { storageProgram } from './storage-process.ts';

const program = await storageProgram();
const missing = (await missingEtcd()) ?? ('missing' in program ? program.missing : undefined);

const directory = mkdtempSync(join(tmpdir(), 'k8ts-observed-'));
const log = (of: 'here' | 'there') => join(directory, `${of}.log`);
const policyFile = join(directory, 'policy.yaml');
const tokenFile = 'secret,u,uid1,"g1,g2"\nlimited,lim,uid2,g3\nroot,r,uid3,system:masters';
const limits = { maxRequestsInflight: 13, maxMutatingRequestsInflight: 20 };

let etcd: EtcdProcess;
let home: TestServer;
let real: RealServer;
let server: TestServer;
let audit: ReturnType<typeof readAudit>;
let here: Caller;
const there = () => real.api;

const widgets = '/apis/told.example/v1/namespaces/default/widgets';
const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const flows = '/apis/flowcontrol.apiserver.k8s.io/v1';

const definition = {
  metadata: { name: 'widgets.told.example' },
  spec: {
    group: 'told.example',
    scope: 'Namespaced',
    names: { plural: 'widgets', kind: 'Widget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
        },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: { type: 'object', properties: { replicas: { type: 'integer', minimum: 0 } } },
              status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
            },
          },
        },
      },
    ],
  },
};

// The first rule is about one name, the second of any group.
const policy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  rules: [
    { level: 'Metadata', resources: [{ group: 'told.example', resources: ['widgets'], resourceNames: ['meta'] }] },
    {
      level: 'Request',
      omitManagedFields: true,
      verbs: ['list'],
      resources: [{ group: '*', resources: ['*/status'] }],
    },
    { level: 'None', nonResourceURLs: ['/livez*'] },
    { level: 'RequestResponse' },
  ],
};

const widget = (name: string, spec: object = { replicas: 1 }, more: object = {}): Json => ({
  apiVersion: 'told.example/v1',
  kind: 'Widget',
  metadata: { name, ...more },
  spec,
});

type Headers = Record<string, string>;
type Request = readonly [method: string, path: string, body?: unknown, headers?: Headers, token?: string];

function requests(): readonly Request[] {
  const a = `${widgets}/a`;
  const options = (more: object) => ({ apiVersion: 'v1', kind: 'DeleteOptions', ...more });
  const get = (path: string, headers: Headers = {}, token?: string): Request => [
    'GET',
    path,
    undefined,
    headers,
    token,
  ];
  const as = (user: string, more: Headers = {}) => ({ 'impersonate-user': user, ...more });
  return [
    ...[widget('a'), widget('a'), widget('meta'), widget('bad', { replicas: -1 }), '{', { a: 1 }].map(
      (body): Request => ['POST', widgets, body],
    ),
    ['POST', `${widgets}?dryRun=All`, widget('dry')],
    ['POST', widgets, widget('o', {}, { namespace: 'other', uid: 'u', resourceVersion: '5' })],
    ...['/a', '/meta', '/none', '/a/status', '/a/scale', '/a/none', ''].map(path => get(`${widgets}${path}`)),
    ...[
      'limit=1',
      'labelSelector=%21%21',
      'fieldSelector=metadata.name%3Dmeta',
      'fieldSelector=metadata.name%21%3Da',
    ].map(query => get(`${widgets}?${query}`)),
    [
      'PUT',
      `${a}/scale`,
      { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'a' }, spec: { replicas: 3 } },
    ],
    ['PATCH', `${a}/status`, { status: { x: 1 } }, mergePatch],
    ['PATCH', a, [{ op: 'test', path: '/spec/replicas', value: 9 }], jsonPatch],
    ['PATCH', `${widgets}/app?fieldManager=m`, widget('app'), applyPatch],
    ['PATCH', a, {}, { 'content-type': 'text/plain' }],
    ['PATCH', a, { metadata: { uid: 'x', resourceVersion: '3' } }, mergePatch],
    ['PUT', a, widget('a', { replicas: 2 }, { resourceVersion: '1' })],
    ['PUT', a, widget('a', { replicas: 2, unknown: 1 }, { uid: 'wrong' })],
    ...['labelSelector=%21%21', 'resourceVersion=bad', 'timeoutSeconds=1&fieldSelector=metadata.name%3Dnone'].map(
      query => get(`${widgets}?watch=true&${query}`),
    ),
    ...['/version', '/apis/told.example', '/apis/told.example/v1', '/livez', '/apis/told.example/v1/namespaces/x'].map(
      path => get(path),
    ),
    get(a, { accept: 'nonsense/x' }),
    get(a, { 'x-forwarded-for': 'none, 1.2.3.4, ::ffff:2.2.2.2, 2001:DB8::1', 'x-real-ip': '1.2.3.4' }),
    get(a, { 'user-agent': Buffer.from(`kü${'x'.repeat(1500)}`).toString('latin1') }),
    get(widgets, as('alice')),
    get(widgets, as('alice', { 'impersonate-group': 'system:masters', 'impersonate-extra-a.b%2fc': 'd' })),
    get(widgets, as('system:serviceaccount:default:x')),
    get(widgets, { 'impersonate-group': 'g', 'impersonate-extra-a': 'b' }),
    get(widgets, as('alice'), 'limited'),
    get(widgets, as('alice'), 'root'),
    get(widgets, {}, 'limited'),
    get(`${widgets}?watch=true`, {}, 'limited'),
    get(widgets, {}, 'unknown'),
    get(`${widgets}?timeout=bad`),
    get(definitions, { accept: 'application/vnd.kubernetes.protobuf' }),
    ['DELETE', a, options({ preconditions: { uid: 'x' } })],
    ['DELETE', `${widgets}/app`, options({ propagationPolicy: 'Background' })],
    ['DELETE', `${widgets}?fieldSelector=metadata.name%3Dnone`],
    ['DELETE', widgets],
  ];
}

if (missing !== undefined) test('a server made of the modules of kube-apiserver', { skip: missing }, () => {});
else suite();

function suite(): void {
  before(async () => {
    writeFileSync(policyFile, JSON.stringify(policy));
    etcd = await startEtcd();
    home = await startTestServer({ tokenFile });
    const flags = {
      'audit-policy-file': policyFile,
      'audit-log-path': log('there'),
      'max-requests-inflight': String(limits.maxRequestsInflight),
      'max-mutating-requests-inflight': String(limits.maxMutatingRequestsInflight),
    };
    const path = (program as { path: string }).path;
    real = await startRealServer({ program: path, name: 'definitions', etcd: etcd.url, home, flags });
    const deps = { clock: systemClock, log: silentLog };
    audit = readAudit({ auditPolicyFile: policyFile, auditLogPath: log('here') }, deps);
    const store = await openEtcdStore({ servers: [etcd.url], random: systemRandom, ...deps });
    server = await startTestServer({ tokenFile, store, audit: audit.audit!, ...limits });
    here = callerOf(server);
    await establish(there(), definition);
    for (const api of [here, there()])
      while ((await api.send('GET', widgets)).code !== 200) await systemClock.sleep(20);
    // The first write to a new kind takes the real one half a second, of which it tells.
    await there().expect(201, 'POST', widgets, widget('first'));
    await there().expect(200, 'DELETE', widgets);
  });
  after(async () => {
    here?.close();
    for (const it of [real, server, home]) await it?.stop();
    await audit?.close();
    await etcd?.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  test('audit events are the same, field by field', { timeout: 60_000 }, sameEvents);
  test('levels have the same seats, queues the same columns', { timeout: 60_000 }, sameLevels);
  test('requests are counted alike, under the same names', { timeout: 60_000 }, sameCounts);
  test('pages about the server read alike', { timeout: 60_000 }, samePages);
}

type Side = 'here' | 'there';

async function askAll(side: Side): Promise<void> {
  for (const [i, [method, path, body, headers, token]] of requests().entries()) {
    const own = side === 'here' ? here : there();
    const api = !token ? own : side === 'there' ? real.as(token) : caller({ url: server.url, ca: server.ca, token });
    await api.send(method, path, body, { 'audit-id': `told-${i}`, 'user-agent': 'probe', ...headers });
    if (token) api.close();
  }
}

const passing = new Set(['uid', 'resourceVersion', 'creationTimestamp', 'time', 'stageTimestamp', 'continue']);
passing.add('requestReceivedTimestamp');

/** Without what is never twice the same. Addresses of API groups in messages stay. */
function lasting(value: Json, key = ''): Json {
  if (Array.isArray(value)) return value.map(item => lasting(item));
  if (typeof value === 'string')
    return value.replace(/SHA256=[0-9a-f]{64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '');
  if (typeof value !== 'object' || value === null) return value;
  const isUser = key === 'user' || key === 'impersonatedUser';
  return Object.fromEntries(
    Object.entries(value).map(([k, v]) => [k, passing.has(k) && !isUser ? '' : lasting(v, k)] as const),
  );
}

/** As text, so that the order of fields counts. */
function eventsOf(side: Side, id: string): string[] {
  const lines = readFileSync(log(side), 'utf8').split('\n').filter(Boolean);
  return lines
    .map(line => JSON.parse(line) as Json)
    .filter(event => event.auditID === id)
    .map(event => JSON.stringify(lasting(event), undefined, 1));
}

async function sameEvents(): Promise<void> {
  await askAll('there');
  while ((await here.expect(200, 'GET', widgets)).items.length > 0) await systemClock.sleep(20);
  await askAll('here');
  // The last event is written behind the answer.
  await systemClock.sleep(500);
  for (const [i, [method, path]] of requests().entries()) {
    const id = `told-${i}`;
    assert.deepEqual(eventsOf('here', id), eventsOf('there', id), `${method} ${path}`);
  }
  assert.ok(eventsOf('here', 'told-0').length === 2 && eventsOf('here', 'told-0')[1]!.includes('"requestObject"'));
}

const textOf = async (api: Caller, path: string): Promise<string> => String(await api.expect(200, 'GET', path));

async function sameLevels(): Promise<void> {
  const limited = { nominalConcurrencyShares: 20, lendablePercent: 50, borrowingLimitPercent: 70 };
  const level = (name: string, limitResponse: object) => ({
    metadata: { name },
    spec: { type: 'Limited', limited: { ...limited, limitResponse } },
  });
  const at = callerOf(home);
  for (const api of [at, here])
    for (const [name, response] of [
      ['queued', { type: 'Queue', queuing: { queues: 4, handSize: 2, queueLengthLimit: 2 } }],
      ['rejected', { type: 'Reject' }],
    ] as const)
      await api.expect(201, 'POST', `${flows}/prioritylevelconfigurations`, level(name, response));
  at.close();
  const seats = /^apiserver_flowcontrol_(?:nominal|lower|upper|current)_limit_seats\{priority_level="(?!exempt).*$/gm;
  const told = async (api: Caller) => [...(await textOf(api, '/metrics')).matchAll(seats)].map(m => m[0]).sort();
  // The real one divides what is lent every ten seconds.
  for (;;) {
    const [ours, theirs] = [await told(here), await told(there())];
    if (JSON.stringify(ours) === JSON.stringify(theirs) && theirs.some(l => l.includes('"queued"'))) break;
    await systemClock.sleep(500);
  }
  const dump = '/debug/api_priority_and_fairness/dump';
  for (const path of [`${dump}_priority_levels`, `${dump}_queues`]) {
    const [ours, theirs] = [await textOf(here, path), await textOf(there(), path)];
    assert.equal(ours.split('\n')[0], theirs.split('\n')[0]);
    assert.equal(ours.split('\n').length, theirs.split('\n').length);
  }
}

/** Lines of some metrics, in order, with their values where those are counts of requests. */
async function counted(api: Caller, name: string): Promise<string[]> {
  const lines = (await textOf(api, '/metrics')).split('\n').filter(l => l.startsWith(`${name}{`));
  const own = lines.filter(l => l.includes('group="told.example"') || l.includes('subresource="/'));
  return own
    .map(
      l =>
        `${l
          .slice(l.indexOf('{') + 1, l.lastIndexOf('}'))
          .split(',')
          .sort()
          .join()} ${l.split(' ').at(-1)}`,
    )
    .sort();
}

async function sameCounts(): Promise<void> {
  const requested = async (api: Caller, prefix: string) =>
    (await counted(api, 'apiserver_request_total')).filter(l => l.includes(prefix));
  const before = [await requested(here, 'code='), await requested(there(), 'code=')];
  const grown = async () => {
    const now = [await requested(here, 'code='), await requested(there(), 'code=')];
    return now.map((lines, i) => lines.filter(l => !before[i]!.includes(l)).map(l => l.slice(0, l.lastIndexOf(' '))));
  };
  for (const api of [here, there()]) {
    for (const path of ['', '/none', '/none/none', '?labelSelector=%21%21', '?watch=true&timeoutSeconds=1'])
      await api.send('GET', `${widgets}${path}`);
    for (const path of ['/readyz', '/livez?verbose', '/version', '/apis/told.example', '/none'])
      await api.send('GET', path);
    await api.send('PATCH', `${widgets}/none?dryRun=All&fieldManager=m`, '{', applyPatch);
    await api.send('DELETE', widgets);
  }
  const limited = [caller({ url: server.url, ca: server.ca, token: 'limited' }), real.as('limited')];
  for (const api of limited) {
    await api.expect(403, 'PUT', `${widgets}/none`, {});
    api.close();
  }
  await systemClock.sleep(200);
  const [ours, theirs] = await grown();
  assert.deepEqual(ours, theirs);
  const bounds = async (api: Caller, name: string) => {
    const text = await textOf(api, '/metrics');
    return [...new Set([...text.matchAll(new RegExp(`^${name}_bucket\\{.*le="([^"]*)"\\}`, 'gm'))].map(m => m[1]))];
  };
  for (const name of [
    ...['apiserver_request_duration_seconds', 'apiserver_request_sli_duration_seconds', 'apiserver_response_sizes'],
    ...['apiserver_request_filter_duration_seconds', 'apiserver_flowcontrol_work_estimated_seats'],
    ...['apiserver_flowcontrol_request_execution_seconds', 'apiserver_flowcontrol_priority_level_seat_utilization'],
    ...[
      'etcd_request_duration_seconds',
      'apiserver_request_body_size_bytes',
      'apiserver_impersonation_attempts_duration_seconds',
    ],
  ])
    assert.deepEqual(await bounds(here, name), await bounds(there(), name), name);
  const heads = async (api: Caller) => {
    const text = await textOf(api, '/metrics');
    return new Map(
      [...text.matchAll(/^# HELP (apiserver_\S+) (.*)\n# TYPE \S+ (\S+)$/gm)].map(m => [m[1]!, `${m[3]} ${m[2]}`]),
    );
  };
  const [own, other] = [await heads(here), await heads(there())];
  for (const [name, head] of own) if (other.has(name)) assert.equal(head, other.get(name), name);
}

async function samePages(): Promise<void> {
  const asked = (version: string, type = 'application/json') => `${type};v=${version};g=config.k8s.io;as=Statusz`;
  for (const accept of [
    ...['', '*/*', 'text/*', 'text/plain', 'text/html', 'application/*', 'application/json', 'application/yaml'],
    ...[asked('v1beta1'), asked('v1alpha1'), asked('v1'), asked('v1beta1', 'application/yaml')],
  ]) {
    const told = async (api: Caller) => {
      const { code, headers, object } = await api.send('GET', '/statusz', undefined, accept ? { accept } : {});
      const shape = typeof object === 'string' ? object.replace(/(?<=\w)(?::|=)? .*$/gm, '') : Object.keys(object);
      const refusal = () => (typeof object === 'string' ? parse(object) : object);
      return { code, type: headers['content-type'], warning: headers.warning, shape: code === 406 ? refusal() : shape };
    };
    const [ours, theirs] = [await told(here), await told(there())];
    assert.deepEqual({ ...ours, shape: '' }, { ...theirs, shape: '' }, accept);
    if (typeof theirs.shape !== 'string') assert.deepEqual(ours.shape, theirs.shape, accept);
  }
  for (const path of ['/livez/ping', '/readyz/etcd', '/readyz/shutdown', '/healthz'])
    assert.equal(await textOf(here, path), 'ok');
}
