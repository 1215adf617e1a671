// kube-aggregator and k8ts beside each other: the services of one server of k8ts, and the same servers behind them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createTcp, type Socket, type Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Caller, Json } from '../../src/apiserver/test-caller.ts';
import { startTestServer, type TestServer } from '../../src/apiserver/test-server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { freePort } from '../../src/base/test-free-port.ts';
import { createCa, issueCertificate } from '../../src/base/x509.ts';
import { startEtcd } from '../../src/store/test-etcd.ts';
import { callerOf } from './cluster-content.ts';
import { type RealServer, startRealServer } from './real-server.ts';

export const services = '/apis/apiregistration.k8s.io/v1/apiservices';
/** Where the services are. */
export const namespace = 'lab';

/** Addresses of endpoints, each with its way to fail. */
export const addresses = {
  good: '10.9.9.1',
  closed: '10.9.9.2',
  plain: '10.9.9.3',
  /** Its certificate is for another name. */
  otherName: '10.9.9.4',
  /** Ends connections when they come. */
  ends: '10.9.9.5',
  silent: '10.9.9.6',
  flunders: '10.9.9.7',
} as const;

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly string[];
  readonly peer: string;
  readonly body: string;
}

export interface Aggregators {
  readonly home: TestServer;
  readonly real: RealServer;
  /** sample-apiserver, behind both. */
  readonly flunders: RealServer;
  readonly ours: Caller;
  /** base64 of the PEM of what signed the certificates behind. */
  readonly caBundle: string;
  /** What the good server was asked. */
  readonly seen: Seen[];
  /** Answers for the good server; undefined for what discovery says. */
  answer: ((request: IncomingMessage, response: ServerResponse, body: string) => boolean) | undefined;
  upgrade: ((request: IncomingMessage, socket: Duplex, head: Buffer) => void) | undefined;
  /** What a service and its endpoint controller would leave. */
  serve(name: string, address: string, port?: number): Promise<void>;
  stop(): Promise<void>;
}

const listen = (server: Server | TcpServer): Promise<number> =>
  new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));

const discovery = (url: string): Json => {
  const [, group, version] = /^\/apis\/([^/?]+)\/([^/?]+)$/.exec(url) ?? [];
  if (!group) return undefined;
  const verbs = ['create', 'get', 'list', 'watch'];
  const resources = [
    { name: 'things', singularName: 'thing', namespaced: true, kind: 'Thing', verbs, shortNames: ['th'] },
    { name: 'things/status', singularName: '', namespaced: true, kind: 'Thing', verbs: ['get'] },
  ];
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: `${group}/${version}`, resources };
};

export async function startAggregators(program: string): Promise<Aggregators> {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-aggregators-'));
  const making = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
  const proxyCa = await createCa({ commonName: 'front-proxy-ca', ...making });
  const subject = { commonName: 'front-proxy-client' };
  const proxy = await issueCertificate(proxyCa, { subject, usages: 'client', ...making });
  const ca = await createCa({ commonName: 'behind-ca', ...making });
  const certificate = (...dnsNames: string[]) =>
    issueCertificate(ca, { subject: { commonName: 'behind' }, dnsNames, ipAddresses: [], usages: 'server', ...making });
  const right = await certificate(`*.${namespace}.svc`);
  const wrong = await certificate('elsewhere.svc');
  const seen: Seen[] = [];
  const rig: { answer: Aggregators['answer']; upgrade: Aggregators['upgrade'] } = {
    answer: undefined,
    upgrade: undefined,
  };
  const sockets = new Set<Socket>();
  const keep = <T extends Server | TcpServer>(server: T): T =>
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => {});
    }) as T;
  const peerOf = (socket: TLSSocket) => (socket.authorized ? String(socket.getPeerCertificate().subject.CN) : '');
  const good = keep(
    createServer(
      {
        cert: right.certificatePem,
        key: right.keyPem,
        ca: proxyCa.certificatePem,
        requestCert: true,
        rejectUnauthorized: false,
      },
      async (request, response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        const body = Buffer.concat(chunks).toString();
        const url = request.url!;
        seen.push({
          method: request.method!,
          url,
          headers: request.rawHeaders,
          peer: peerOf(request.socket as TLSSocket),
          body,
        });
        if (rig.answer?.(request, response, body)) return;
        const list = discovery(url);
        response.writeHead(list ? 200 : 404, { 'content-type': 'application/json' });
        response.end(JSON.stringify(list ?? { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 404 }));
      },
    ),
  );
  good.on('upgrade', (request, socket, head) => rig.upgrade?.(request, socket, head));
  const otherName = keep(
    createServer({ cert: wrong.certificatePem, key: wrong.keyPem }, (_, response) => void response.end('{}')),
  );
  const { createServer: createPlain } = await import('node:http');
  const plain = keep(createPlain((_, response) => void response.end('{}')) as unknown as TcpServer);
  const ends = keep(createTcp(socket => void socket.destroy()));
  const silent = keep(createTcp(() => {}));
  const etcd = await startEtcd();
  const ports: Record<string, number> = {
    [`${addresses.good}:443`]: await listen(good),
    [`${addresses.closed}:443`]: await freePort(),
    [`${addresses.plain}:443`]: await listen(plain),
    [`${addresses.otherName}:443`]: await listen(otherName),
    [`${addresses.ends}:443`]: await listen(ends),
    [`${addresses.silent}:443`]: await listen(silent),
  };
  const home = await startTestServer({
    frontProxyCa: proxyCa.certificatePem,
    frontProxyClient: { cert: proxy.certificatePem, key: proxy.keyPem },
    dialExtension: at => {
      const port = ports[`${at.host}:${at.port}`];
      return port ? { host: '127.0.0.1', port } : at;
    },
  });
  const flunders = await startRealServer({ program, name: 'flunders', etcd: etcd.url, home });
  ports[`${addresses.flunders}:443`] = Number(new URL(flunders.url).port);
  const cert = join(directory, 'proxy.crt');
  const key = join(directory, 'proxy.key');
  writeFileSync(cert, proxy.certificatePem);
  writeFileSync(key, proxy.keyPem, { mode: 0o600 });
  const real = await startRealServer({
    program,
    name: 'aggregator',
    etcd: etcd.url,
    home,
    flags: {
      'proxy-client-cert-file': cert,
      'proxy-client-key-file': key,
      'definitions-port': String(await freePort()),
      dial: Object.entries(ports)
        .map(([from, port]) => `${from}=127.0.0.1:${port}`)
        .join(','),
    },
  });
  const ours = callerOf(home);
  await ours.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name: namespace } });
  return Object.assign(rig, {
    home,
    real,
    flunders,
    ours,
    seen,
    caBundle: Buffer.from(ca.certificatePem).toString('base64'),
    async serve(name: string, address: string, port = 443) {
      await ours.expect(201, 'POST', `/api/v1/namespaces/${namespace}/services`, {
        metadata: { name },
        spec: { ports: [{ port: 443, targetPort: port }] },
      });
      await ours.expect(201, 'POST', `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, {
        metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
        addressType: 'IPv4',
        ports: [{ name: '', port, protocol: 'TCP' }],
        endpoints: [{ addresses: [address], conditions: { ready: true } }],
      });
    },
    async stop() {
      ours.close();
      await real.stop();
      await flunders.stop();
      await home.stop();
      for (const socket of sockets) socket.destroy();
      for (const server of [good, otherName, plain, ends, silent]) await new Promise(done => server.close(done));
      await etcd.remove();
      rmSync(directory, { recursive: true });
    },
  });
}
