// Every combination of the parameters of lists, watches and deletes, sent to apiextensions-apiserver and to k8ts on one
// etcd: both answer alike. What the clocks and caches of two processes make differ by themselves is not compared.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { establish } from '../../src/apiserver/custom/test-definition.ts';
import { type Caller, type Json, mergePatch, type Reply } from '../../src/apiserver/test-caller.ts';
import { startTestServer, type TestServer } from '../../src/apiserver/test-server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openEtcdStore } from '../../src/store/etcd-store.ts';
import { type EtcdProcess, missingEtcd, startEtcd } from '../../src/store/test-etcd.ts';
import { callerOf } from './cluster-content.ts';
import { type RealServer, startRealServer } from './real-server.ts';
import { storageProgram } from './storage-process.ts';

const program = await storageProgram();
const missing = (await missingEtcd()) ?? ('missing' in program ? program.missing : undefined);

let etcd: EtcdProcess;
let home: TestServer;
let real: RealServer;
let server: TestServer;
let ours: Caller;
let current = 0;
let page = '';

const collection = '/apis/parameters.example/v1/namespaces/default/parts';

const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'parts.parameters.example' },
  spec: {
    group: 'parameters.example',
    scope: 'Namespaced',
    names: { plural: 'parts', kind: 'Part' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        selectableFields: [{ jsonPath: '.spec.colour' }],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: { type: 'object', properties: { colour: { type: 'string' } } } },
          },
        },
      },
    ],
  },
};

const part = (name: string, odd: number, metadata: object = {}): Json => ({
  apiVersion: 'parameters.example/v1',
  kind: 'Part',
  metadata: { name, labels: { odd: String(odd) }, ...metadata },
  spec: { colour: odd ? 'red' : 'blue' },
});

const names = ['a', 'b', 'c', 'd', 'e', 'f'];

async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found) return found;
    await systemClock.sleep(20);
  }
}

if (missing !== undefined) test('parameters beside the modules of kube-apiserver', { skip: missing }, () => {});
else suite();

function suite(): void {
  before(async () => {
    etcd = await startEtcd();
    home = await startTestServer();
    real = await startRealServer({
      ...{ program: (program as { path: string }).path, name: 'definitions' },
      ...{ etcd: etcd.url, home },
    });
    await establish(real.api, definition);
    const parts = { servers: [etcd.url], clock: systemClock, random: systemRandom, log: silentLog };
    server = await startTestServer({ store: await openEtcdStore(parts) });
    ours = callerOf(server);
    for (const api of [ours, real.api]) await until(async () => (await api.send('GET', collection)).code === 200);
    for (const [i, name] of names.entries()) await ours.expect(201, 'POST', collection, part(name, i % 2));
    page = (await ours.expect(200, 'GET', `${collection}?limit=2`)).metadata.continue;
    await ours.expect(200, 'PATCH', `${collection}/b`, { metadata: { labels: { odd: '0' } } }, mergePatch);
    await ours.expect(200, 'DELETE', `${collection}/c`);
    current = Number((await real.api.expect(200, 'GET', collection)).metadata.resourceVersion);
  });
  after(async () => {
    ours?.close();
    for (const it of [real, server, home]) await it?.stop();
    await etcd?.remove();
  });

  test('lists by version, match, limit and continuation', { timeout: 120_000 }, lists);
  test('lists and watches by selectors', { timeout: 120_000 }, selectors);
  test('watches by version, match and initial events', { timeout: 120_000 }, watches);
  test('deletes by options in the query and in the body', { timeout: 120_000 }, deletes);
}

type Choices = Readonly<Record<string, readonly (string | undefined)[]>>;

/** Each way to choose one of each; undefined: not given. */
function* queries(choices: Choices): Generator<string> {
  const [first, ...others] = Object.entries(choices);
  if (!first) return yield '';
  const [name, values] = first;
  for (const rest of queries(Object.fromEntries(others)))
    for (const value of values)
      yield [...(value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`]), ...(rest ? [rest] : [])].join(
        '&',
      );
}

const token = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Where the next page begins; Kubernetes' cache writes a slash before it. */
const beginning = (text: string): string =>
  text && Buffer.from(text, 'base64url').toString().replace('"start":"/', '"start":"');

function told({ code, headers, object }: Reply): object {
  const { warning, 'retry-after': retryAfter, 'content-type': type } = headers;
  const head = { code, warning, retryAfter, type };
  if (!object?.metadata) return { ...head, object };
  const { continue: next, ...metadata } = object.metadata;
  return { ...head, object: { ...object, metadata }, next: next === undefined ? undefined : beginning(next) };
}

async function alike(paths: Iterable<string>): Promise<void> {
  let count = 0;
  for (const path of paths) {
    const [here, there] = await Promise.all([ours, real.api].map(api => api.send('GET', path)));
    assert.deepEqual(told(here!), told(there!), decodeURIComponent(path));
    count++;
  }
  assert.ok(count > 10);
}

async function lists(): Promise<void> {
  const v = 'meta.k8s.io/v1';
  const old = String(JSON.parse(beginning(page)).rv);
  const theirs = (await real.api.expect(200, 'GET', `${collection}?limit=2`)).metadata.continue;
  const all = {
    resourceVersion: [undefined, '', '0', '00', old, String(current), 'bad', '-1', '18446744073709551616'],
    resourceVersionMatch: [undefined, 'Exact', 'NotOlderThan', 'bad'],
    limit: [undefined, '', '1', '500', '-1'],
    continue: [
      ...[undefined, '', page, theirs, 'bad', token({}), token({ v, rv: -1, start: 'b\0' })],
      ...[token({ v, rv: current, start: '../x' }), token({ v, rv: current + 1e6, start: 'b\0' })],
    ],
  };
  await alike([...queries(all)].map(query => `${collection}?${query}`));
  const large = { resourceVersion: [String(current + 1e6), '18446744073709551615'], limit: ['1'] };
  for (const query of queries(large)) {
    const [here, there] = await Promise.all([ours, real.api].map(api => api.send('GET', `${collection}?${query}`)));
    assert.deepEqual(told(here!), told(there!), query);
  }
}

async function selectors(): Promise<void> {
  const labels = [
    ...['odd=1', 'odd!=1', 'odd in (0,1)', 'odd notin (1)', '!odd', 'odd>0', 'odd>x', 'odd>9223372036854775808'],
    ...['=', ',', 'odd in (', 'a b', '-x', 'x/y/z=1', ' '],
  ];
  const fields = [
    ...['metadata.name=b', 'metadata.name!=b', 'metadata.namespace=default', 'metadata.namespace=other'],
    ...['spec.colour=red', 'spec.colour!=red', 'bad=1', '=', '!=', ',', 'metadata.name', 'metadata.name=b,=', '=a'],
  ];
  const asked: Choices[] = [...labels.map(l => ({ labelSelector: [l] })), ...fields.map(f => ({ fieldSelector: [f] }))];
  const all = collection.replace('/namespaces/default', '');
  const kinds: Choices[] = [{}, { resourceVersion: ['0'], limit: ['2'] }, { limit: ['500'] }];
  for (const more of kinds)
    for (const path of [collection, all])
      await alike(asked.flatMap(selector => [...queries({ ...selector, ...more })]).map(query => `${path}?${query}`));
}

/** What a watch of a second has told: bookmarks of the passing of time left out. */
async function watched(api: Caller, query: string): Promise<unknown> {
  const path = `${collection}?watch=1&timeoutSeconds=1&${query}`;
  const watching = await api.watch(path).catch(() => undefined);
  if (!watching) return told(await api.send('GET', path));
  await watching.ended;
  return watching.events.flatMap<object>(({ type, object }) => {
    if (type !== 'BOOKMARK') return [{ type, object }];
    const { annotations, resourceVersion } = object.metadata;
    assert.ok(Number(resourceVersion) >= current);
    return annotations ? [{ type, keys: Object.keys(object), annotations }] : [];
  });
}

async function watches(): Promise<void> {
  const old = String(JSON.parse(beginning(page)).rv);
  const all = {
    resourceVersion: [undefined, '', '0', '00', old, String(current), String(current + 1e6), 'bad'],
    resourceVersionMatch: [undefined, 'Exact', 'NotOlderThan'],
    sendInitialEvents: [undefined, 'false'],
    continue: [undefined, page],
    fieldSelector: [undefined, 'metadata.name=b'],
  };
  const chosen = [...queries(all)];
  for (let from = 0; from < chosen.length; from += 24)
    await Promise.all(
      chosen.slice(from, from + 24).map(async query => {
        const [here, there] = await Promise.all([ours, real.api].map(api => watched(api, query)));
        assert.deepEqual(here, there, decodeURIComponent(query));
      }),
    );
}

async function deletes(): Promise<void> {
  const inQuery = {
    propagationPolicy: [undefined, 'Orphan', 'Foreground', 'bad'],
    orphanDependents: [undefined, 'true'],
    gracePeriodSeconds: [undefined, 'x'],
    dryRun: [undefined, 'All', 'bad'],
    resourceVersion: [undefined, '1'],
  };
  const bodies: readonly unknown[] = [
    ...['{', 'null', '[]', {}, { kind: 'Part', apiVersion: 'parameters.example/v1' }, { gracePeriodSeconds: 'x' }],
    ...[{ kind: 'DeleteOptions', apiVersion: 'nowhere/v1' }, { dryRun: ['All', 'All'] }, { dryRun: [''] }],
    ...[{ preconditions: {} }, { preconditions: { uid: 'x' } }, { orphanDependents: false, propagationPolicy: 'x' }],
    ...[
      { gracePeriodSeconds: 0 },
      { gracePeriodSeconds: -1 },
      { unknown: 1 },
      { propagationPolicy: '' },
      { preconditions: 'x' },
      { orphanDependents: true },
    ],
  ];
  for (const query of queries(inQuery)) await deletedAlike(query, undefined);
  for (const body of bodies) await deletedAlike('', body);
}

/** One object that nothing holds and one that a finalizer does, alone and together. */
async function deletedAlike(query: string, body: unknown): Promise<void> {
  const [here, there] = [await deleted(ours, query, body), await deleted(real.api, query, body)];
  assert.deepEqual(here, there, `${query} ${JSON.stringify(body)}`);
}

async function deleted(api: Caller, query: string, body: unknown): Promise<unknown[]> {
  const seen: unknown[] = [];
  const selector = 'labelSelector=odd%3D7';
  for (const path of ['x', 'y', ''].map(name => (name ? `/${name}?` : `?${selector}&`))) {
    await api.expect(201, 'POST', collection, part('x', 7));
    const { metadata } = await api.expect(
      201,
      'POST',
      collection,
      part('y', 7, { finalizers: ['parameters.example/held'] }),
    );
    // Lists of any age that follow have both.
    await api.expect(200, 'GET', `${collection}?resourceVersion=${metadata.resourceVersion}`);
    seen.push(passing(await api.send('DELETE', `${collection}${path}${query}`, body)));
    const left = await api.expect(200, 'GET', `${collection}?${selector}`);
    seen.push(passing({ code: 200, headers: {}, object: left }));
    for (const { metadata } of left.items) {
      await api.send('PATCH', `${collection}/${metadata.name}`, { metadata: { finalizers: null } }, mergePatch);
      await api.send('DELETE', `${collection}/${metadata.name}`);
    }
  }
  return seen;
}

/** Without what is of one moment or one object only. */
const passing = (reply: Reply): unknown =>
  JSON.parse(
    JSON.stringify(told(reply))
      .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'UID')
      .replace(/\d{4}-\d\d-\d\dT[\d:]+Z/g, 'TIME')
      .replace(/("resourceVersion":"|record \()\d+/g, '$1N'),
  );
