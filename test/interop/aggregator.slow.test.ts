// kube-aggregator and k8ts are asked the same, with the same services and servers behind them, and answer the same.
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, before, test } from 'node:test';
import { type Json, mergePatch, type Reply } from '../../src/apiserver/test-caller.ts';
import { systemClock } from '../../src/base/clock.ts';
import { missingEtcd } from '../../src/store/test-etcd.ts';
import { type Aggregators, addresses, namespace, services, startAggregators } from './aggregators.ts';
import { storageProgram } from './storage-process.ts';

const program = await storageProgram();
const missing = (await missingEtcd()) ?? ('missing' in program ? program.missing : undefined);

let both: Aggregators;

if (missing !== undefined) test('kube-aggregator beside k8ts', { skip: missing }, () => {});
else suite();

function suite(): void {
  before(async () => {
    both = await startAggregators((program as { path: string }).path);
    for (const [name, address] of Object.entries(addresses)) await both.serve(name.toLowerCase(), address);
  });
  after(() => both?.stop());

  test('APIServices are taken and refused alike', { timeout: 60_000 }, fieldsAlike);
  // kube-aggregator may ask for a document only a minute later.
  test('OpenAPI has the same paths and definitions', { timeout: 120_000 }, openApiAlike);
  test('they become available for the same reasons, and not', { timeout: 60_000 }, conditionsAlike);
  test('requests reach the servers behind alike, and their answers the client', { timeout: 60_000 }, proxiedAlike);
  test('discovery lists the same groups in the same order', { timeout: 60_000 }, discoveryAlike);
  test('sample-apiserver believes either', { timeout: 60_000 }, flundersAlike);
}

// ---- asking ----

const varying = new Set(['uid', 'resourceVersion', 'creationTimestamp', 'lastTransitionTime', 'managedFields']);
// Of the connection, of this one request, and of what the servers are called.
const ofAnswer = /^(date|audit-id|x-kubernetes-pf-.*|connection|keep-alive|content-length|transfer-encoding)$/;

function plain(value: Json): Json {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !varying.has(key))
      .map(([key, v]) => [key, plain(v)]),
  );
}

const answered = ({ code, headers, object }: Reply) => ({
  code,
  headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !ofAnswer.test(name))),
  object: plain(object),
});

/** Asks one after the other. Both answers, without what can only differ. */
async function ask(method: string, path: string, body?: unknown, headers?: Record<string, string>) {
  const here = answered(await both.ours.send(method, path, body, headers));
  const there = answered(await both.real.api.send(method, path, body, headers));
  return { here, there };
}

async function alike(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Json> {
  const { here, there } = await ask(method, path, body, headers);
  assert.deepEqual(here, there, `${method} ${path} ${JSON.stringify(body)}`);
  return there.object;
}

async function untilAlike<T>(
  look: (api: Aggregators['ours']) => Promise<T>,
  settled: (seen: T) => boolean,
  everyMs = 25,
): Promise<T> {
  // Ours is asked only when theirs has come to something: its documents are long, and theirs may take a minute.
  for (let tries = 0; ; await systemClock.sleep(everyMs)) {
    const there = await look(both.real.api);
    if (!settled(there)) continue;
    const here = await look(both.ours);
    if (JSON.stringify(here) !== JSON.stringify(there) && ++tries * everyMs <= 10_000) continue;
    assert.deepEqual(here, there);
    return there;
  }
}

const apiService = (name: string, service?: string, over: object = {}): Json => {
  const [version, ...group] = name.split('.');
  const behind = service === undefined ? {} : { service: { namespace, name: service }, caBundle: both.caBundle };
  const priorities = { groupPriorityMinimum: 100, versionPriority: 10 };
  return { metadata: { name }, spec: { group: group.join('.'), version, ...priorities, ...behind, ...over } };
};

const make = (name: string, service?: string, over?: object) =>
  alike('POST', services, apiService(name, service, over));

// ---- what is compared ----

async function fieldsAlike(): Promise<void> {
  const local = apiService('v1.x.example').spec;
  const remote = apiService('v1.x.example', 'good').spec;
  const behind = (service: object) => ({ ...local, service });
  const specs: Json[] = [
    {},
    local,
    remote,
    { ...local, unknown: 1 },
    ...[0, 65_536, -1, null].map(port => behind({ namespace, name: 'good', port })),
    ...[{}, { namespace }, { name: 'good' }, { namespace: 'Bad_', name: 'Bad Name' }].map(behind),
    ...['AAAA', ''].flatMap(caBundle => [local, remote].map(s => ({ ...s, caBundle }))),
    ...[local, remote].map(s => ({ ...s, insecureSkipTLSVerify: true })),
    ...[0, -1, 20_000, 20_001].map(groupPriorityMinimum => ({ ...local, groupPriorityMinimum })),
    ...[0, 1000, 1001].map(versionPriority => ({ ...local, versionPriority })),
    ...['', 'X.example', 'x_example', '.', 'a'.repeat(254), 'single'].map(group => ({ ...local, group })),
    ...['', 'V1', '1', 'v1.2', 'alpha', 'a'.repeat(64), 'v-'].map(version => ({ ...local, version })),
  ];
  for (const spec of specs)
    for (const name of new Set([`${spec.version ?? ''}.${spec.group ?? ''}`, 'v1.other'])) {
      // The server's own.
      if (name === 'v1.') continue;
      const made = await alike('POST', services, { metadata: { name }, spec });
      if (made.kind === 'APIService') await alike('DELETE', `${services}/${name}`);
    }
  for (const name of [undefined, 'v1/x', '..', 'v1%x'])
    await alike('POST', services, { metadata: { name }, spec: local });
  await make('v1.x.example', 'nowhere');
  const one = `${services}/v1.x.example`;
  for (const spec of [{ group: 'y' }, { version: 'v2' }, { groupPriorityMinimum: 0 }, { versionPriority: 20 }])
    await changedAlike(one, { spec });
  for (const status of ['True', 'Nope'])
    await changedAlike(`${one}/status`, { status: { conditions: [{ type: 'A', status }] } });
  await changedAlike(`${one}/status`, {
    metadata: { labels: { a: 'b' }, annotations: { a: 'b' }, finalizers: ['a/b'] },
  });
  await alike('DELETE', one);
}

/** Conditions come in between. */
async function changedAlike(path: string, patch: object): Promise<void> {
  const { here, there } = await ask('PATCH', path, patch, mergePatch);
  for (const { object } of [here, there]) if (object.kind === 'APIService') delete object.status;
  assert.deepEqual(here, there, `${path} ${JSON.stringify(patch)}`);
}

type Answer = (response: ServerResponse) => void;

const answers: Readonly<Record<string, Answer>> = {
  missing: response => void response.writeHead(404).end('no'),
  forbidden: response => void response.writeHead(403).end('no'),
  moved: response => void response.writeHead(302, { location: 'https://10.9.9.2/x' }).end(),
  page: response => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
  empty: response => void response.writeHead(204).end(),
  cut: response => void response.socket!.destroy(),
};

async function conditionsAlike(): Promise<void> {
  const condition = async (name: string) =>
    untilAlike(
      async api => {
        const { object } = await api.send('GET', `${services}/v1.${name}.example`);
        return plain(object.status.conditions?.find((c: Json) => c.type === 'Available') ?? null);
      },
      found => found !== null,
    );
  const path = `/api/v1/namespaces/${namespace}/services`;
  await make('v1.absent.example', 'absent');
  assert.equal((await condition('absent')).reason, 'ServiceNotFound');
  await both.ours.expect(201, 'POST', path, { metadata: { name: 'absent' }, spec: { ports: [{ port: 80 }] } });
  await settled('absent', 'ServicePortError');
  await both.ours.expect(200, 'PATCH', `${path}/absent`, { spec: { ports: [{ port: 443 }] } }, mergePatch);
  await settled('absent', 'EndpointsNotFound');
  await both.ours.expect(201, 'POST', path, {
    metadata: { name: 'np' },
    spec: { type: 'NodePort', ports: [{ port: 443 }] },
  });
  await make('v1.np.example', 'np');
  assert.equal((await condition('np')).message, 'no endpoints available for service "np"');
  for (const name of ['good', 'closed', 'plain', 'othername']) {
    await make(`v1.${name}.example`, name);
    await condition(name);
  }
  await make('v1.trusting.example', 'othername', { caBundle: undefined, insecureSkipTLSVerify: true });
  assert.equal((await condition('trusting')).reason, 'Passed');
  await make('v1.unchecked.example', 'good', { caBundle: undefined });
  await condition('unchecked');
  for (const [name, answer] of Object.entries(answers)) {
    both.answer = ({ url }, response) => {
      if (!url!.startsWith(`/apis/${name}.example`)) return false;
      answer(response);
      return true;
    };
    await make(`v1.${name}.example`, 'good');
    await condition(name);
  }
  both.answer = undefined;
  await make('v1.broken.example', 'good', { caBundle: 'AAAA' });
  assert.deepEqual((await alike('GET', `${services}/v1.broken.example`)).status, {});

  async function settled(name: string, reason: string): Promise<void> {
    const look = async (api: Aggregators['ours']) =>
      plain((await api.send('GET', `${services}/v1.${name}.example`)).object.status);
    await untilAlike(look, status => status.conditions[0].reason === reason);
  }
}

// Of the connection and of the program that asks.
const ofRequest = /^(connection|accept-encoding|user-agent)$/;

async function proxiedAlike(): Promise<void> {
  const things = '/apis/good.example/v1/namespaces/a/things';
  let answer: Answer = response => void response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  both.answer = ({ url }, response) => {
    if (!url!.startsWith(things)) return false;
    answer(response);
    return true;
  };
  const passed = async (method: string, path: string, headers: Record<string, string> = {}, body?: string) => {
    const asked = { 'audit-id': 'the same', ...headers };
    const seen: Json[] = [];
    const replies: Json[] = [];
    for (const api of [both.ours, both.real.api]) {
      both.seen.length = 0;
      replies.push(answered(await api.send(method, path, body, asked)));
      const { headers: raw, ...rest } = both.seen.find(s => s.url.startsWith(things))!;
      const names = Object.entries(Object.groupBy(pairs(raw), ([name]) => name.toLowerCase()));
      const kept = names.filter(([name]) => !ofRequest.test(name)).sort(([a], [b]) => (a < b ? -1 : 1));
      seen.push({ ...rest, headers: kept.map(([name, values]) => [name, values!.map(([, v]) => v)]) });
    }
    assert.deepEqual(replies[0], replies[1], `${method} ${path}`);
    assert.deepEqual(seen[0], seen[1], `${method} ${path} ${JSON.stringify(headers)}`);
  };
  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS']) await passed(method, things);
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) await passed(method, `${things}/x`, {}, '{"a":1}');
  for (const rest of ['?b=1&a=%20d+e&b=~*', '?', '?a', '?x=%zz', '/a%2Fb', '//double', '/%41', '/x/', "/~!$&'()*+,=:@"])
    await passed('GET', things + rest);
  for (const headers of [
    { authorization: 'Bearer x', cookie: 'a=b', accept: 'text/x' },
    { 'x-remote-user': 'me', 'x-remote-group': 'g', 'x-remote-extra-a': 'b' },
    { 'x-forwarded-for': '1.2.3.4', 'x-forwarded-host': 'h', 'x-forwarded-proto': 'http', 'x-forwarded-uri': '/x' },
    { connection: 'x-hop', 'x-hop': '1', 'proxy-authorization': 'x', 'keep-alive': '5' },
    {
      'impersonate-user': 'jane',
      'impersonate-group': 'system:masters',
      'impersonate-uid': '7',
      'impersonate-extra-a%2fb': 'x',
    },
  ] as Record<string, string>[])
    await passed('GET', things, headers);
  const heads: [number, Record<string, string | string[]>][] = [
    [200, { 'access-control-allow-origin': '*', 'access-control-max-age': '1', 'cache-control': 'public' }],
    [200, { connection: 'x-hop', 'x-hop': '1', warning: ['299 - "x"', '299 - "y"'] }],
    ...[204, 401, 429, 500, 503].map((code): [number, Record<string, string>] => [code, { 'retry-after': '1' }]),
    ...[300, 301, 302, 307].map((code): [number, Record<string, string>] => [code, { location: '/elsewhere' }]),
  ];
  for (const [code, headers] of heads) {
    answer = response => {
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      response.writeHead(code, { 'content-type': 'text/plain' }).end(code === 204 ? undefined : 'x');
    };
    await passed('GET', things);
  }
  answer = answers.cut!;
  await passed('GET', things);
  for (const name of ['closed', 'absent']) await alike('GET', `/apis/${name}.example/v1/things`);
  await alike('GET', things, undefined, { 'impersonate-user': 'nobody' });
  both.answer = undefined;
}

const pairs = (raw: readonly string[]): [string, string][] =>
  raw.flatMap((name, i): [string, string][] => (i % 2 ? [] : [[name, raw[i + 1]!]]));

const aggregated = { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' };

async function discoveryAlike(): Promise<void> {
  const made: [string, string | undefined, number, number][] = [
    ['v1.t1.order', 'good', 500, 10],
    ['v2.t0.order', 'good', 10, 20],
    ['v3.t0.order', 'good', 500, 10],
    ['v0.t2.order', 'good', 500, 1],
    ['v1.t2.order', 'good', 500, 10],
    ['a1.t3.order', 'good', 500, 10],
    ['v9.t3.order', 'good', 500, 50],
    ...['v1', 'v10', 'v1beta1', 'v2alpha1', 'odd'].map((v): [string, string, number, number] => [
      `${v}.same.order`,
      'good',
      90,
      10,
    ]),
    ['v1.down.order', 'closed', 80, 10],
    ['v2.down.order', 'good', 80, 10],
    ['v1.local.order', undefined, 70, 10],
  ];
  for (const [name, service, groupPriorityMinimum, versionPriority] of made)
    await make(name, service, { groupPriorityMinimum, versionPriority });
  const isMine = (name = '') => name.endsWith('.order');
  const listed = async (api: Aggregators['ours']) => ({
    list: (await api.send('GET', '/apis')).object.groups.filter((g: Json) => isMine(g.name)),
    all: (await api.send('GET', '/apis', undefined, aggregated)).object.items.filter((g: Json) =>
      isMine(g.metadata.name),
    ),
  });
  const settle = (fresh: number) =>
    untilAlike(listed, ({ all }) => {
      const versions = all.flatMap((g: Json) => g.versions);
      return versions.filter((v: Json) => v.freshness === 'Current').length === fresh;
    });
  await settle(13);
  for (const group of ['t3', 'down', 'local', 'none']) await alike('GET', `/apis/${group}.order`);
  for (const path of ['local.order/v1', 'down.order/v1', 'none.order/v1']) await alike('GET', `/apis/${path}`);
  await alike('DELETE', `${services}/v3.t0.order`);
  await settle(12);
  const slice = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices/good-1`;
  const { metadata: _, ...before } = await both.ours.expect(200, 'GET', slice);
  await both.ours.expect(200, 'DELETE', slice);
  await settle(0);
  const labels = { 'kubernetes.io/service-name': 'good' };
  await both.ours.expect(201, 'POST', slice.slice(0, slice.lastIndexOf('/')), {
    ...before,
    metadata: { name: 'good-1', labels },
  });
  await settle(12);
}

async function openApiAlike(): Promise<void> {
  const to = (name: string) => ({
    get: { operationId: name, responses: { 200: { description: 'OK', schema: { $ref: `#/definitions/${name}` } } } },
  });
  const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
  const document = {
    swagger: '2.0',
    info: { title: 'theirs', version: '1' },
    paths: { '/apis/open.example/v1/things': to('Thing'), '/apis/other.example/v1/things': to('Other') },
    definitions: {
      Thing: { type: 'object', properties: { metadata: { $ref: `#/definitions/${objectMeta}` } } },
      [objectMeta]: { type: 'object', description: 'Not what it is elsewhere.' },
      Other: { type: 'object' },
      Unused: { type: 'object' },
    },
  };
  both.answer = ({ url }, response) => {
    if (url !== '/openapi/v2') return false;
    response.writeHead(200, { 'content-type': 'application/json', etag: '"1"' }).end(JSON.stringify(document));
    return true;
  };
  // Documents are asked for once a minute and service.
  await both.serve('open', addresses.good);
  await make('v1.open.example', 'open');
  const only = (from: Json, wanted: RegExp) =>
    Object.fromEntries(
      Object.entries(from)
        .filter(([name]) => wanted.test(name))
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  await untilAlike(
    async api => {
      const { object } = await api.send('GET', '/openapi/v2');
      return {
        paths: only(object.paths, /\.example\//),
        definitions: only(object.definitions, /Thing|Other|Unused|_v2$/),
      };
    },
    ({ paths }) => paths['/apis/open.example/v1/things'] !== undefined,
    500,
  );
  both.answer = undefined;
}

async function flundersAlike(): Promise<void> {
  await make('v1alpha1.wardle.example.com', 'flunders', { caBundle: undefined, insecureSkipTLSVerify: true });
  const path = '/apis/wardle.example.com/v1alpha1/namespaces/default/flunders';
  await untilAlike(
    async api => (await api.send('GET', path)).code,
    code => code === 200,
  );
  const flunder = (name: string) => ({
    apiVersion: 'wardle.example.com/v1alpha1',
    kind: 'Flunder',
    metadata: { name },
    spec: { reference: 'x' },
  });
  const { resourceVersion } = (await both.ours.expect(200, 'GET', path)).metadata;
  const from = `${path}?watch=true&resourceVersion=${resourceVersion}`;
  const watching = await Promise.all([both.ours, both.real.api].map(api => api.watch(from)));
  await both.ours.expect(201, 'POST', path, flunder('ours'));
  await both.real.api.expect(201, 'POST', path, flunder('theirs'));
  for (const watch of watching) {
    await watch.next(e => e.object.metadata.name === 'theirs');
    assert.deepEqual(
      watch.events.map(e => `${e.type} ${e.object.metadata.name}`),
      ['ADDED ours', 'ADDED theirs'],
    );
    watch.stop();
  }
  await alike('GET', path);
  await alike('GET', `${path}/ours`, undefined, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
  await alike('PATCH', `${path}/ours`, { spec: { reference: 'y' } }, mergePatch);
  await alike('GET', `${path}/none`);
  await alike('POST', path, flunder('ours'));
  await alike('GET', '/apis/wardle.example.com/v1alpha1');
  // Who is told of is believed, and may do what is allowed here and there.
  await alike('GET', path, undefined, { 'impersonate-user': 'nobody' });
  await both.ours.expect(200, 'DELETE', `${path}/ours`);
  await both.real.api.expect(200, 'DELETE', `${path}/theirs`);
}
