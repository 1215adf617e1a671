// What becomes of APIServices that somebody makes, changes and deletes, as kube-aggregator shows it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { memoryStore } from '../../store/memory-store.ts';
import type { Store } from '../../store/store.ts';
import { establish } from '../custom/test-definition.ts';
import { startTestExtension, type TestExtension } from '../extension/test-extension.ts';
import { type Caller, caller, type Json, mergePatch } from '../test-caller.ts';
import { startTestServer, type TestServer } from '../test-server.ts';
import { apiServiceBehind, makeServiceBehind } from './test-behind.ts';

const services = '/apis/apiregistration.k8s.io/v1/apiservices';
const aggregated = { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' };

let server: TestServer;
let extension: TestExtension;
let api: Caller;
before(async () => {
  extension = await startTestExtension((_, response) => void response.end('anything at all'), {
    dnsNames: ['behind.lab.svc'],
  });
  server = await startTestServer({ dialExtension: () => ({ host: '127.0.0.1', port: extension.port }) });
  api = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
  await makeServiceBehind(api);
});
after(async () => {
  api.close();
  await server.stop();
  await extension.stop();
});

const remote = (name: string, over: object = {}): Json => apiServiceBehind(name, extension.caBundle, over);
const groups = async () => (await api.expect(200, 'GET', '/apis')).groups.map((g: Json) => g.name);
const items = async () =>
  (await api.expect(200, 'GET', '/apis', undefined, aggregated)).items.map((g: Json) => g.metadata.name);

const definition = (group: string): Json => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `things.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: { plural: 'things', kind: 'Thing' },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
  },
});

async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found) return found;
    await systemClock.sleep(5);
  }
}
const reason = (name: string, wanted: string) =>
  until(async () => {
    const { status } = await api.expect(200, 'GET', `${services}/${name}`);
    return status.conditions?.[0]?.reason === wanted && status.conditions[0];
  });

test('a server that answers is available, whatever it says', async () => {
  await api.expect(201, 'POST', services, remote('v1.one.example'));
  await reason('v1.one.example', 'Passed');
  const { items: all } = await api.expect(200, 'GET', '/apis', undefined, aggregated);
  const [version] = all.find((g: Json) => g.metadata.name === 'one.example').versions;
  assert.deepEqual(version, { version: 'v1', freshness: 'Stale' });
  await api.expect(200, 'DELETE', `${services}/v1.one.example`);
  assert.ok(!(await items()).includes('one.example'));
});

test('with a caBundle that is none nothing is said', async () => {
  await api.expect(201, 'POST', services, remote('v1.two.example', { caBundle: 'AAAA' }));
  await api.expect(201, 'POST', services, remote('v1.three.example'));
  await reason('v1.three.example', 'Passed');
  assert.deepEqual((await api.expect(200, 'GET', `${services}/v1.two.example`)).status, {});
  assert.equal((await api.send('GET', '/apis/two.example/v1')).code, 503);
});

test('a service of another type without endpoints is told of as it is', async () => {
  await api.expect(201, 'POST', '/api/v1/namespaces/lab/services', {
    metadata: { name: 'node-port' },
    spec: { type: 'NodePort', ports: [{ port: 443 }] },
  });
  const service = { namespace: 'lab', name: 'node-port' };
  await api.expect(201, 'POST', services, remote('v1.four.example', { service }));
  const { message } = await reason('v1.four.example', 'FailedDiscoveryCheck');
  assert.equal(message, 'no endpoints available for service "node-port"');
});

test('one of the server’s own that is deleted is no longer listed, and still served', async () => {
  assert.ok((await groups()).includes('apps'));
  await api.expect(200, 'DELETE', `${services}/v1.apps`);
  assert.ok(!(await groups()).includes('apps'));
  await api.expect(200, 'GET', '/apis/apps');
  await api.expect(200, 'GET', '/apis/apps/v1/deployments');
  await api.expect(201, 'POST', services, remote('v1.apps'));
  await reason('v1.apps', 'Passed');
  assert.equal((await api.expect(200, 'GET', '/apis/apps/v1/deployments')).toString(), 'anything at all');
});

test('priorities are those of APIServices, and a group may have no server at all', async () => {
  const { service: _s, caBundle: _c, ...spec } = remote('v1.batch').spec;
  await api.expect(200, 'PATCH', `${services}/v1.batch`, { spec: { groupPriorityMinimum: 1 } }, mergePatch);
  assert.equal((await groups()).at(-1), 'batch');
  assert.equal((await items()).at(-1), 'batch');
  await api.expect(201, 'POST', services, {
    metadata: { name: 'v1.none.example' },
    spec: { ...spec, group: 'none.example' },
  });
  assert.ok((await groups()).includes('none.example'));
  assert.ok(!(await items()).includes('none.example'));
  await api.expect(404, 'GET', '/apis/none.example/v1');
});

test('what custom resources need is put back, and what claims to be of them is removed', async () => {
  await establish(api, definition('custom.example'));
  const path = `${services}/v1.custom.example`;
  const found = await until(async () => {
    const { code, object } = await api.send('GET', path);
    return code === 200 && object;
  });
  await api.expect(200, 'DELETE', path);
  await until(async () => (await api.send('GET', path)).object.metadata?.uid !== found.metadata.uid);
  await until(async () => (await api.send('GET', path)).code === 200);
  await api.expect(200, 'PATCH', path, { spec: { versionPriority: 7 } }, mergePatch);
  await until(async () => (await api.expect(200, 'GET', path)).spec.versionPriority === 100);
  const label = (value: string) => ({ labels: { 'kube-aggregator.kubernetes.io/automanaged': value } });
  for (const value of ['onstart', 'true']) {
    const made = remote(`v1.${value}.example`);
    await api.expect(201, 'POST', services, { ...made, metadata: { ...made.metadata, ...label(value) } });
  }
  await until(async () => (await api.send('GET', `${services}/v1.true.example`)).code === 404);
  await api.expect(200, 'GET', `${services}/v1.onstart.example`);
});

test('what custom resources need is written once, whatever is defined while it is', async t => {
  const store = memoryStore();
  const creates: string[] = [];
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const slow: Partial<Store> = {
    newestRevision: async () => store.revision,
    async create(key, ...rest) {
      const [, name] = key.split('/apiservices/');
      if (name?.endsWith('.slow.example')) {
        creates.push(name);
        await released;
      }
      return store.create(key, ...rest);
    },
  };
  const target = new Proxy(store, {
    get(of, name) {
      const value: unknown = slow[name as keyof Store] ?? Reflect.get(of, name, of);
      return typeof value === 'function' ? value.bind(of) : value;
    },
  });
  const own = await startTestServer({ store: target });
  const { url, ca, admin } = own;
  const there = caller({ url, ca, cert: admin.certificatePem, key: admin.keyPem });
  t.after(async () => {
    there.close();
    await own.stop();
  });
  await establish(there, definition('first.slow.example'));
  await until(async () => creates.length > 0);
  await establish(there, definition('second.slow.example'));
  // Twice what the server waits for changes to settle.
  systemClock.after(100, release);
  for (const group of ['first', 'second'])
    await until(async () => (await there.send('GET', `${services}/v1.${group}.slow.example`)).code === 200);
  assert.deepEqual(creates, ['v1.first.slow.example', 'v1.second.slow.example']);
});
