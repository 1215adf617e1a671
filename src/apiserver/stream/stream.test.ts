// Streams through the API server to a kubelet that is a few lines of test.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer, request as httpsRequest, type Server } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import type { Duplex, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import { cloneDeep } from '../../api/meta.ts';
import { coreV1, rbacV1 } from '../../api/refs.ts';
import { systemClock, VirtualClock } from '../../base/clock.ts';
import { requestUpgrade, type UpgradeAnswer } from '../../base/http/upgrade-request.ts';
import { systemRandom } from '../../base/random.ts';
import { SpdyConnection, type SpdyStream } from '../../base/spdy/connection.ts';
import { type CertificateAndKey, createCa, issueCertificate } from '../../base/x509.ts';
import type { httpClient } from '../../client/http-client.ts';
import { startTestServer, type TestServer } from '../test-server.ts';
import { requestBackend } from './backend.ts';

let api: TestServer;
let kubelet: Server;
let client: ReturnType<typeof httpClient>;
let kubeletCa: CertificateAndKey;
/** What the kubelet saw last. */
let seen: { url: string; method: string; headers: IncomingMessage['headers']; peer: string };
const held = new Set<Writable>();

const pem = (c: CertificateAndKey) => ({ cert: c.certificatePem, key: c.keyPem });

before(async () => {
  const making = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
  kubeletCa = await createCa({ commonName: 'kubelets', ...making });
  const serving = await issueCertificate(kubeletCa, {
    subject: { commonName: 'system:node:n', organizations: [] },
    ipAddresses: ['127.0.0.1'],
    usages: 'server',
    ...making,
  });
  const own = await issueCertificate(kubeletCa, {
    subject: { commonName: 'kube-apiserver-kubelet-client', organizations: ['system:masters'] },
    usages: 'client',
    ...making,
  });
  kubelet = startKubelet(pem(serving));
  await once(kubelet.listen(0, '127.0.0.1'), 'listening');
  api = await startTestServer({ kubelet: { ca: kubeletCa.certificatePem, ...pem(own) } });
  client = await api.http();
  const { port: Port } = kubelet.address() as AddressInfo;
  const addresses = [{ type: 'InternalIP', address: '127.0.0.1' }];
  const node = await client.create(coreV1.nodes, { metadata: { name: 'n' } });
  const status = { addresses, daemonEndpoints: { kubeletEndpoint: { Port } } };
  await client.updateSubresource(coreV1.nodes, { name: 'n' }, 'status', { ...node, status });
  await client.create(coreV1.serviceaccounts, { metadata: { name: 'default', namespace: 'default' } });
  for (const [name, nodeName] of [
    ['p', 'n'],
    ['unbound', undefined],
    ['lost', 'gone'],
  ] as const)
    await client.create(coreV1.pods, {
      metadata: { name, namespace: 'default' },
      spec: { containers: [{ name: 'c', image: 'i' }], ...(nodeName ? { nodeName } : {}) },
    });
});

after(async () => {
  await api?.stop();
  kubelet?.closeAllConnections();
  for (const socket of held) socket.destroy();
  kubelet?.close();
});

function note(request: IncomingMessage): void {
  const peer = (request.socket as TLSSocket).getPeerCertificate().subject?.CN;
  seen = { url: request.url ?? '', method: request.method ?? '', headers: request.headers, peer: String(peer) };
}

function startKubelet(tls: { cert: string; key: string }): Server {
  const server = createServer({ ...tls, ca: kubeletCa.certificatePem, requestCert: true });
  server.on('request', (request, response) => {
    note(request);
    if (request.url!.includes('follow=true')) {
      held.add(response);
      response.write('first\n');
      response.on('close', () => held.delete(response));
    } else if (request.url!.startsWith('/containerLogs')) response.end('said\n');
    else if (request.url === '/moved')
      response.writeHead(302, { location: '/there', 'access-control-allow-origin': '*' }).end();
    else if (request.url === '/slow') held.add(response);
    else
      void text(request).then(body =>
        response.writeHead(201, { 'x-method': request.method }).end(`${request.method}:${body}`),
      );
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    note(request);
    held.add(socket);
    socket.on('close', () => held.delete(socket));
    if (request.url!.includes('command=refused')) {
      socket.end('HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnope');
      return;
    }
    const protocol = String(request.headers['x-stream-protocol-version']).split(', ').at(-1);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: SPDY/3.1\r\nx-stream-protocol-version: ${protocol}\r\n\r\n`,
    );
    if (request.url!.startsWith('/portForward')) {
      socket.on('data', chunk => socket.write(Buffer.from(chunk.toString().toUpperCase())));
      socket.on('end', () => socket.end());
      return;
    }
    serveCommand(new URLSearchParams(request.url!.split('?')[1]), socket, head);
  });
  return server;
}

/** Echoes its input, tells sizes, ends with status 3 when the input does. */
function serveCommand(query: URLSearchParams, socket: Duplex, head: Buffer): void {
  const streams = new Map<string, SpdyStream>();
  const wanted = 2 + (query.has('input') ? 1 : 0) + (query.has('tty') ? 1 : 0);
  const connection = new SpdyConnection(socket, {
    side: 'server',
    head,
    onStream(stream) {
      streams.set(stream.headers.streamtype!, stream);
      if (streams.size === wanted) begin();
    },
  });
  function begin() {
    const out = streams.get('stdout')!;
    streams.get('resize')?.on('data', chunk => out.write(`size ${chunk}`));
    const finish = () => {
      const verdict = JSON.stringify({ status: 'Failure', details: { causes: [{ message: '3' }] } });
      const breaksOff = query.get('command')?.match(/^break off after (\d+)$/);
      if (breaksOff) {
        out.end('all');
        streams.get('error')!.write(verdict.slice(0, Number(breaksOff[1])), () => connection.destroy());
        return;
      }
      streams.get('error')!.end(verdict);
      out.end(() => connection.close());
    };
    const input = streams.get('stdin');
    input?.on('data', chunk => void out.write(chunk));
    input?.on('end', finish);
    if (!input) out.write(Buffer.alloc(1 << 20, 'x'), finish);
  }
}

const podPath = (sub: string, name = 'p') => `/api/v1/namespaces/default/pods/${name}/${sub}`;

function websocket(path: string, protocols: string[], options: object = {}): WebSocket {
  return new WebSocket(`${api.url.replace('https', 'wss')}${path}`, protocols, {
    ca: api.ca,
    ...pem(api.admin),
    ...options,
  });
}

/** Opens, or rejects with the status code and message it got instead. */
function opened(socket: WebSocket): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    socket.once('error', reject);
    socket.once('unexpected-response', (_request, response) => {
      text(response).then(body => reject(new Error(`${response.statusCode} ${JSON.parse(body).message}`)), reject);
    });
  });
}

async function messagesUntilClose(socket: WebSocket): Promise<Buffer[]> {
  const messages: Buffer[] = [];
  socket.on('message', (data: Buffer) => void messages.push(data));
  await once(socket, 'close');
  return messages;
}

const channelText = (messages: Buffer[], id: number) =>
  Buffer.concat(messages.filter(m => m[0] === id).map(m => m.subarray(1))).toString();

const held0 = async () => {
  for (let i = 0; held.size > 0 && i < 500; i++) await systemClock.sleep(10);
  assert.equal(held.size, 0, 'a connection to the kubelet stayed');
};

test('exec over WebSocket v5: input with an end, sizes, output, status', async () => {
  const socket = websocket(podPath('exec?command=cat&command=-&stdin=true&stdout=true&tty=true&stderr=true'), [
    'v5.channel.k8s.io',
  ]);
  const all = messagesUntilClose(socket);
  await opened(socket);
  assert.equal(socket.protocol, 'v5.channel.k8s.io');
  socket.send(Buffer.from('\x04{"Width":1}'));
  socket.send(Buffer.from('\x00hello '));
  socket.send(Buffer.from('\x00world'));
  socket.send(Buffer.from([255, 0]));
  const messages = await all;
  assert.deepEqual([...messages[0]!], [1]);
  const out = channelText(messages, 1);
  assert.match(out, /hello world/);
  assert.match(out, /size \{"Width":1\}/);
  assert.equal(JSON.parse(channelText(messages, 3)).details.causes[0].message, '3');
  assert.equal(seen.url, '/exec/default/p/c?input=1&output=1&error=1&tty=1&command=cat&command=-');
  assert.equal(seen.peer, 'kube-apiserver-kubelet-client');
  await held0();
});

test('exec over WebSocket v4 in base64; much output arrives whole', async () => {
  const socket = websocket(podPath('exec?command=x&stdout=true'), ['v9.channel.k8s.io', 'v4.base64.channel.k8s.io']);
  const messages = await messagesUntilClose(socket);
  const decoded = messages.map(m => m.toString());
  const out = decoded.filter(m => m[0] === '1').map(m => Buffer.from(m.slice(1), 'base64').toString());
  assert.equal(out.join('').length, 1 << 20);
  assert.ok(decoded.some(m => m[0] === '3' && Buffer.from(m.slice(1), 'base64').includes('Failure')));
});

test('a runtime that breaks off behind its verdict was understood, within it was not', async () => {
  const endOf = async (bytes: number) => {
    const query = new URLSearchParams({ command: `break off after ${bytes}`, stdin: 'true', stdout: 'true' });
    const socket = websocket(podPath(`exec?${query}`), ['v5.channel.k8s.io']);
    const all = messagesUntilClose(socket);
    await opened(socket);
    socket.send(Buffer.from([255, 0]));
    const messages = await all;
    assert.equal(channelText(messages, 1), 'all');
    return JSON.parse(channelText(messages, 3));
  };
  assert.equal((await endOf(1000)).details.causes[0].message, '3');
  assert.equal(
    (await endOf(30)).message,
    'Internal error occurred: error reading from error stream: the connection was lost',
  );
});

test('what the kubelet refuses is told on the error channel', async () => {
  const socket = websocket(podPath('exec?command=refused&stdout=true'), ['v5.channel.k8s.io']);
  const status = JSON.parse(channelText(await messagesUntilClose(socket), 3));
  assert.equal(status.message, 'Internal error occurred: unable to upgrade connection: nope');
});

test('a client that goes away ends the command; the server that stops as well', async () => {
  const socket = await opened(websocket(podPath('attach?stdin=true'), ['v5.channel.k8s.io']));
  while (held.size === 0) await systemClock.sleep(5);
  socket.terminate();
  await held0();
  assert.equal(seen.url, '/attach/default/p/c?input=1&output=1&error=1');
});

test('port-forward in a WebSocket tunnel', async () => {
  const answer = await upgrade(podPath('portforward'), {
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    'sec-websocket-protocol': 'SPDY/3.1+portforward.k8s.io',
  });
  assert.ok(answer.switched);
  assert.equal(answer.response.headers['sec-websocket-protocol'], 'SPDY/3.1+portforward.k8s.io');
  assert.equal(seen.headers['x-stream-protocol-version'], 'portforward.k8s.io');
  // The library's client refuses the protocol's name: only its frames are used.
  const socket = new WebSocket(null as never, undefined, {});
  type Raw = { _isServer: boolean; setSocket(socket: Duplex, head: Buffer, options: object): void };
  const raw = socket as unknown as Raw;
  raw._isServer = false;
  raw.setSocket(answer.socket, answer.head, { maxPayload: 1 << 20 });
  socket.send(Buffer.from('abc'));
  const [data] = await once(socket, 'message');
  assert.equal(String(data), 'ABC');
  socket.close();
  await held0();
});

async function upgrade(path: string, headers: Record<string, string> = {}): Promise<UpgradeAnswer> {
  const url = new URL(api.url);
  const target = {
    protocol: 'https:' as const,
    host: url.hostname,
    port: Number(url.port),
    tls: { ca: api.ca, ...pem(api.admin) },
  };
  return requestUpgrade(target, {
    method: headers.upgrade ? 'GET' : 'POST',
    path,
    headers: {
      connection: 'Upgrade',
      upgrade: 'SPDY/3.1',
      ...(headers.upgrade ? {} : { 'content-length': '0' }),
      ...headers,
    },
    clock: systemClock,
  });
}

test('SPDY is handed through, credentials are not', async () => {
  const answer = await upgrade(podPath('portforward'), { 'x-stream-protocol-version': 'portforward.k8s.io' });
  assert.ok(answer.switched);
  answer.socket.write('abc');
  const [data] = await once(answer.socket, 'data');
  assert.equal(String(data), 'ABC');
  assert.equal(seen.headers.authorization, undefined);
  answer.socket.destroy();
  await held0();
  const refused = await upgrade(podPath('exec?command=refused&stdout=1'));
  assert.equal(refused.response.statusCode, 500);
  assert.equal(await text(refused.response), 'nope');
});

test('what cannot be is refused as a Status', async () => {
  const code = async (path: string) => {
    const { response } = await upgrade(path);
    return [response.statusCode, (JSON.parse(await text(response)) as { message: string }).message];
  };
  assert.deepEqual(await code(podPath('exec?container=x')), [400, 'container x is not valid for pod p']);
  assert.deepEqual(await code(podPath('exec', 'unbound')), [400, 'pod unbound does not have a host assigned']);
  assert.deepEqual(await code(podPath('exec', 'lost')), [404, 'nodes "gone" not found']);
  assert.deepEqual(await code(podPath('exec', 'none')), [404, 'pods "none" not found']);
  const plain = await get(podPath('exec?command=x&stdout=1'));
  assert.deepEqual([plain.code, JSON.parse(plain.body).message], [400, 'Upgrade request required']);
  await assert.rejects(
    opened(websocket(podPath('exec'), ['v5.channel.k8s.io'], { cert: undefined, key: undefined })),
    /401 Unauthorized/,
  );
});

test('a WebSocket needs the permission to create as well; its token may come as a subprotocol', async () => {
  await client.create(coreV1.serviceaccounts, { metadata: { name: 'viewer', namespace: 'default' } });
  const rules = (verbs: string[]) => [{ apiGroups: [''], resources: ['pods/exec'], verbs }];
  await client.create(rbacV1.roles, { metadata: { name: 'r', namespace: 'default' }, rules: rules(['get']) });
  await client.create(rbacV1.rolebindings, {
    metadata: { name: 'r', namespace: 'default' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' },
    subjects: [{ kind: 'ServiceAccount', name: 'viewer', namespace: 'default' }],
  });
  const review = await client.createSubresource<{ status: { token: string } }>(
    coreV1.serviceaccounts,
    { namespace: 'default', name: 'viewer' },
    'token',
    { kind: 'TokenRequest', apiVersion: 'authentication.k8s.io/v1', spec: {} } as never,
  );
  const word = `base64url.bearer.authorization.k8s.io.${Buffer.from(review.status.token).toString('base64url')}`;
  const attempt = () =>
    opened(
      websocket(podPath('exec?command=x&stdout=1'), ['v5.channel.k8s.io', word], { cert: undefined, key: undefined }),
    );
  await assert.rejects(
    attempt(),
    /403 pods "p" is forbidden: User "system:serviceaccount:default:viewer" cannot create resource "pods\/exec"/,
  );
  const role = await client.get(rbacV1.roles, { namespace: 'default', name: 'r' });
  await client.update(rbacV1.roles, { ...cloneDeep(role), rules: rules(['get', 'create']) });
  let socket: WebSocket | undefined;
  for (let i = 0; !socket && i < 100; i++) {
    socket = await attempt().catch(() => undefined);
    if (!socket) await systemClock.sleep(10);
  }
  assert.equal(socket?.protocol, 'v5.channel.k8s.io');
  socket!.terminate();
});

function get(path: string, options: { method?: string; body?: string; headers?: Record<string, string> } = {}) {
  return new Promise<{ code: number; body: string; headers: IncomingMessage['headers'] }>((resolve, reject) => {
    const { body, ...rest } = options;
    const request = httpsRequest(
      `${api.url}${path}`,
      { ca: api.ca, ...pem(api.admin), agent: false, ...rest },
      response => {
        text(response).then(b => resolve({ code: response.statusCode!, body: b, headers: response.headers }), reject);
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

test('logs, and following ones that end with their reader', async () => {
  const log = await get(podPath('log?tailLines=3'));
  assert.deepEqual([log.code, log.body, log.headers['content-type']], [200, 'said\n', 'text/plain']);
  assert.equal(seen.url, '/containerLogs/default/p/c?tailLines=3');
  assert.equal((await get(podPath('log', 'unbound'))).code, 204);
  const request = httpsRequest(`${api.url}${podPath('log?follow=true')}`, {
    ca: api.ca,
    ...pem(api.admin),
    agent: false,
  });
  request.on('error', () => {});
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const [chunk] = await once(response, 'data');
  assert.equal(String(chunk), 'first\n');
  request.destroy();
  await held0();
});

test('a node is proxied with any method and body; redirects lead back', async () => {
  const proxy = '/api/v1/nodes/n/proxy';
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    const body = method === 'OPTIONS' ? '' : 'body';
    const done = await get(`${proxy}/x%2Fy%20z?a=b%20c`, {
      method,
      body,
      headers: { authorization: 'Bearer x', 'content-length': String(body.length) },
    });
    assert.deepEqual([done.code, done.body], [201, `${method}:${body}`]);
    assert.equal(seen.url, '/x/y%20z?a=b%20c');
    assert.equal(seen.headers.authorization, undefined);
  }
  const head = await get(`${proxy}/x`, { method: 'HEAD' });
  assert.deepEqual([head.code, head.headers['x-method'], head.body], [201, 'HEAD', '']);
  const moved = await get(`${proxy}/moved`);
  assert.equal(moved.headers.location, `${proxy}/there`);
  assert.equal(moved.headers['access-control-allow-origin'], undefined);
  const slash = await get(`${proxy}?a=b`);
  assert.deepEqual([slash.code, slash.headers.location], [301, `${proxy}/?a=b`]);
  assert.match((await get('/api/v1/namespaces/default/pods/a:b:c:d/proxy/')).body, /invalid pod request/);
  assert.match((await get(podPath('proxy/', 'unbound'))).body, /address not allowed/);
});

test('an upgrade passes a proxy, with the headers it needs', async () => {
  const answer = await upgrade('/api/v1/nodes/n/proxy/portForward/any?a=b', {
    cookie: 'a=b',
    authorization: 'Bearer x',
  });
  assert.ok(answer.switched);
  answer.socket.write('abc');
  const [data] = await once(answer.socket, 'data');
  assert.equal(String(data), 'ABC');
  const { url, headers } = seen;
  assert.deepEqual([url, headers.cookie, headers.authorization], ['/portForward/any?a=b', 'a=b', undefined]);
  answer.socket.end();
  await held0();
});

test('watches come over WebSocket, a message an event', async () => {
  const socket = websocket('/api/v1/namespaces/default/configmaps?watch=true', []);
  const first = once(socket, 'message');
  await opened(socket);
  await client.create(coreV1.configmaps, { metadata: { name: 'one', namespace: 'default' } });
  const [data, isBinary] = await first;
  const event = JSON.parse(String(data));
  assert.deepEqual([event.type, event.object.metadata.name, isBinary], ['ADDED', 'one', false]);
  socket.close();
  await once(socket, 'close');
});

test('stopping the server ends what streams', async () => {
  const socket = await opened(websocket(podPath('exec?command=x&stdin=1&stdout=1'), ['v5.channel.k8s.io']));
  while (held.size === 0) await systemClock.sleep(5);
  const closed = once(socket, 'close');
  for (const end of api.server.context.onShutdown) end();
  await closed;
  await held0();
});

test('a kubelet that takes the connection and says nothing is given up', async () => {
  const clock = new VirtualClock();
  const silent = createTcpServer(() => {});
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const { port } = silent.address() as AddressInfo;
  const sockets: Writable[] = [];
  const connected = new Promise<void>(resolve =>
    silent.on('connection', socket => {
      sockets.push(socket);
      socket.once('data', () => resolve());
    }),
  );
  const answer = requestBackend(
    { protocol: 'https:', host: '127.0.0.1', port },
    { method: 'GET', path: '/', headers: {}, signal: new AbortController().signal, clock },
  );
  const refused = assert.rejects(answer, /TLS handshake timeout/);
  await connected;
  await clock.advance(10_000);
  await refused;
  for (const socket of sockets) socket.destroy();
  silent.close();
});
