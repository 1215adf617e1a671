// The official suite's test of the aggregator, with a sample API server that keeps flunders.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { createCa, issueCertificate } from '../../base/x509.ts';
import { startTestExtension, type TestExtension } from '../extension/test-extension.ts';
import { applyPatch, type Caller, caller, type Json, mergePatch } from '../test-caller.ts';
import { startTestServer, type TestServer } from '../test-server.ts';

const groupVersion = 'wardle.example.com/v1alpha1';
const apiService = 'v1alpha1.wardle.example.com';
const services = '/apis/apiregistration.k8s.io/v1/apiservices';
const flunders = `/apis/${groupVersion}/namespaces/default/flunders`;
const namespace = 'aggregator-6795';

/** The sample API server: one kind, kept in memory. */
class SampleServer {
  readonly #kept = new Map<string, Json>();
  #revision = 1;

  serve(method: string, path: string, body: string): readonly [code: number, object: Json] {
    if (path === '/apis') return [200, { kind: 'APIGroupList', apiVersion: 'v1', groups: [group] }];
    if (path === '/apis/wardle.example.com') return [200, { ...group, kind: 'APIGroup', apiVersion: 'v1' }];
    if (path === `/apis/${groupVersion}`) return [200, resources];
    if (!path.startsWith(flunders)) return status(404, 'NotFound', path);
    const name = path.slice(flunders.length + 1);
    if (method === 'POST') return [201, this.#keep(JSON.parse(body))];
    if (!name) return [200, this.#list()];
    const found = this.#kept.get(name);
    if (!found) return status(404, 'NotFound', `flunders.wardle.example.com "${name}" not found`);
    if (method === 'PUT') return [200, this.#keep(JSON.parse(body))];
    if (method === 'DELETE') this.#kept.delete(name);
    return [200, found];
  }

  #keep(object: Json): Json {
    const uid = object.metadata.uid ?? `uid-${this.#revision}`;
    const metadata = { ...object.metadata, namespace: 'default', uid, resourceVersion: `${++this.#revision}` };
    const kept = { ...object, metadata };
    this.#kept.set(metadata.name, kept);
    return kept;
  }

  #list(): Json {
    const metadata = { resourceVersion: `${this.#revision}` };
    return { kind: 'FlunderList', apiVersion: groupVersion, metadata, items: [...this.#kept.values()] };
  }
}

const status = (code: number, reason: string, message: string): readonly [number, Json] => [
  code,
  { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message },
];
const version = { groupVersion, version: 'v1alpha1' };
const group = { name: 'wardle.example.com', versions: [version], preferredVersion: version };
const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const flunder = { name: 'flunders', singularName: 'flunder', namespaced: true, kind: 'Flunder', verbs };
const resources = { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: [flunder] };

let server: TestServer;
let extension: TestExtension;
let api: Caller;
const users = new Set<unknown>();

before(async () => {
  const making = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
  const ca = await createCa({ commonName: 'front-proxy-ca', ...making });
  const subject = { commonName: 'front-proxy-client' };
  const proxy = await issueCertificate(ca, { subject, usages: 'client', ...making });
  const sample = new SampleServer();
  extension = await startTestExtension(
    ({ method = '', url = '', headers }, response, body) => {
      users.add(headers['x-remote-user']);
      const [code, object] = sample.serve(method, new URL(url, 'https://x').pathname, body);
      response.writeHead(code, { 'content-type': 'application/json' });
      response.end(JSON.stringify(object));
    },
    { dnsNames: [`sample-api.${namespace}.svc`], clientCa: ca.certificatePem },
  );
  server = await startTestServer({
    frontProxyCa: ca.certificatePem,
    frontProxyClient: { cert: proxy.certificatePem, key: proxy.keyPem },
    dialExtension: at => (at.host === '10.9.9.9' ? { host: '127.0.0.1', port: extension.port } : at),
  });
  api = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
});
after(async () => {
  api.close();
  await server.stop();
  await extension.stop();
});

/** What a deployment of the server, its service and the endpoints controller would leave. */
async function deploy(): Promise<void> {
  await api.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name: namespace } });
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  const subjects = [{ kind: 'ServiceAccount', name: 'default', namespace }];
  await api.expect(201, 'POST', `${rbac}/namespaces/kube-system/rolebindings`, {
    metadata: { name: 'wardler-auth-reader' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'extension-apiserver-authentication-reader' },
    subjects,
  });
  await api.expect(200, 'GET', `${rbac}/namespaces/kube-system/roles/extension-apiserver-authentication-reader`);
  await api.expect(201, 'POST', `${rbac}/clusterrolebindings`, {
    metadata: { name: `wardler:${namespace}:auth-delegator` },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:auth-delegator' },
    subjects,
  });
  await api.expect(201, 'POST', `/api/v1/namespaces/${namespace}/services`, {
    metadata: { name: 'sample-api', labels: { test: 'aggregator' } },
    spec: { selector: { apiserver: 'true' }, ports: [{ protocol: 'TCP', port: 7443, targetPort: 443 }] },
  });
  await api.expect(201, 'POST', `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, {
    metadata: { name: 'sample-api-1', labels: { 'kubernetes.io/service-name': 'sample-api' } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 443, protocol: 'TCP' }],
    endpoints: [{ addresses: ['10.9.9.9'], conditions: { ready: true } }],
  });
}

async function availableService(): Promise<void> {
  await api.expect(201, 'POST', services, {
    metadata: { name: apiService },
    spec: {
      service: { namespace, name: 'sample-api', port: 7443 },
      group: 'wardle.example.com',
      version: 'v1alpha1',
      caBundle: extension.caBundle,
      groupPriorityMinimum: 2000,
      versionPriority: 200,
    },
  });
  const watching = await api.watch(`${services}?watch=1&fieldSelector=metadata.name%3D${apiService}`);
  await watching.next(({ object }) =>
    object.status?.conditions?.some((c: Json) => c.type === 'Available' && c.status === 'True'),
  );
  watching.stop();
}

async function useFlunders(): Promise<void> {
  assert.deepEqual((await api.expect(200, 'GET', flunders)).items, []);
  const object = {
    apiVersion: groupVersion,
    kind: 'Flunder',
    metadata: { labels: { 'sample-label': 'true' }, name: 'rest-flunder', namespace: 'default' },
  };
  await api.expect(201, 'POST', flunders, object);
  assert.equal((await api.expect(200, 'GET', flunders)).items.length, 1);
  await api.expect(200, 'DELETE', `${flunders}/rest-flunder`, {});
  assert.equal((await api.expect(200, 'GET', flunders)).items.length, 0);
  await api.expect(404, 'GET', `${flunders}/rest-flunder`);

  // As a client does that knows the resource from discovery alone.
  const found = (await api.expect(200, 'GET', `/apis/${groupVersion}`)).resources[0];
  assert.deepEqual([found.name, found.kind, found.namespaced, found.verbs], ['flunders', 'Flunder', true, verbs]);
  const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const { items } = await api.expect(200, 'GET', '/apis', undefined, { accept: aggregated });
  const shown = items.find((i: Json) => i.metadata.name === 'wardle.example.com').versions[0];
  assert.deepEqual([shown.version, shown.freshness, shown.resources[0].resource], ['v1alpha1', 'Current', 'flunders']);
  const path = `/apis/${groupVersion}/namespaces/default/${found.name}`;
  const made = await api.expect(201, 'POST', path, { ...object, metadata: { ...object.metadata, name: 'dynamic' } });
  const updated = await api.expect(200, 'PUT', `${path}/dynamic`, { ...made, spec: { reference: 'x' } });
  assert.equal(updated.spec.reference, 'x');
  assert.deepEqual(await api.expect(200, 'GET', `${path}/dynamic`), updated);
  assert.equal((await api.expect(200, 'GET', path)).items.length, 1);
  await api.expect(200, 'DELETE', `${path}/dynamic`);
  assert.equal((await api.expect(200, 'GET', path)).items.length, 0);
  assert.ok(users.has('kubernetes-admin'));
}

async function useApiService(): Promise<void> {
  const one = `${services}/${apiService}`;
  const { status } = await api.expect(200, 'GET', `${one}/status`);
  assert.deepEqual([status.conditions[0].type, status.conditions[0].status], ['Available', 'True']);
  const patched = await api.expect(200, 'PATCH', one, { spec: { versionPriority: 400 } }, mergePatch);
  assert.equal(patched.spec.versionPriority, 400);
  const table = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
  const { rows } = await api.expect(200, 'GET', services, undefined, table);
  const cells = rows.map((r: Json) => r.cells).find((c: Json) => c[0] === apiService);
  assert.deepEqual(cells.slice(0, 3), [apiService, `${namespace}/sample-api`, 'True']);

  const labels = { [apiService]: 'patched' };
  await api.expect(200, 'PATCH', one, { metadata: { labels } }, mergePatch);
  const labelSelector = `labelSelector=${apiService}%3Dpatched`;
  assert.equal((await api.expect(200, 'GET', `${services}?${labelSelector}`)).items.length, 1);
  const condition = { type: 'StatusUpdated', status: 'True', reason: 'E2E', message: 'Set from e2e test' };
  const current = await api.expect(200, 'GET', one);
  current.status.conditions.push(condition);
  const written = await api.expect(200, 'PUT', `${one}/status`, current);
  const { lastTransitionTime: _, ...kept } = written.status.conditions.find((c: Json) => c.type === 'StatusUpdated');
  assert.deepEqual(kept, condition);
  const patch = { status: { conditions: [...written.status.conditions, { ...condition, type: 'StatusPatched' }] } };
  await api.expect(200, 'PATCH', `${one}/status`, patch, mergePatch);
  await useFlunders();
  const types = (await api.expect(200, 'GET', one)).status.conditions.map((c: Json) => c.type);
  assert.deepEqual(types.sort(), ['Available', 'StatusPatched', 'StatusUpdated']);
  const replaced = await api.expect(200, 'GET', one);
  replaced.metadata.labels.replaced = 'true';
  assert.equal((await api.expect(200, 'PUT', one, replaced)).metadata.labels.replaced, 'true');
  const applied = { apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { labels: { a: 'b' } } };
  await api.expect(200, 'PATCH', `${one}?fieldManager=e2e`, applied, applyPatch);
  await api.expect(200, 'DELETE', `${services}?${labelSelector}`);
  await api.expect(404, 'GET', one);
  assert.deepEqual((await api.expect(200, 'GET', `${services}?${labelSelector}`)).items, []);
  await api.expect(404, 'GET', flunders);
}

test('[sig-api-machinery] Aggregator Should be able to support the 1.17 Sample API Server using the current Aggregator [LinuxOnly]', async () => {
  await deploy();
  await availableService();
  await useFlunders();
  await useApiService();
});
