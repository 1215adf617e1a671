// The sockets: DNS over UDP and TCP on a node's address. Answers from the index at once, the rest through the forwarder.
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { aborted } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import type { DnsMetrics } from './dns-metrics.ts';
import type { Forwarder } from './forwarder.ts';
import {
  encodeFormatError,
  encodeResponse,
  encodeTruncated,
  maxTcpBytes,
  parseQuery,
  type Query,
  type Rcode,
  type Response,
  type Transport,
  udpLimit,
} from './kernel/message.ts';
import { ReplyCache } from './kernel/reply-cache.ts';
import { type Answer, isOfZone, negative, resolve, type Zone } from './kernel/resolve.ts';
import { answerConnection } from './tcp-connection.ts';

export interface DnsServerOptions {
  readonly zone: Zone;
  readonly forwarder: Forwarder;
  readonly metrics: DnsMetrics;
  /**
   * False until everything to answer from has been read: questions about the zone wait for that, and get SERVFAIL, not a
   * wrong NXDOMAIN, when it takes long.
   */
  readonly complete: () => boolean;
  readonly whenComplete: Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

const retryMs = 5_000;
/** What comes while this process does other things; the kernel gives no more than net.core.rmem_max. */
const recvBufferSize = 4 << 20;
const maxConnections = 512;
/** Shorter than the five seconds that resolvers wait. */
const patienceMs = 3_000;
const maxWaiting = 1_000;
const classIn = 1;
const classAny = 255;

export class DnsServer {
  readonly #o: DnsServerOptions;

  readonly #cache = new ReplyCache();
  #waiting = 0;

  constructor(options: DnsServerOptions) {
    this.#o = options;
  }

  /** Serves `port` of the address until the signal aborts; while it is taken by another program, tries again. */
  async serve(address: string, port: number, signal: AbortSignal, onListening?: () => void): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#serveOnce(address, port, signal, onListening);
      } catch (error) {
        this.#o.log.warn('serving DNS failed; trying again', { address, port, error: messageOf(error) });
        await this.#o.clock.sleep(retryMs, signal).catch(() => {});
      }
    }
  }

  async #serveOnce(address: string, port: number, signal: AbortSignal, onListening?: () => void): Promise<void> {
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    const udp = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', recvBufferSize });
    const connections = new Set<Socket>();
    const tcp = createServer({ allowHalfOpen: true }, socket => this.#connection(socket, connections));
    try {
      await listenUdp(udp, address, port);
      udp.on('message', (bytes, peer) => this.#datagram(udp, bytes, peer.address, peer.port));
      udp.on('error', error => failed.reject(error));
      await listenTcp(tcp, address, port === 0 ? udp.address().port : port);
      tcp.on('error', error => failed.reject(error));
      this.#o.log.info('serving DNS', { address, port: udp.address().port });
      onListening?.();
      await Promise.race([aborted(signal), failed.promise]);
    } finally {
      udp.close();
      tcp.close();
      for (const socket of connections) socket.destroy();
    }
  }

  #datagram(udp: UdpSocket, bytes: Uint8Array, address: string, port: number): void {
    const send = (answer: Uint8Array | undefined) => {
      // The sender may be gone or the socket closed meanwhile: a lost datagram.
      if (answer) udp.send(answer, port, address, () => {});
    };
    try {
      const answer = this.handle(bytes, 'udp');
      if (answer instanceof Promise) answer.then(send, this.#puzzled);
      else send(answer);
    } catch (error) {
      this.#puzzled(error);
    }
  }

  // A bug, but not one by which a sender may end this process.
  readonly #puzzled = (error: unknown): void => {
    this.#o.log.error('answering a DNS question failed', { error: messageOf(error) });
  };

  #connection(socket: Socket, all: Set<Socket>): void {
    if (all.size >= maxConnections) {
      socket.destroy();
      return;
    }
    all.add(socket);
    const handle = (message: Uint8Array) => this.handle(message, 'tcp');
    answerConnection(socket, { clock: this.#o.clock, handle, puzzled: this.#puzzled });
    socket.on('close', () => all.delete(socket));
  }

  /** The answer to one message; undefined when there is none to give. A promise only for what has to wait for others. */
  handle(bytes: Uint8Array, transport: Transport): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    const query = parseQuery(bytes);
    if (!query) return undefined;
    if ('malformed' in query) return encodeFormatError(query.id);
    const wait = !this.#o.complete() && this.#waiting < maxWaiting && isOfZone(this.#o.zone, query.name);
    return wait ? this.#patiently(query, bytes, transport) : this.#answer(query, bytes, transport);
  }

  async #patiently(query: Query, bytes: Uint8Array, transport: Transport): Promise<Uint8Array> {
    const waiting = new AbortController();
    this.#waiting++;
    try {
      const enough = this.#o.clock.sleep(patienceMs, waiting.signal).catch(() => {});
      await Promise.race([this.#o.whenComplete, enough]);
    } finally {
      waiting.abort();
      this.#waiting--;
    }
    return this.#answer(query, bytes, transport);
  }

  #answer(query: Query, bytes: Uint8Array, transport: Transport): Uint8Array | Promise<Uint8Array> {
    const started = this.#o.clock.monotonic();
    const limit = transport === 'udp' ? udpLimit(query) : maxTcpBytes;
    const finish = (response: Response) => {
      this.#o.metrics.answered(query, transport, response.rcode, this.#o.clock.monotonic() - started);
      return encodeResponse(query, response, limit);
    };
    const refusal = refusalOf(query);
    if (refusal) return finish({ rcode: refusal, authoritative: false });
    const { zone } = this.#o;
    const answer = resolve(zone, query.name, query.type);
    if (answer && !this.#o.complete()) return finish({ rcode: 'SERVFAIL', authoritative: false });
    if (answer?.external) return this.#chase(query, answer, answer.external).then(finish);
    if (answer) return finish({ ...answer, authoritative: true });
    return this.#forward(query, bytes, transport, started, finish);
  }

  async #forward(
    query: Query,
    bytes: Uint8Array,
    transport: Transport,
    started: number,
    finish: (response: Response) => Uint8Array,
  ): Promise<Uint8Array> {
    const { forwarder, metrics, clock, zone } = this.#o;
    if (forwarder.upstreams.length === 0) {
      // Nobody to ask. Of addresses we are the authority; a name may exist somewhere.
      const reverse = /\.(in-addr|ip6)\.arpa$/i.exec(query.name);
      if (reverse && this.#o.complete())
        return finish({ ...negative(zone, 'NXDOMAIN', reverse[0].slice(1).toLowerCase()), authoritative: true });
      return finish({ rcode: 'SERVFAIL', authoritative: false });
    }
    const limit = transport === 'udp' ? udpLimit(query) : maxTcpBytes;
    const known = this.#cache.get(query, bytes, clock.now(), limit);
    if (known) {
      metrics.answered(query, transport, 'CACHED', clock.monotonic() - started, known[3]! & 15);
      return known;
    }
    try {
      const reply = await forwarder.exchange(bytes, transport);
      this.#cache.put(query, bytes, reply, clock.now());
      metrics.answered(query, transport, 'FORWARDED', clock.monotonic() - started, reply[3]! & 15);
      // Upstreams may say more than was asked for.
      if (reply.length > limit) return encodeTruncated(query, limit);
      return reply;
    } catch {
      return finish({ rcode: 'SERVFAIL', authoritative: false });
    }
  }

  /** What the upstreams say of an alias' target goes behind the alias; without an answer the alias stands alone. */
  async #chase(query: Query, answer: Answer, target: string): Promise<Response> {
    const further = await this.#o.forwarder.addresses(target, query.type as 'A' | 'AAAA').catch(() => []);
    return { ...answer, answers: [...answer.answers, ...further], authoritative: true };
  }
}

function refusalOf(query: Query): Rcode | undefined {
  if (query.opcode !== 0) return 'NOTIMP';
  if (query.edns && query.edns.version !== 0) return 'BADVERS';
  if (query.class !== classIn && query.class !== classAny) return 'REFUSED';
  return query.type === 'AXFR' ? 'NOTIMP' : undefined;
}

const listenUdp = (socket: UdpSocket, address: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeListener('error', reject);
      resolve();
    });
  });

const listenTcp = (server: Server, address: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port, exclusive: true }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
