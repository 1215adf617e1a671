// Servers of one store, of which one does not serve what the other does.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { apiextensionsV1, batchV1, coreV1, rbacV1 } from '../../api/refs.ts';
import { isForbidden } from '../../api/status.ts';
import { systemClock, VirtualClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { freePort } from '../../base/test-free-port.ts';
import { createCa, issueCertificate } from '../../base/x509.ts';
import { memoryStore } from '../../store/memory-store.ts';
import { type Caller, caller } from '../test-caller.ts';
import { startTestServer, type TestServer } from '../test-server.ts';

const recorded: { accepts: readonly { accept: string; document: string; contentType: string }[] } = JSON.parse(
  readFileSync(new URL('testdata/discovery.json', import.meta.url), 'utf8'),
);
const jobs = '/apis/batch/v1/namespaces/default/jobs';
const folder = mkdtempSync(join(tmpdir(), 'k8ts-peers-'));
const peerCa = join(folder, 'ca.crt');
let able: TestServer;
let lacking: TestServer;
let api: Caller;
const clock = new VirtualClock(systemClock.now());

before(async () => {
  const store = memoryStore({ clock });
  const making = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
  const front = await createCa({ commonName: 'front', ...making });
  const { certificatePem: cert, keyPem: key } = await issueCertificate(front, {
    subject: { commonName: 'front-proxy-client' },
    usages: 'client',
    ...making,
  });
  const start = async (hostname: string, port: number, runtimeConfig: Record<string, boolean>) =>
    startTestServer({
      ...{ store, clock, hostname, runtimeConfig },
      frontProxyCa: front.certificatePem,
      frontProxyClient: { cert, key },
      peer: { ca: '', address: '127.0.0.1', port },
      certificateFiles: { peerCa },
    });
  const port = await freePort();
  able = await start('able', port, {});
  const listener = createServer().listen(port, '127.0.0.1');
  able.server.listen(listener);
  lacking = await start('lacking', await freePort(), { 'batch/v1': false });
  writeFileSync(peerCa, able.ca + lacking.ca);
  for (const { server } of [able, lacking]) await server.context.certificates.check();
  api = caller(callOf(lacking));
});
after(async () => {
  api.close();
  await lacking.stop();
  await able.stop();
  rmSync(folder, { recursive: true });
});

const callOf = ({ url, ca, admin }: TestServer) => ({ url, ca, cert: admin.certificatePem, key: admin.keyPem });

/** Servers look for each other each ten seconds. */
async function found(): Promise<void> {
  await clock.advance(10_000);
  while ((await api.send('GET', jobs)).code === 404);
}

test('what a server does not serve it asks of one that does, as who asked', async () => {
  assert.equal((await api.send('GET', jobs)).code, 404);
  await found();
  const containers = [{ name: 'c', image: 'i' }];
  const spec = { template: { spec: { containers, restartPolicy: 'Never' } } };
  const made = await api.expect(201, 'POST', jobs, { metadata: { name: 'one' }, spec });
  assert.equal(made.metadata.name, 'one');
  const client = able.server.client({ userAgent: 'test' });
  assert.equal((await client.get(batchV1.jobs, { namespace: 'default', name: 'one' })).metadata.uid, made.metadata.uid);
  const watch = await api.watch(`${jobs}?watch=true`);
  const body = { metadata: { labels: { a: 'b' } } };
  await client.patch(batchV1.jobs, { namespace: 'default', name: 'one' }, { type: 'merge', body });
  await watch.next(({ type }) => type === 'MODIFIED');
  watch.stop();

  await client.create(rbacV1.clusterroles, {
    metadata: { name: 'reader' },
    rules: [{ apiGroups: ['batch'], resources: ['jobs'], verbs: ['list'] }],
  });
  await client.create(rbacV1.clusterrolebindings, {
    metadata: { name: 'reader' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reader' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'jane' }],
  } as never);
  const jane = await lacking.http({ name: 'jane' });
  while (!(await jane.list(batchV1.jobs).catch(() => undefined)));
  await assert.rejects(jane.list(batchV1.cronjobs), isForbidden);
  const counted = (await lacking.server.metrics.text()).split('\n').filter(l => l.startsWith('apiserver_rerouted_'));
  const labels = 'group="batch",resource="jobs",version="v1"';
  assert.ok(counted.includes(`apiserver_rerouted_request_total{code="201",${labels}} 1`), counted.join('\n'));
});

test('what was sent on is not sent on again, and what no server has is not there', async () => {
  await found();
  assert.equal((await api.send('GET', jobs, undefined, { 'x-kubernetes-peer-proxied': 'true' })).code, 404);
  assert.equal((await api.send('GET', '/apis/batch/v9/jobs')).code, 404);
  assert.equal((await api.send('GET', '/apis/batch/v1/none')).code, 404);
  await lacking.server.client({ userAgent: 'test' }).list(coreV1.pods);
});

const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

test('discovery is of all servers, unless this one alone is asked for', async () => {
  await found();
  const shown = async (accept: string) => {
    const { object, headers } = await api.send('GET', '/apis', undefined, { accept });
    const items: { metadata: { name: string } }[] = object.items;
    return { etag: headers.etag, batch: items.find(i => i.metadata.name === 'batch'), first: items[0]!.metadata.name };
  };
  const all = await shown(aggregated);
  assert.deepEqual(
    all.batch,
    (await discoveryOf(able)).find(i => i.metadata.name === 'batch'),
  );
  assert.equal(all.first, 'apiregistration.k8s.io');
  const alone = await shown(`${aggregated};profile=nopeer`);
  assert.equal(alone.batch, undefined);
  assert.notEqual(all.etag, alone.etag);
  assert.equal((await shown(`${aggregated};profile=other`)).etag, all.etag);
  assert.equal(
    (await api.send('GET', '/apis', undefined, { accept: aggregated, 'if-none-match': all.etag! })).code,
    304,
  );
  assert.equal((await api.send('GET', '/apis/batch')).code, 404);
  const metrics = await lacking.server.metrics.text();
  assert.match(metrics, /\naggregator_discovery_peer_aggregated_cache_misses_total 1\n/);
  assert.match(metrics, /\naggregator_discovery_peer_aggregated_cache_hits_total 2\n/);
  assert.match(metrics, /\naggregator_discovery_nopeer_requests_total 1\n/);
});

test('which Accept headers bring which discovery', async () => {
  await found();
  for (const { accept, document, contentType } of recorded.accepts) {
    // No discovery here is YAML.
    if (accept.startsWith('application/yaml')) continue;
    const { headers } = await api.send('GET', '/apis', undefined, { accept });
    if (document === 'unaggregated') {
      assert.ok(!String(headers['content-type']).includes('as='), accept);
      continue;
    }
    assert.equal(headers['content-type'], contentType, accept);
    const expected = await api.send('GET', '/apis', undefined, {
      accept: document === 'merged' ? aggregated : `${aggregated};profile=nopeer`,
    });
    assert.equal(headers.etag, expected.headers.etag, accept);
  }
});

async function discoveryOf(of: TestServer) {
  const there = caller(callOf(of));
  const { object } = await there.send('GET', '/apis', undefined, { accept: aggregated });
  there.close();
  return object.items as { metadata: { name: string } }[];
}

test("this server's own controllers see and reach what others serve", async () => {
  await found();
  const client = lacking.server.client({ userAgent: 'test' });
  const { groups } = (await client.raw('/apis')) as { groups: readonly { name: string }[] };
  assert.equal(groups.filter(g => g.name === 'batch').length, 1);
  const { resources } = (await client.raw('/apis/batch/v1')) as { resources: readonly { name: string }[] };
  assert.deepEqual(
    resources.map(r => r.name),
    ['cronjobs', 'cronjobs/status', 'jobs', 'jobs/status'],
  );
  const { items } = await client.list(batchV1.jobs, { namespace: 'default' });
  assert.deepEqual(
    items.map(j => j.metadata.name),
    ['one'],
  );
});

test('what a custom resource has been is not asked of another server', async () => {
  const client = lacking.server.client({ userAgent: 'test' });
  const things = '/apis/lab.dev/v1/things';
  const names = { plural: 'things', kind: 'Thing' };
  const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } };
  const spec = { group: 'lab.dev', scope: 'Cluster', names, versions: [version] };
  await client.create(apiextensionsV1.customresourcedefinitions, {
    metadata: { name: 'things.lab.dev' },
    spec,
  } as never);
  while ((await api.send('GET', things)).code !== 200);
  await clock.advance(10_000);
  while (!(await discoveryOf(able)).some(i => i.metadata.name === 'lab.dev'));
  await clock.advance(10_000);
  await client.delete(apiextensionsV1.customresourcedefinitions, { name: 'things.lab.dev' });
  while ((await api.send('GET', things)).code !== 404);
  assert.equal(
    (await discoveryOf(lacking)).some(i => i.metadata.name === 'lab.dev'),
    false,
  );
});

test('a server that cannot be believed is not asked', async () => {
  await found();
  writeFileSync(peerCa, lacking.ca);
  await lacking.server.context.certificates.check();
  const { code, object } = await api.send('GET', jobs);
  assert.equal(code, 503);
  assert.match(object.message, /^Error while proxying request to destination apiserver: .*x509: certificate signed by/);
  const metrics = await lacking.server.metrics.text();
  assert.match(metrics, /\napiserver_peer_proxy_errors_total\{group="batch",resource="jobs",type="proxy_transport",/);
});
