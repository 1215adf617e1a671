// One of several API servers on a store: others' writes come to its cache when the store gets round to telling.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { appsV1, coreV1 } from '../api/refs.ts';
import { isNotFound } from '../api/status.ts';
import type { TokenRequest } from '../api/type/authentication-v1.ts';
import type { Scale } from '../api/type/autoscaling-v1.ts';
import { systemClock } from '../base/clock.ts';
import type { Client } from '../client/client.ts';
import { memoryStore } from '../store/memory-store.ts';
import type { Store, StoreEvent } from '../store/store.ts';
import { caller } from './test-caller.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const delayMs = 30;
const turn = () => new Promise<void>(resolve => void setImmediate(resolve));

/** The same store as another server sees it, whose watches are late. */
function lateStore(store: Store): Store {
  const later = (act: () => void) => void systemClock.after(delayMs, act);
  const own: Partial<Store> = {
    newestRevision: async () => store.revision,
    watch: (prefix, after, handler) =>
      store.watch(prefix, after, {
        onEvents: (events: readonly StoreEvent[]) => later(() => handler.onEvents(events)),
        onError: error => handler.onError(error),
      }),
    close: async () => {},
  };
  return new Proxy(store, {
    get(target, name) {
      const mine = own[name as keyof Store];
      if (mine) return mine;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const key = { namespace: 'default', name: 'a' };

/** Clients of a server that hears of all at once, and of one that is late: `there`, and `api` over HTTPS. */
async function twoServers(t: TestContext) {
  const store = memoryStore();
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const serviceAccountKeys = { privateKey, publicKeys: [publicKey] };
  const first = await startTestServer({ store, serviceAccountKeys });
  const second = await startTestServer({ store: lateStore(store), serviceAccountKeys });
  const { url, ca, admin } = second;
  const api = caller({ url, ca, cert: admin.certificatePem, key: admin.keyPem });
  t.after(async () => {
    api.close();
    await second.stop();
    await first.stop();
  });
  const clientOf = ({ server }: TestServer) => server.client({ userAgent: 'test' });
  return { here: clientOf(first), there: clientOf(second), api };
}

test('a change of whatever there is waits for what others wrote, and is never refused for it', async t => {
  const { here, there } = await twoServers(t);
  await here.create(coreV1.configmaps, { metadata: key, data: { count: '0' } });
  const patch = (client: Client, data: object) =>
    client.patch(coreV1.configmaps, key, { type: 'merge', body: { data } });
  let counting = true;
  let count = 0;
  const others = (async () => {
    for (; counting; await turn()) await patch(here, { count: `${++count}` });
  })();
  for (let round = 1; round <= 10; round++) {
    const { data } = await patch(there, { late: `${round}` });
    assert.equal(data?.late, `${round}`);
  }
  counting = false;
  await others;
  assert.ok(count > 10, 'nobody came between');
  assert.deepEqual((await here.get(coreV1.configmaps, key)).data, { count: `${count}`, late: '10' });
});

test('what another server has deleted is not there', async t => {
  const { here, there } = await twoServers(t);
  await here.create(coreV1.configmaps, { metadata: key });
  assert.ok(await there.get(coreV1.configmaps, key));
  await here.delete(coreV1.configmaps, key);
  const body = { data: { late: '1' } };
  await assert.rejects(there.patch(coreV1.configmaps, key, { type: 'merge', body }), isNotFound);
});

test('subresources of what another server has just written are told as they are', async t => {
  const { here, there, api } = await twoServers(t);
  const labels = { a: 'b' };
  const spec = { containers: [{ name: 'c', image: 'i' }] };
  const template = { metadata: { labels }, spec };
  await here.create(appsV1.deployments, {
    metadata: key,
    spec: { replicas: 1, selector: { matchLabels: labels }, template },
  });
  const replicas = async () => (await there.getSubresource<Scale>(appsV1.deployments, key, 'scale')).spec?.replicas;
  assert.equal(await replicas(), 1);
  await here.patch(appsV1.deployments, key, { type: 'merge', body: { spec: { replicas: 2 } } });
  assert.equal(await replicas(), 2);
  await here.create(coreV1.serviceaccounts, { metadata: { ...key, name: 'default' } });
  for (const [subresource, code] of [
    ['log', 204],
    ['exec?command=ls', 400],
    ['proxy/', 400],
  ] as const) {
    const name = `pod-${code}-${subresource.slice(0, 3)}`;
    await here.create(coreV1.pods, { metadata: { ...key, name }, spec });
    await api.expect(code, 'GET', `/api/v1/namespaces/default/pods/${name}/${subresource}`);
  }
});

test('a warning of what is tried again is told once', async t => {
  const { here, api } = await twoServers(t);
  await here.create(coreV1.configmaps, { metadata: key });
  const path = '/api/v1/namespaces/default/configmaps/a';
  await api.expect(200, 'GET', path);
  await here.patch(coreV1.configmaps, key, { type: 'merge', body: { data: { a: 'b' } } });
  const body = { metadata: { name: 'a', labels: { a: '!' } }, nope: 1 };
  const { code, headers } = await api.send('PUT', path, body);
  assert.deepEqual([code, headers.warning], [422, '299 - "unknown field \\"nope\\""']);
});

test('tokens are issued and taken for accounts that another server has just made', async t => {
  const { here, there, api } = await twoServers(t);
  const issue = (client: Client, account: typeof key) =>
    client.createSubresource<TokenRequest>(coreV1.serviceaccounts, account, 'token', { spec: {} });
  const made = async (name: string) => {
    const account = { ...key, name };
    await here.create(coreV1.serviceaccounts, { metadata: account });
    return account;
  };
  assert.ok((await issue(there, await made('one'))).status?.token);
  const { status } = await issue(here, await made('two'));
  const path = '/apis/authentication.k8s.io/v1/tokenreviews';
  const review = await api.expect(201, 'POST', path, { spec: { token: status!.token } });
  assert.equal(review.status.user?.username, 'system:serviceaccount:default:two', JSON.stringify(review.status));
});
