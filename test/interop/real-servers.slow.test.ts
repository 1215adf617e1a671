// apiextensions-apiserver and sample-apiserver, as Kubernetes publishes them, and k8ts on one etcd at the same keys: what
// either writes the other serves, at the same time and afterwards.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ask, casesOf, files, kinds } from '../../src/apiserver/custom/test-answers.ts';
import { establish } from '../../src/apiserver/custom/test-definition.ts';
import { applyPatch, type Caller, type Json, mergePatch } from '../../src/apiserver/test-caller.ts';
import { startTestServer, type TestServer } from '../../src/apiserver/test-server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { type EtcdStore, openEtcdStore } from '../../src/store/etcd-store.ts';
import { type EtcdProcess, missingEtcd, startEtcd } from '../../src/store/test-etcd.ts';
import { callerOf } from './cluster-content.ts';
import { type RealServer, startRealServer } from './real-server.ts';
import { storageProgram } from './storage-process.ts';

const program = await storageProgram();
const missing = (await missingEtcd()) ?? ('missing' in program ? program.missing : undefined);

let etcd: EtcdProcess;
let home: TestServer;
let real: RealServer;
let flunders: RealServer;
let server: TestServer;
let ours: Caller;
let raw: EtcdStore;

const open = (options: object = {}) =>
  openEtcdStore({ servers: [etcd.url], clock: systemClock, random: systemRandom, log: silentLog, ...options });

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const widgets = (version: string) => `/apis/real.example/${version}/namespaces/default/widgets`;

const widgetDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.real.example', annotations: { note: 'made by the real one' } },
  spec: {
    group: 'real.example',
    scope: 'Namespaced',
    names: { plural: 'widgets', kind: 'Widget', shortNames: ['wd'], categories: ['all'] },
    versions: ['v1', 'v2'].map((name, i) => ({
      name,
      served: true,
      storage: i === 0,
      subresources: {
        status: {},
        scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
      },
      additionalPrinterColumns: [{ name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas', priority: i }],
      selectableFields: [{ jsonPath: '.spec.colour' }],
      schema: {
        openAPIV3Schema: {
          type: 'object',
          properties: {
            spec: {
              type: 'object',
              properties: {
                replicas: { type: 'integer', minimum: 0, default: 1 },
                colour: { type: 'string', enum: ['red', 'blue'] },
                ratio: { type: 'number' },
                port: { 'x-kubernetes-int-or-string': true },
                nothing: { type: 'string', nullable: true },
                free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
              },
              'x-kubernetes-validations': [
                { rule: "!has(self.colour) || self.colour != 'red' || self.replicas < 9", message: 'too red' },
              ],
            },
            status: { type: 'object', properties: { replicas: { type: 'integer' } } },
          },
        },
      },
    })),
  },
};

const widget = (name: string, spec: object): Json => ({
  apiVersion: 'real.example/v1',
  kind: 'Widget',
  metadata: { name, labels: { of: 'interop' } },
  spec,
});

const contents: readonly object[] = [
  {},
  { replicas: 3, colour: 'red', ratio: 0.1, port: '80%' },
  { ratio: 1e21, port: 8080, nothing: null, free: { 'ü/ö': ['\u2028<&>', 1.5e-7, [], {}, null, true], empty: '' } },
  { free: { deep: { deeper: { deepest: [{ a: 1 }, { a: [2, [3]] }] } }, z: 1, a: 2 } },
];

async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found) return found;
    await systemClock.sleep(20);
  }
}

const found = async (api: Caller, path: string): Promise<Json> =>
  until(async () => {
    const { code, object } = await api.send('GET', path);
    return code === 200 && object;
  });

if (missing !== undefined) test('servers made of the modules of kube-apiserver', { skip: missing }, () => {});
else suite();

function suite(): void {
  before(async () => {
    etcd = await startEtcd();
    home = await startTestServer();
    const options = { program: (program as { path: string }).path, etcd: etcd.url, home };
    real = await startRealServer({ ...options, name: 'definitions' });
    flunders = await startRealServer({ ...options, name: 'flunders' });
    await establish(real.api, widgetDefinition);
    raw = await open({ root: '', prefix: '/' });
    const { value } = (await raw.get(definitionKey('widgets.real.example')))!;
    assert.equal(JSON.parse(Buffer.from(value).toString()).apiVersion, 'apiextensions.k8s.io/v1beta1');
    for (const [i, spec] of contents.entries())
      await until(async () => (await real.api.send('POST', widgets('v1'), widget(`w${i}`, spec))).code === 201);
    server = await startTestServer({ store: await open() });
    ours = callerOf(server);
  });
  after(async () => {
    ours?.close();
    for (const it of [real, flunders, server, home]) await it?.stop();
    await raw?.close();
    await etcd?.remove();
  });

  test('definitions and custom resources of apiextensions-apiserver are served alike', { timeout: 60_000 }, alike);
  test('either is told of what the other changes, and refuses what is stale', { timeout: 60_000 }, eitherWay);
  test('odd requests are answered alike', { timeout: 60_000 }, oddAlike);
  test('what is recorded of definitions and custom objects is still answered', { timeout: 120_000 }, recorded);
  test('both count one custom resource up at once: nothing is lost', { timeout: 60_000 }, countsTogether);
  test(
    'definitions of k8ts are served by apiextensions-apiserver, and are gone with all their resources',
    { timeout: 60_000 },
    ownDefinition,
  );
  test(
    'the objects of sample-apiserver are custom resources where a definition says so',
    { timeout: 60_000 },
    flundersToo,
  );
}

async function alike(): Promise<void> {
  const path = `${definitions}/widgets.real.example`;
  await until(async () => {
    const [here, there] = [await found(ours, path), await found(real.api, path)];
    // k8ts adds which generation it has seen.
    if (here.metadata.resourceVersion !== there.metadata.resourceVersion) return false;
    assert.deepEqual(here, there);
    return true;
  });
  await found(ours, `${widgets('v1')}/w0`);
  for (const version of ['v1', 'v2']) {
    const theirs = await real.api.expect(200, 'GET', widgets(version));
    const list = await ours.expect(200, 'GET', widgets(version));
    assert.equal(theirs.items.length, contents.length);
    assert.deepEqual(list.items, theirs.items);
    const query = '?fieldSelector=spec.colour%3Dred&labelSelector=of%3Dinterop';
    const red = await ours.expect(200, 'GET', `${widgets(version)}${query}`);
    assert.deepEqual(red.items, (await real.api.expect(200, 'GET', `${widgets(version)}${query}`)).items);
    assert.equal(red.items.length, 1);
  }
}

/** It refuses watches while it fills its cache. */
const watchReal = (path: string) => until(() => real.api.watch(path).catch(() => undefined));

const definitionKey = (name: string) => `/registry/apiextensions.k8s.io/customresourcedefinitions/${name}`;

async function eitherWay(): Promise<void> {
  const path = `${widgets('v2')}/w1`;
  const before = await ours.expect(200, 'GET', path);
  const from = `?watch=true&resourceVersion=${before.metadata.resourceVersion}`;
  const [here, there] = [await ours.watch(`${widgets('v2')}${from}`), await watchReal(`${widgets('v2')}${from}`)];
  const patched = await ours.expect(200, 'PATCH', path, { spec: { replicas: 4 } }, mergePatch);
  assert.equal(patched.metadata.generation, 2);
  await there.next(e => e.object.metadata.resourceVersion === patched.metadata.resourceVersion);
  assert.deepEqual(await real.api.expect(200, 'GET', path), patched);
  const stale = { ...before, spec: { ...before.spec, replicas: 5 } };
  for (const api of [ours, real.api]) assert.equal((await api.expect(409, 'PUT', path, stale)).reason, 'Conflict');
  const status = await real.api.expect(200, 'PATCH', `${path}/status`, { status: { replicas: 4 } }, mergePatch);
  await here.next(e => e.object.metadata.resourceVersion === status.metadata.resourceVersion);
  assert.deepEqual(await ours.expect(200, 'GET', path), status);
  const scale = await ours.expect(200, 'GET', `${path}/scale`);
  assert.deepEqual([scale.spec.replicas, scale.status.replicas], [4, 4]);
  for (const api of [ours, real.api])
    assert.match((await api.expect(422, 'PATCH', path, { spec: { replicas: 9 } }, mergePatch)).message, /too red/);
  const made = await ours.expect(201, 'POST', widgets('v1'), widget('made', { colour: 'blue' }));
  assert.deepEqual(await real.api.expect(200, 'GET', `${widgets('v1')}/made`), made);
  await real.api.expect(200, 'DELETE', `${widgets('v1')}/made`);
  await here.next(e => e.type === 'DELETED');
  await ours.expect(404, 'GET', `${widgets('v1')}/made`);
  await there.next(e => e.type === 'DELETED');
  assert.deepEqual(here.events, there.events);
  here.stop();
  there.stop();
}

type Request = readonly [method: string, path: string, body?: unknown, headers?: Record<string, string>];

function oddRequests(): readonly Request[] {
  const path = widgets('v1');
  const odd = (spec: unknown, metadata: unknown = { name: 'odd' }) => ({
    ...{ apiVersion: 'real.example/v1', kind: 'Widget', metadata, spec },
  });
  const get = (url: string): Request => ['GET', url];
  const post = (body: string): Request => ['POST', path, body];
  const apply = (body: object): Request => ['PATCH', `${path}/odd?fieldManager=m`, body, applyPatch];
  return [
    ...[`${path}%2Fw0`, `${path}/w0%2fstatus`, '/apis/real.example%2fv1//', `/${path}`, `${path}/a%25b`].map(get),
    ...['/apis/real.example/v1/namespaces/a%2Fb/widgets', `${path}?timeout=1ns`].map(get),
    get(`${path}?resourceVersion=999999999&timeout=50ms`),
    ...[null, { replicas: null, colour: null }, { ratio: null }, { replicas: 1.5 }, { free: 'x' }].map(s =>
      apply(odd(s)),
    ),
    ...[{}, [], { name: 'odd', labels: { a: 1 } }, { name: 'odd', creationTimestamp: {} }].map(m => apply(odd({}, m))),
    ...['{', '{}', 'null', '{"kind":5}', '{"kind":"Widget"}', JSON.stringify(odd({}, { uid: 5 }))].map(post),
    ['PUT', `${path}/none`, '{'],
    ['PATCH', `${path}/none`, '{', mergePatch],
  ];
}

async function oddAlike(): Promise<void> {
  const told = async (api: Caller, [method, url, body, headers]: Request) => {
    const { code, object, headers: got } = await api.send(method, url, body, headers);
    return { code, object, type: got['content-type'] };
  };
  for (const request of oddRequests()) {
    const [here, there] = [await told(ours, request), await told(real.api, request)];
    // What serves definitions alone tells what paths it has where nothing is found.
    if (there.code === 404 && there.object.paths) assert.equal(here.object, '404 page not found\n');
    else assert.deepEqual(here, there, `${request[0]} ${request[1]} ${JSON.stringify(request[2])}`);
  }
}

async function recorded(): Promise<void> {
  for (const kind of kinds()) await establish(real.api, kind);
  for (const { spec } of kinds()) await found(real.api, `/apis/${spec.group}/v1/${spec.names.plural}`);
  for (const file of files)
    for (const { answer, ...asked } of casesOf(file))
      assert.deepEqual(await ask(real.api, asked), answer, JSON.stringify(asked));
}

async function countsTogether(): Promise<void> {
  const path = `${widgets('v1')}/w0`;
  const times = 50;
  const first = (await ours.expect(200, 'GET', path)).spec.replicas;
  const count = async (api: Caller) => {
    for (let done = 0; done < times; ) {
      const object = await api.expect(200, 'GET', path);
      object.spec.replicas++;
      const { code } = await api.send('PUT', path, object);
      assert.ok(code === 200 || code === 409, `PUT: ${code}`);
      if (code === 200) done++;
    }
  };
  await Promise.all([count(ours), count(real.api), count(ours), count(real.api)]);
  for (const api of [ours, real.api])
    assert.equal((await api.expect(200, 'GET', path)).spec.replicas, first + 4 * times);
}

async function ownDefinition(): Promise<void> {
  const name = 'gadgets.ours.example';
  const names = { plural: 'gadgets', kind: 'Gadget' };
  const { spec } = widgetDefinition;
  const definition = { ...widgetDefinition, metadata: { name }, spec: { ...spec, group: 'ours.example', names } };
  const made = await establish(ours, definition);
  const path = '/apis/ours.example/v1/namespaces/default/gadgets';
  await until(async () => (await real.api.send('GET', path)).code === 200);
  assert.equal((await real.api.expect(200, 'GET', `${definitions}/${name}`)).metadata.uid, made.metadata.uid);
  const gadget = (own: string) => ({
    apiVersion: 'ours.example/v1',
    kind: 'Gadget',
    metadata: { name: own },
    spec: {},
  });
  for (const [i, api] of [ours, real.api, ours, real.api].entries())
    await until(async () => (await api.send('POST', path, gadget(`g${i}`))).code === 201);
  assert.deepEqual((await ours.expect(200, 'GET', path)).items, (await real.api.expect(200, 'GET', path)).items);
  await ours.expect(200, 'DELETE', `${definitions}/${name}`);
  await until(async () => (await real.api.send('GET', `${definitions}/${name}`)).code === 404);
  await until(async () => (await ours.send('GET', `${definitions}/${name}`)).code === 404);
  assert.deepEqual((await raw.list('/registry/ours.example/')).entries, []);
  await until(async () => (await real.api.send('GET', path)).code === 404);
}

async function flundersToo(): Promise<void> {
  const path = '/apis/wardle.example.com/v1alpha1/namespaces/default/flunders';
  const flunder = (name: string) => ({
    apiVersion: 'wardle.example.com/v1alpha1',
    kind: 'Flunder',
    metadata: { name },
    spec: { reference: 'x' },
  });
  const theirs = await flunders.api.expect(201, 'POST', path, flunder('theirs'));
  await establish(ours, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'flunders.wardle.example.com' },
    spec: {
      group: 'wardle.example.com',
      scope: 'Namespaced',
      names: { plural: 'flunders', kind: 'Flunder' },
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  });
  assert.deepEqual(await found(ours, `${path}/theirs`), theirs);
  const patched = await ours.expect(200, 'PATCH', `${path}/theirs`, { spec: { reference: 'y' } }, mergePatch);
  assert.equal((await flunders.api.expect(200, 'GET', `${path}/theirs`)).spec.reference, 'y');
  assert.ok(Number(patched.metadata.resourceVersion) > Number(theirs.metadata.resourceVersion));
  await ours.expect(201, 'POST', path, flunder('ours'));
  await flunders.api.expect(200, 'PATCH', `${path}/ours`, { metadata: { labels: { a: 'b' } } }, mergePatch);
  assert.deepEqual((await ours.expect(200, 'GET', `${path}/ours`)).metadata.labels, { a: 'b' });
  await flunders.api.expect(200, 'DELETE', `${path}/ours`);
  await ours.expect(404, 'GET', `${path}/ours`);
}
