// The published konnectivity server and agent between a server of k8ts and its nodes, webhooks and aggregated servers.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { after, before, test } from 'node:test';
import { apiregistrationV1, coreV1, discoveryV1 } from '../../src/api/refs.ts';
import { readEgressProxies } from '../../src/apiserver/egress/proxy-settings.ts';
import { startTestExtension, type TestExtension } from '../../src/apiserver/extension/test-extension.ts';
import { type Caller, caller } from '../../src/apiserver/test-caller.ts';
import { startTestServer, type TestServer } from '../../src/apiserver/test-server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { requestUpgrade } from '../../src/base/http/upgrade-request.ts';
import { systemRandom } from '../../src/base/random.ts';
import { createCa, issueCertificate } from '../../src/base/x509.ts';
import { buildKonnectivity, type Konnectivity, startKonnectivity } from './konnectivity.ts';

const missing = await buildKonnectivity();
const folder = mkdtempSync(join(tmpdir(), 'k8ts-konnectivity-'));
let kubelet: Server;
let extension: TestExtension;

if (missing !== undefined) test('konnectivity', { skip: missing }, () => {});
else {
  before(startBehind);
  after(async () => {
    kubelet.closeAllConnections();
    kubelet.close();
    await extension.stop();
    rmSync(folder, { recursive: true });
  });
  for (const mode of ['grpc', 'http-connect'] as const)
    test(`everything of the cluster is reached by ${mode}`, { timeout: 120_000 }, () => reached(mode));
}

async function startBehind(): Promise<void> {
  const making = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
  const ca = await createCa({ commonName: 'kubelets', ...making });
  const names = { subject: { commonName: 'system:node:n' }, ipAddresses: ['127.0.0.1'] };
  const made = await issueCertificate(ca, { ...names, usages: 'server', ...making });
  kubelet = createServer({ cert: made.certificatePem, key: made.keyPem }, ({ url }, response) =>
    response.end(url!.startsWith('/containerLogs') ? 'said\n'.repeat(100_000) : `asked ${url}`),
  );
  kubelet.on('upgrade', (request, socket: Duplex) => {
    const { upgrade } = request.headers;
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${upgrade}\r\n\r\n`);
    socket.on('data', (chunk: Buffer) => socket.write(chunk.toString().toUpperCase()));
    socket.on('error', () => {}).on('end', () => socket.end());
  });
  await once(kubelet.listen(0, '127.0.0.1'), 'listening');
  extension = await startTestExtension(
    ({ url }, response, body) => {
      response.setHeader('content-type', 'application/json');
      const { request } = body ? JSON.parse(body) : {};
      const status = { message: `not ${request?.name}` };
      const review = { uid: request?.uid, allowed: request?.name !== 'refused', status };
      const kind = 'AdmissionReview';
      response.end(
        JSON.stringify(
          url!.startsWith('/review')
            ? { kind, apiVersion: 'admission.k8s.io/v1', response: review }
            : { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: 'lab.dev/v1', resources: [] },
        ),
      );
    },
    { dnsNames: ['behind.lab.svc'] },
  );
}

async function reached(mode: 'grpc' | 'http-connect'): Promise<void> {
  const konnectivity = await startKonnectivity(folder, mode);
  const transport = { uds: { udsName: konnectivity.socket } };
  const connection = { proxyProtocol: mode === 'grpc' ? 'GRPC' : 'HTTPConnect', transport };
  const head = { apiVersion: 'apiserver.k8s.io/v1beta1', kind: 'EgressSelectorConfiguration' };
  const server = await startTestServer({
    egress: readEgressProxies(JSON.stringify({ ...head, egressSelections: [{ name: 'cluster', connection }] })),
    dialExtension: at => (at.host === '10.9.9.9' ? { host: '127.0.0.1', port: extension.port } : at),
  });
  const { certificatePem, keyPem } = server.admin;
  const api = caller({ url: server.url, ca: server.ca, cert: certificatePem, key: keyPem });
  try {
    await populate(server);
    await useAll(server, api);
    await withoutAgent(konnectivity, server, api);
  } finally {
    api.close();
    await server.stop();
    await konnectivity.stop();
  }
}

async function populate({ server }: TestServer): Promise<void> {
  const client = server.client({ userAgent: 'test' });
  const { port: Port } = kubelet.address() as AddressInfo;
  const node = await client.create(coreV1.nodes, { metadata: { name: 'n' } });
  const addresses = [{ type: 'InternalIP', address: '127.0.0.1' }];
  const status = { addresses, daemonEndpoints: { kubeletEndpoint: { Port } } };
  await client.updateSubresource(coreV1.nodes, { name: 'n' }, 'status', { ...node, status });
  await client.create(coreV1.namespaces, { metadata: { name: 'lab' } });
  await client.create(coreV1.serviceaccounts, { metadata: { name: 'default', namespace: 'lab' } });
  const spec = { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] };
  await client.create(coreV1.pods, { metadata: { name: 'p', namespace: 'lab' }, spec });
  await client.create(coreV1.services, {
    metadata: { name: 'behind', namespace: 'lab' },
    spec: { ports: [{ port: 443, targetPort: 443 }] },
  });
  await client.create(discoveryV1.endpointslices, {
    metadata: { name: 'behind-1', namespace: 'lab', labels: { 'kubernetes.io/service-name': 'behind' } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 443, protocol: 'TCP' }],
    endpoints: [{ addresses: ['10.9.9.9'], conditions: { ready: true } }],
  });
}

async function useAll(server: TestServer, api: Caller): Promise<void> {
  const { caBundle } = extension;
  const client = server.server.client({ userAgent: 'test' });
  const admin = await server.http();
  assert.equal(await admin.raw('/api/v1/namespaces/lab/pods/p/log'), 'said\n'.repeat(100_000));
  assert.equal(await admin.raw('/api/v1/nodes/n/proxy/one'), 'asked /one');
  assert.equal(await streamed(server, 'exec?command=a&container=c'), 'SPOKEN');
  assert.equal(await streamed(server, 'portforward?ports=80'), 'SPOKEN');

  const service = { namespace: 'lab', name: 'behind' };
  const rules = [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }];
  const clientConfig = { service: { ...service, path: '/review' }, caBundle };
  const hook = { name: 'a.lab.dev', rules, clientConfig, sideEffects: 'None', admissionReviewVersions: ['v1'] };
  const path = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
  await api.expect(201, 'POST', path, { metadata: { name: 'a' }, webhooks: [hook] });
  const map = (name: string) =>
    api.send('POST', '/api/v1/namespaces/lab/configmaps?dryRun=All', { metadata: { name } });
  let refused = await map('refused');
  while (refused.code === 201) refused = await map('refused');
  assert.match(refused.object.message, /"a\.lab\.dev" denied the request: not refused$/);
  assert.equal((await map('other')).code, 201);

  await client.create(apiregistrationV1.apiservices, {
    metadata: { name: 'v1.lab.dev' },
    spec: { group: 'lab.dev', version: 'v1', service, caBundle, groupPriorityMinimum: 1, versionPriority: 1 },
  });
  let answer = await api.send('GET', '/apis/lab.dev/v1');
  while (answer.code !== 200) answer = await api.send('GET', '/apis/lab.dev/v1');
  assert.equal(answer.object.groupVersion, 'lab.dev/v1');
  const failures = /dial_failure_count\{.*/.exec(await server.server.metrics.text());
  assert.equal(failures, null);
}

/** Upper case comes back. */
async function streamed({ url, ca, admin }: TestServer, what: string): Promise<string> {
  const { hostname: host, port } = new URL(url);
  const tls = { ca, cert: admin.certificatePem, key: admin.keyPem };
  const answer = await requestUpgrade(
    { protocol: 'https:', host, port: Number(port), tls },
    {
      method: 'POST',
      path: `/api/v1/namespaces/lab/pods/p/${what}`,
      headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'content-length': '0' },
      clock: systemClock,
    },
  );
  assert.ok(answer.switched, String(answer.response.statusCode));
  answer.socket.write('spoken');
  const [chunk] = await once(answer.socket, 'data');
  answer.socket.destroy();
  return String(chunk);
}

/** What the server says then is what a user reads. */
async function withoutAgent(konnectivity: Konnectivity, server: TestServer, api: Caller): Promise<void> {
  await konnectivity.stopAgent();
  let { code, object } = await api.send('GET', '/api/v1/namespaces/lab/pods/p/log');
  while (code === 200) ({ code, object } = await api.send('GET', '/api/v1/namespaces/lab/pods/p/log'));
  assert.equal(code, 500);
  assert.match(object.message, /^Get "https:\/\/127\.0\.0\.1:\d+\/containerLogs\/lab\/p\/c": ./);
  assert.match(await server.server.metrics.text(), /dial_failure_count\{.*stage="proxy".*\} [1-9]/);
}
