// Which kubelets' certificates are verified, and where a kubelet is asked: its port is played here with a certificate
// that it made itself, as kubelets do that nobody gave one.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpsRequest, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { coreV1 } from '../../api/refs.ts';
import { systemClock } from '../../base/clock.ts';
import { requestUpgrade } from '../../base/http/upgrade-request.ts';
import { systemRandom } from '../../base/random.ts';
import { type CertificateAndKey, createCa, issueCertificate } from '../../base/x509.ts';
import { startTestServer, type TestServer } from '../test-server.ts';
import type { KubeletAccess } from './kubelet-access.ts';

const making = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
let kubelet: Server;
let clusterCa: CertificateAndKey;
let shown: { cert: string; key: string };
const peers: string[] = [];
const held = new Set<Duplex>();
const servers: TestServer[] = [];

before(async () => {
  const own = await createCa({ commonName: 'n-ca@1', ...making });
  const serving = await issueCertificate(own, {
    subject: { commonName: 'n@1', organizations: [] },
    dnsNames: ['n'],
    usages: 'server',
    ...making,
  });
  clusterCa = await createCa({ commonName: 'kubernetes', ...making });
  const client = await issueCertificate(clusterCa, {
    subject: { commonName: 'kube-apiserver-kubelet-client', organizations: ['system:masters'] },
    usages: 'client',
    ...making,
  });
  shown = { cert: client.certificatePem, key: client.keyPem };
  const tls = { cert: serving.certificatePem, key: serving.keyPem, ca: clusterCa.certificatePem, requestCert: true };
  kubelet = createServer(tls, (request, response) => {
    peers.push(String((request.socket as TLSSocket).getPeerCertificate().subject?.CN));
    if (request.url!.includes('/silent/')) held.add(request.socket);
    else response.end(`${request.url}\n`);
  });
  kubelet.on('upgrade', (_request, socket: Duplex) => {
    held.add(socket);
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: SPDY/3.1\r\n\r\n');
  });
  await once(kubelet.listen(0, '127.0.0.1'), 'listening');
});

after(async () => {
  for (const server of servers) await server.stop();
  for (const socket of held) socket.destroy();
  kubelet.closeAllConnections();
  kubelet.close();
});

interface NodeToMake {
  readonly name: string;
  readonly addresses: readonly { type: string; address: string }[];
  readonly port?: number;
}

const portOf = () => (kubelet.address() as AddressInfo).port;
const at = (address: string, type = 'InternalIP') => ({ type, address });

/** Each node has a pod of its name. */
async function serve(access: Partial<KubeletAccess>, nodes: readonly NodeToMake[]): Promise<TestServer> {
  const api = await startTestServer({ kubelet: { ...shown, ...access } });
  servers.push(api);
  const client = await api.http();
  await client.create(coreV1.serviceaccounts, { metadata: { name: 'default', namespace: 'default' } });
  for (const { name, addresses, port } of nodes) {
    const node = await client.create(coreV1.nodes, { metadata: { name } });
    const status = { addresses, ...(port ? { daemonEndpoints: { kubeletEndpoint: { Port: port } } } : {}) };
    await client.updateSubresource(coreV1.nodes, { name }, 'status', { ...node, status } as never);
    const spec = { nodeName: name, containers: [{ name: 'c', image: 'i' }] };
    await client.create(coreV1.pods, { metadata: { name, namespace: 'default' }, spec });
  }
  return api;
}

const credentials = (api: TestServer) => ({ ca: api.ca, cert: api.admin.certificatePem, key: api.admin.keyPem });

function get(api: TestServer, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(`${api.url}${path}`, { ...credentials(api), agent: false }, response => {
      text(response).then(body => resolve(`${response.statusCode} ${body}`), reject);
    });
    request.on('error', reject).end();
  });
}

const podPath = (pod: string, sub: string) => `/api/v1/namespaces/default/pods/${pod}/${sub}`;

async function switched(api: TestServer, path: string): Promise<boolean> {
  const { hostname, port } = new URL(api.url);
  const answer = await requestUpgrade(
    { protocol: 'https:', host: hostname, port: Number(port), tls: credentials(api) },
    {
      method: 'POST',
      path,
      headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'content-length': '0' },
      clock: systemClock,
    },
  );
  if (answer.switched) answer.socket.destroy();
  else answer.response.resume();
  return answer.switched;
}

const streams = ['exec?command=x&stdout=1', 'attach?stdout=1', 'portforward'];

test("without an authority a kubelet's own certificate will do, and it is shown ours", async () => {
  const api = await serve({}, [{ name: 'n', addresses: [at('127.0.0.1')], port: portOf() }]);
  assert.equal(await get(api, podPath('n', 'log')), '200 /containerLogs/default/n/c\n');
  assert.equal(peers.at(-1), 'kube-apiserver-kubelet-client');
  assert.equal(await get(api, '/api/v1/nodes/n/proxy/metrics'), '200 /metrics\n');
  for (const stream of streams) assert.equal(await switched(api, podPath('n', stream)), true, stream);
});

test('with one every kubelet is verified, or those of the nodes whose certificates it signed', async () => {
  const nodes = ['ours', 'theirs'].map(name => ({ name, addresses: [at('127.0.0.1')], port: portOf() }));
  const ca = clusterCa.certificatePem;
  const some = await serve({ ca, verifiedNodes: ['ours'] }, nodes);
  assert.equal(await get(some, podPath('theirs', 'log')), '200 /containerLogs/default/theirs/c\n');
  for (const stream of streams) assert.equal(await switched(some, podPath('theirs', stream)), true, stream);
  const unknown = /x509: certificate signed by unknown authority/;
  // Also where a connection to the other node at the same address is kept.
  assert.equal(await get(some, '/api/v1/nodes/theirs/proxy/metrics'), '200 /metrics\n');
  assert.match(await get(some, '/api/v1/nodes/ours/proxy/metrics'), unknown);
  assert.match(await get(some, podPath('ours', 'log')), unknown);
  for (const stream of streams) assert.equal(await switched(some, podPath('ours', stream)), false, stream);
  const skipped = await get(some, podPath('ours', 'log?insecureSkipTLSVerifyBackend=true'));
  assert.match(skipped, /^200 /);
  const all = await serve({ ca }, nodes);
  for (const { name } of nodes) assert.match(await get(all, podPath(name, 'log')), unknown);
});

test('address, port and patience are as told', async () => {
  const api = await serve({ preferredAddressTypes: ['ExternalIP', 'InternalIP'], port: portOf(), timeoutMs: 150 }, [
    { name: 'n', addresses: [at('127.0.0.2'), at('127.0.0.1', 'ExternalIP')] },
    { name: 'silent', addresses: [at('127.0.0.1')] },
    { name: 'named', addresses: [at('named.invalid', 'Hostname')] },
  ]);
  assert.equal(await get(api, podPath('n', 'log')), '200 /containerLogs/default/n/c\n');
  assert.match(
    await get(api, podPath('named', 'log')),
    /no preferred addresses found; known addresses: \[\{Hostname named/,
  );
  assert.match(await get(api, podPath('silent', 'log')), /net\/http: timeout awaiting response headers/);
});
