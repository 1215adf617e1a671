import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { decode, encode, streamEncode } from 'dns-packet';
import type { Service } from '../api/type/core-v1.ts';
import { systemClock, VirtualClock } from '../base/clock.ts';
import { createLog, silentLog } from '../base/log.ts';
import { createMetrics } from '../base/metrics.ts';
import { systemRandom } from '../base/random.ts';
import { fakeClient } from '../client/fake-client.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { createClusterDns } from './cluster-dns.ts';
import { dnsMetrics } from './dns-metrics.ts';
import { DnsServer } from './dns-server.ts';
import { Forwarder } from './forwarder.ts';
import { RecordIndex } from './kernel/record-index.ts';

const address = '127.0.0.1';
const directory = mkdtempSync(join(tmpdir(), 'k8ts-dns-'));
const resolvConf = join(directory, 'resolv.conf');
writeFileSync(resolvConf, 'search x\n');
const stopping = new AbortController();
const metrics = createMetrics();
let port = 0;
let running: Promise<unknown>;

const hosts = Array.from({ length: 60 }, (_, i) => ({ addresses: [`10.244.0.${i + 1}`] }));
const objects = [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec: { clusterIP: '10.96.1.1', ports: [{ name: 'http', port: 80 }] },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'many', namespace: 'default' },
    spec: { clusterIP: 'None' },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'many-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'many' } },
    addressType: 'IPv4',
    endpoints: hosts,
  },
];

before(async () => {
  // A free port for both transports: of the first, the second is asked for.
  port = await new Promise(resolve => {
    const probe = createServer().listen(0, address, () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
  const client = fakeClient(objects);
  const shared = { clock: systemClock, random: systemRandom, log: silentLog };
  const informers = createInformerFactory(client, shared);
  const listening = Promise.withResolvers<void>();
  const dns = createClusterDns({
    ...shared,
    informers,
    domain: 'cluster.local',
    address,
    clusterDns: '10.96.0.10',
    resolvConf,
    port,
    metricsPort: port + 1,
    metrics,
    onListening: listening.resolve,
  });
  running = Promise.all([dns.run(stopping.signal), informers.run(stopping.signal)]);
  await Promise.all([listening.promise, informers.whenSynced()]);
});

after(async () => {
  stopping.abort();
  await running;
  rmSync(directory, { recursive: true });
});

function askUdp(name: string, type: 'A' | 'PTR' = 'A', more: object = {}) {
  return new Promise<ReturnType<typeof decode>>((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.on('error', reject);
    socket.on('message', bytes => {
      socket.close();
      resolve(decode(bytes));
    });
    const message = encode({ type: 'query', id: 77, flags: 0x100, questions: [{ type, name }], ...more });
    socket.send(message, port, address);
  });
}

const rcodeOf = (reply: unknown) => (reply as { rcode: string }).rcode;
const opt = { type: 'OPT', name: '.', udpPayloadSize: 1232, extendedRcode: 0, ednsVersion: 0, flags: 0, options: [] };

test('services are answered over UDP with authority', async () => {
  const reply = await askUdp('web.default.svc.cluster.local');
  assert.equal(reply.id, 77);
  assert.equal(rcodeOf(reply), 'NOERROR');
  assert.ok(reply.flag_aa);
  assert.deepEqual(
    reply.answers!.map(a => (a as { data: string }).data),
    ['10.96.1.1'],
  );
  assert.equal(rcodeOf(await askUdp('nothing.default.svc.cluster.local')), 'NXDOMAIN');
});

test('what does not fit is cut, TCP has it all, several questions a connection', async () => {
  const cut = await askUdp('many.default.svc.cluster.local');
  assert.ok(cut.flag_tc);
  const fits = await askUdp('many.default.svc.cluster.local', 'A', { additionals: [opt] });
  assert.ok(!fits.flag_tc);
  assert.equal(fits.answers!.length, 60);
  const replies = await new Promise<ReturnType<typeof decode>[]>((resolve, reject) => {
    const found: ReturnType<typeof decode>[] = [];
    let received: Buffer = Buffer.alloc(0);
    const socket = connect(port, address, () => {
      const ask = (id: number, name: string) => streamEncode({ type: 'query', id, questions: [{ type: 'A', name }] });
      const bytes = Buffer.concat([ask(1, 'many.default.svc.cluster.local'), ask(2, 'web.default.svc.cluster.local')]);
      socket.write(bytes.subarray(0, 5));
      socket.write(bytes.subarray(5));
    });
    socket.on('error', reject);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        found.push(decode(received.subarray(2, end)));
        received = received.subarray(end);
      }
      if (found.length === 2) {
        socket.destroy();
        resolve(found);
      }
    });
  });
  assert.deepEqual(replies.map(r => [r.id, r.answers!.length]).sort(), [
    [1, 60],
    [2, 1],
  ]);
});

test('hundreds of questions while the agent does other things are all answered', async () => {
  const socket = createSocket('udp4');
  await new Promise<void>(resolve => socket.connect(port, address, resolve));
  const questions = [{ type: 'A' as const, name: 'web.default.svc.cluster.local' }];
  const count = 400;
  const ids = new Set<number>();
  const all = new Promise<void>(resolve => {
    const late = setTimeout(resolve, 2_000);
    socket.on('message', bytes => {
      ids.add(decode(bytes).id!);
      if (ids.size < count) return;
      clearTimeout(late);
      resolve();
    });
  });
  // All of them go out before this turn of the loop ends, which is the server's, too.
  for (let id = 0; id < count; id++) socket.send(encode({ type: 'query', id, questions }));
  await all;
  socket.close();
  assert.equal(ids.size, count);
});

test('with nobody to ask, a foreign name fails for now and a foreign address has none', async () => {
  assert.equal(rcodeOf(await askUdp('example.com')), 'SERVFAIL');
  assert.equal(rcodeOf(await askUdp('4.3.2.1.in-addr.arpa', 'PTR')), 'NXDOMAIN');
});

test('health, readiness and metrics', async () => {
  const get = async (path: string) => {
    const response = await fetch(`http://${address}:${port + 1}${path}`);
    return `${response.status} ${await response.text()}`;
  };
  assert.equal(await get('/ready'), '200 OK');
  assert.equal(await get('/health'), '200 OK');
  assert.match(await get('/metrics'), /coredns_dns_responses_total\{.*rcode="NXDOMAIN".*\} [1-9]/);
});

test('other names are asked of name servers in turn; forged replies are ignored', async () => {
  const upstream = createSocket('udp4');
  await new Promise<void>(resolve => upstream.bind(0, address, resolve));
  const seen: number[] = [];
  upstream.on('message', (bytes, peer) => answer(upstream, bytes, peer, seen));
  const { port: upstreamPort } = upstream.address();
  // Nobody listens on that address of loopback: refused at once.
  const servers = ['127.0.0.9', address];
  const forwarder = new Forwarder({
    nameservers: () => servers,
    clock: systemClock,
    random: { next: () => 0, bytes: n => systemRandom.bytes(n) },
    port: upstreamPort,
  });
  try {
    const message = encode({ type: 'query', id: 5, questions: [{ type: 'A', name: 'example.com' }] });
    const reply = decode(Buffer.from(await forwarder.exchange(message, 'udp')));
    assert.equal(reply.id, 5);
    assert.deepEqual(
      reply.answers!.map(a => (a as { data: string }).data),
      ['192.0.2.7'],
    );
    assert.deepEqual(await forwarder.addresses('example.com', 'A'), [
      { name: 'example.com', type: 'A', ttl: 5, data: '192.0.2.7' },
    ]);
    assert.equal(seen.length, 2);
    assert.notDeepEqual(seen, [5, 5]);
  } finally {
    upstream.close();
  }
});

function answer(socket: Socket, bytes: Buffer, peer: { port: number; address: string }, seen: number[]) {
  const query = decode(bytes);
  seen.push(query.id!);
  const reply = (id: number, data: string) =>
    encode({
      type: 'response',
      id,
      questions: query.questions!,
      answers: [{ type: 'A', name: 'example.com', ttl: 300, data }],
    });
  socket.send(reply((query.id! + 1) & 0xffff, '6.6.6.6'), peer.port, peer.address);
  socket.send(reply(query.id!, '192.0.2.7'), peer.port, peer.address);
}

test('a question waits for the first list, but not for ever', async () => {
  const clock = new VirtualClock();
  const list = Promise.withResolvers<void>();
  let complete = false;
  const index = new RecordIndex();
  const server = new DnsServer({
    zone: { domain: 'cluster.local', index, serverAddress: '10.96.0.10', serial: () => 1 },
    forwarder: new Forwarder({ nameservers: () => [], clock, random: systemRandom }),
    metrics: dnsMetrics(createMetrics(), 'cluster.local'),
    complete: () => complete,
    whenComplete: list.promise,
    clock,
    log: silentLog,
  });
  const message = encode({ type: 'query', id: 1, questions: [{ type: 'A', name: 'web.default.svc.cluster.local' }] });
  const late = server.handle(message, 'udp');
  await clock.advance(3_000);
  assert.equal(rcodeOf(decode(Buffer.from((await late)!))), 'SERVFAIL');
  const inTime = server.handle(message, 'udp');
  await clock.advance(1_000);
  index.putService(objects[0] as unknown as Service);
  complete = true;
  list.resolve();
  assert.equal(rcodeOf(decode(Buffer.from((await inTime)!))), 'NOERROR');
  assert.equal(clock.untilNext(), undefined);
});

test('other names do not wait for the first list; an answer too long for who asked says so', async () => {
  const clock = new VirtualClock();
  const forwarder = {
    upstreams: ['192.0.2.53'],
    exchange: async (message: Uint8Array) => {
      const { id = 0, questions = [] } = decode(Buffer.from(message));
      const txt = { type: 'TXT' as const, name: 'example.com', ttl: 10, data: ['x'.repeat(200)] };
      return encode({ type: 'response', id, flags: 0x100, questions, answers: [txt, txt, txt] });
    },
  } as unknown as Forwarder;
  const server = new DnsServer({
    zone: { domain: 'cluster.local', index: new RecordIndex(), serverAddress: '10.96.0.10', serial: () => 1 },
    forwarder,
    metrics: dnsMetrics(createMetrics(), 'cluster.local'),
    complete: () => false,
    whenComplete: new Promise(() => {}),
    clock,
    log: silentLog,
  });
  const ask = async (transport: 'udp' | 'tcp') => {
    const message = encode({ type: 'query', id: 1, flags: 0x100, questions: [{ type: 'TXT', name: 'example.com' }] });
    const reply = decode(Buffer.from((await server.handle(message, transport))!));
    return `${rcodeOf(reply)} ${reply.answers!.length} ${reply.flag_tc} ${reply.flag_rd}`;
  };
  assert.equal(await ask('udp'), 'NOERROR 0 true true');
  assert.equal(await ask('tcp'), 'NOERROR 3 false true');
});

test('what a name server said is said again without asking it', async () => {
  const clock = new VirtualClock();
  let asked = 0;
  const forwarder = {
    upstreams: ['192.0.2.53'],
    exchange: async (message: Uint8Array) => {
      asked++;
      const { id = 0, questions = [] } = decode(Buffer.from(message));
      return encode({
        type: 'response',
        id,
        questions,
        answers: [{ type: 'A', name: 'example.com', ttl: 10, data: '192.0.2.7' }],
      });
    },
  } as unknown as Forwarder;
  const server = new DnsServer({
    zone: { domain: 'cluster.local', index: new RecordIndex(), serverAddress: '10.96.0.10', serial: () => 1 },
    forwarder,
    metrics: dnsMetrics(createMetrics(), 'cluster.local'),
    complete: () => true,
    whenComplete: Promise.resolve(),
    clock,
    log: silentLog,
  });
  const ttl = async (id: number) => {
    const message = encode({ type: 'query', id, questions: [{ type: 'A', name: 'example.com' }] });
    const reply = decode(Buffer.from((await server.handle(message, 'udp'))!));
    assert.equal(reply.id, id);
    return (reply.answers![0] as { ttl: number }).ttl;
  };
  assert.equal(await ttl(1), 10);
  await clock.advance(4_000);
  assert.equal(await ttl(2), 6);
  assert.equal(asked, 1);
  await clock.advance(6_000);
  assert.equal(await ttl(3), 10);
  assert.equal(asked, 2);
});

test('a port that is taken costs a warning and another try', async () => {
  const lines: string[] = [];
  const log = createLog('dns', { write: line => lines.push(line) });
  const warned = Promise.withResolvers<void>();
  const stop = new AbortController();
  const clock = {
    ...systemClock,
    sleep: async () => warned.resolve(),
    now: () => 0,
    monotonic: () => 0,
    after: systemClock.after,
  };
  const client = fakeClient([]);
  const informers = createInformerFactory(client, { clock: systemClock, random: systemRandom, log: silentLog });
  const dns = createClusterDns({
    informers,
    clock,
    random: systemRandom,
    log,
    domain: 'c',
    address,
    clusterDns: '10.96.0.10',
    resolvConf,
    port,
    metricsPort: 0,
  });
  clock.sleep = async () => {
    if (lines.some(l => l.includes('serving DNS failed'))) {
      stop.abort();
      warned.resolve();
    } else await new Promise(setImmediate);
  };
  const ran = dns.run(stop.signal);
  await warned.promise;
  await ran;
  assert.ok(lines.some(l => l.includes('EADDRINUSE')));
});
