// Connections through proxies: CONNECT over a unix socket and over TLS, and konnectivity's tunnels.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp, type Server as HttpServer } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import type { Dial } from '../../base/http/dial.ts';
import { keepingAgent, openRequest } from '../../base/http/upgrade-request.ts';
import { createMetrics, type Metrics } from '../../base/metrics.ts';
import { systemRandom } from '../../base/random.ts';
import { createCa, issueCertificate } from '../../base/x509.ts';
import { textOf } from '../aggregation/remote-server.ts';
import { createEgress, type Egress } from './egress.ts';
import { readEgressProxies } from './proxy-settings.ts';
import { startKonnectivity, type TestKonnectivity } from './test-konnectivity.ts';

const folder = mkdtempSync(join(tmpdir(), 'k8ts-egress-'));
const at = (name: string) => join(folder, name);
/** Of each egress that was made. */
const counted: Metrics[] = [];
const closes: (() => void)[] = [];
/** Sends back what it gets. */
const echo = createServer(socket => socket.on('error', () => {}).pipe(socket));
const page = { cert: '', key: '' };
let echoPort: number;
let konnectivity: TestKonnectivity;
const asked: string[] = [];

const listen = (server: Server | HttpServer, where: string | number = 0): Promise<number> =>
  new Promise(resolve => {
    closes.push(() => server.close());
    const done = () => resolve((server.address() as AddressInfo).port);
    if (typeof where === 'string') server.listen(where, done);
    else server.listen(where, '127.0.0.1', done);
  });

function onConnect(server: HttpServer): HttpServer {
  return server.on('connect', (request, socket: Socket) => {
    asked.push(`${request.url} ${request.headers.host}`);
    if (request.url === '10.9.9.9:1') return socket.end('HTTP/1.1 403 Not That One\r\n\r\n');
    if (request.url === '10.9.9.9:2') return socket.end();
    const [host, port] = String(request.url).split(':');
    const there = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      there.pipe(socket).on('error', () => there.destroy());
      socket.pipe(there).on('error', () => socket.destroy());
    });
    return socket;
  });
}

function egressOf(name: string, connection: object): Egress {
  const head = { apiVersion: 'apiserver.k8s.io/v1beta1', kind: 'EgressSelectorConfiguration' };
  const proxies = readEgressProxies(JSON.stringify({ ...head, egressSelections: [{ name, connection }] }));
  const metrics = createMetrics();
  counted.push(metrics);
  const egress = createEgress({ proxies, clock: systemClock, random: systemRandom, metrics });
  closes.push(() => egress.close());
  return egress;
}

const countedText = async () => (await Promise.all(counted.map(metrics => metrics.text()))).join('');

const bySocket = (proxyProtocol: string, udsName: string) =>
  egressOf('cluster', { proxyProtocol, transport: { uds: { udsName } } }).cluster!;

before(async () => {
  const making = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
  const ca = await createCa({ commonName: 'ca', ...making });
  const issue = async (usages: 'server' | 'client') => {
    const made = await issueCertificate(ca, {
      ...{ subject: { commonName: usages }, ipAddresses: ['127.0.0.1'], dnsNames: ['there'], usages, ...making },
    });
    return { cert: made.certificatePem, key: made.keyPem };
  };
  Object.assign(page, await issue('server'));
  const client = await issue('client');
  writeFileSync(at('ca.crt'), ca.certificatePem);
  writeFileSync(at('client.crt'), client.cert);
  writeFileSync(at('client.key'), client.key);
  echoPort = await listen(echo);
  await listen(onConnect(createHttp()), at('connect'));
  konnectivity = await startKonnectivity(at('grpc'), address =>
    address === '10.9.9.9:1' ? 'dial tcp 10.9.9.9:1: connect: connection refused' : undefined,
  );
});
after(() => {
  konnectivity.stop();
  for (const close of closes) close();
  rmSync(folder, { recursive: true });
});

/** Through a connection and back. */
async function sentAround(dial: Dial, bytes: Buffer): Promise<Buffer> {
  const socket = await dial('127.0.0.1', echoPort);
  const chunks: Buffer[] = [];
  let size = 0;
  const all = new Promise<Buffer>((resolve, reject) => {
    socket.on('error', reject).on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size === bytes.length) resolve(Buffer.concat(chunks));
    });
  });
  socket.write(bytes);
  const back = await all;
  socket.destroy();
  return back;
}

test('bytes go through every kind of proxy', async () => {
  const { cert, key } = page;
  const secure = createHttps({ cert, key, ca: [await read('ca.crt')], requestCert: true, rejectUnauthorized: true });
  const port = await listen(onConnect(secure));
  const tlsConfig = { caBundle: at('ca.crt'), clientCert: at('client.crt'), clientKey: at('client.key') };
  const tcp = (url: string, more: object = {}) =>
    egressOf('controlplane', { proxyProtocol: 'HTTPConnect', transport: { tcp: { url, ...more } } }).controlplane!;
  const bytes = randomBytes(1 << 20);
  for (const dial of [
    bySocket('HTTPConnect', at('connect')),
    bySocket('GRPC', at('grpc')),
    tcp(`https://127.0.0.1:${port}`, { tlsConfig }),
    tcp(`http://127.0.0.1:${await listen(onConnect(createHttp()))}`),
  ])
    assert.ok((await sentAround(dial, bytes)).equals(bytes));
  assert.equal(asked[0], `127.0.0.1:${echoPort} 127.0.0.1`);
  while (konnectivity.open() > 0) await new Promise(resolve => setImmediate(resolve));
  const told = (await countedText()).split('\n');
  for (const line of [
    'apiserver_egress_dialer_dial_start_total{protocol="grpc",transport="uds"} 1',
    'apiserver_egress_dialer_dial_start_total{protocol="http_connect",transport="tcp"} 1',
    'apiserver_egress_dialer_dial_duration_seconds_count{protocol="http_connect",transport="uds"} 1',
  ])
    assert.ok(told.includes(line), line);
});

test('a proxy that refuses, ends or is not there says so as in Kubernetes', async () => {
  const connect = bySocket('HTTPConnect', at('connect'));
  const [shown, none] = [at('connect'), at('none')];
  for (const [dial, port, message] of [
    [connect, 1, `proxy error from ${shown} while dialing 10.9.9.9:1, code 403: 403 Not That One`],
    [connect, 2, `reading HTTP response from CONNECT to 10.9.9.9:2 via proxy ${shown} failed: unexpected EOF`],
    [bySocket('HTTPConnect', none), 3, `dial unix ${none}: connect: no such file or directory`],
    [
      bySocket('GRPC', none),
      3,
      `connection error: desc = "transport: Error while dialing: dial unix ${none}: connect: no such file or directory"`,
    ],
    [bySocket('GRPC', at('grpc')), 1, 'dial tcp 10.9.9.9:1: connect: connection refused'],
  ] as const)
    await assert.rejects(dial('10.9.9.9', port), { message });
  const told = await countedText();
  const failures = (labels: string) => `apiserver_egress_dialer_dial_failure_count{${labels}}`;
  assert.ok(told.includes(`${failures('protocol="grpc",stage="connect",transport="uds"')} 1`), told);
  assert.ok(told.includes(`${failures('protocol="http_connect",stage="proxy",transport="uds"')} 2`));
  assert.ok(told.includes(`${failures('protocol="http_connect",stage="connect",transport="uds"')} 1`));
});

test('agents keep connections of tunnels, with TLS and without', async () => {
  const dial = bySocket('GRPC', at('grpc'));
  const { cert, key } = page;
  const secure = await listen(createHttps({ cert, key }, (_, response) => response.end('secure')));
  const plain = await listen(createHttp((_, response) => response.end('plain')));
  const before = konnectivity.dialed.length;
  const agent = keepingAgent();
  const tls = { ca: await read('ca.crt') };
  for (let i = 0; i < 2; i++)
    assert.equal(await got({ protocol: 'https:', host: '127.0.0.1', port: secure, dial, tls }, { agent }), 'secure');
  assert.equal(konnectivity.dialed.length, before + 1);
  assert.equal(await got({ protocol: 'http:', host: '127.0.0.1', port: plain, dial }, { agent: false }), 'plain');
  agent.destroy();
});

const got = (target: Parameters<typeof openRequest>[0], more: object): Promise<string> =>
  new Promise((resolve, reject) => {
    const request = openRequest(target, { path: '/', ...more });
    request.on('error', reject).on('response', response => resolve(textOf(response)));
    request.end();
  });

async function read(name: string): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  return readFile(at(name), 'utf8');
}
