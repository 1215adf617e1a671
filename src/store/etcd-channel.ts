// Calls to etcd over gRPC: several endpoints, one in use; what is safe to repeat is repeated on the next one.
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import {
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Client as GrpcClient,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { type EtcdMethod, etcd, type WatchRequest, type WatchResponse } from './etcd-api.ts';
import type { Decoded, Fields, Input } from './etcd-wire.ts';
import { StoreFullError, StoreUnavailableError } from './store.ts';

export interface EtcdTls {
  /** PEM of what signed etcd's certificate; absent: the machine's own authorities. */
  readonly ca?: string;
  /** PEM of the client's certificate and key. */
  readonly cert?: string;
  readonly key?: string;
}

export interface EtcdChannelOptions {
  /** `https://10.0.0.1:2379` */
  readonly servers: readonly string[];
  readonly tls?: EtcdTls;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const callTimeoutMs = 10_000;
const firstDelayMs = 50;
const longestDelayMs = 1000;

const channelOptions = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  // A peer that is gone without a word is noticed within a call's time: until then its watches hold up all answers.
  // kube-apiserver, which spreads its calls over all endpoints, asks every 30 s; etcd bears with one each 5 s.
  'grpc.keepalive_time_ms': 6_000,
  'grpc.keepalive_timeout_ms': 3_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2000,
};

/** The server to dial, and whether with TLS. Throws RangeError. */
export function parseEndpoint(url: string): { target: string; secure: boolean } {
  const match = /^(?:(https?):\/\/)?(\[[0-9a-f:]+\]|[^/:[\]]+):(\d+)\/?$/.exec(url);
  if (!match) throw new RangeError(`etcd server ${JSON.stringify(url)}: want https://HOST:PORT or http://HOST:PORT`);
  return { target: `${match[2]}:${match[3]}`, secure: match[1] === 'https' };
}

export class EtcdChannel {
  readonly #options: EtcdChannelOptions;
  readonly #clients: (GrpcClient | undefined)[];
  #current = 0;
  #closed = false;

  constructor(options: EtcdChannelOptions) {
    if (options.servers.length === 0) throw new RangeError('etcd: no server is named');
    for (const server of options.servers) parseEndpoint(server);
    this.#options = options;
    this.#clients = options.servers.map(() => undefined);
  }

  #client(index: number): GrpcClient {
    const known = this.#clients[index];
    if (known) return known;
    const { servers, tls } = this.#options;
    const { target, secure } = parseEndpoint(servers[index]!);
    const pem = (text: string | undefined) => (text === undefined ? null : Buffer.from(text));
    const host = target.slice(0, target.lastIndexOf(':')).replace(/^\[|\]$/g, '');
    const trust = secure
      ? credentials.createSsl(pem(tls?.ca), pem(tls?.key), pem(tls?.cert), {
          checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate as PeerCertificate),
        })
      : credentials.createInsecure();
    // TLS asks for names, never for addresses, which Node refuses; the certificate is checked for the address all the same.
    const asked = secure && isIP(host) !== 0 ? { 'grpc.ssl_target_name_override': 'etcd' } : {};
    const client = new GrpcClient(target, trust, { ...channelOptions, ...asked });
    this.#clients[index] = client;
    return client;
  }

  /**
   * Rejects with StoreFullError, StoreUnavailableError (outcome unknown unless the method is repeatable) or the
   * ServiceError etcd answered.
   */
  async call<Q extends Fields, S extends Fields>(
    method: EtcdMethod<Q, S>,
    request: Input<Q>,
    timeoutMs = callTimeoutMs,
  ): Promise<Decoded<S>> {
    const { clock, random } = this.#options;
    const endMs = clock.monotonic() + timeoutMs;
    for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, longestDelayMs)) {
      const index = this.#current;
      try {
        return await this.#once(index, method, request, endMs - clock.monotonic());
      } catch (error) {
        const failure = error as ServiceError;
        if (isBroken(failure)) this.#leave(index);
        const again = method.repeatable ? isBroken(failure) : wasNotSent(failure);
        const waitMs = delayMs * (0.5 + random.next());
        if (!again || this.#closed || clock.monotonic() + waitMs >= endMs) throw told(failure, method.path);
        await clock.sleep(waitMs);
      }
    }
  }

  // The endpoint does not answer: the next calls go to the next one.
  #leave(index: number): void {
    if (this.#current === index) this.#current = (index + 1) % this.#clients.length;
  }

  #once<Q extends Fields, S extends Fields>(
    index: number,
    method: EtcdMethod<Q, S>,
    request: Input<Q>,
    timeoutMs: number,
  ): Promise<Decoded<S>> {
    return new Promise((resolve, reject) => {
      const call = this.#client(index).makeUnaryRequest(
        method.path,
        (value: Input<Q>) => method.request.encode(value),
        (bytes: Buffer) => method.response.decode(bytes),
        request,
        (error, response) => {
          timer.cancel();
          if (error) reject(error);
          else resolve(response!);
        },
      );
      const timer = this.#options.clock.after(Math.max(0, timeoutMs), () => call.cancel());
    });
  }

  /** A watch stream that ends when its server loses the cluster's leader. `broken` must be called when it ends by itself. */
  watch(): { stream: ClientDuplexStream<WatchRequest, WatchResponse>; broken(): void } {
    const index = this.#current;
    const metadata = new Metadata();
    metadata.set('hasleader', 'true');
    const { request, response, path } = etcd.watch;
    const stream = this.#client(index).makeBidiStreamRequest(
      path,
      (value: WatchRequest) => request.encode(value),
      (bytes: Buffer) => response.decode(bytes),
      metadata,
    );
    return { stream, broken: () => this.#leave(index) };
  }

  /** The chunks of a snapshot. */
  snapshot(): ClientReadableStream<{ remainingBytes: number; blob: Buffer }> {
    const { request, response, path } = etcd.snapshot;
    return this.#client(this.#current).makeServerStreamRequest(
      path,
      (value: object) => request.encode(value),
      (bytes: Buffer) => response.decode(bytes),
      {},
    );
  }

  close(): void {
    this.#closed = true;
    for (const client of this.#clients) client?.close();
  }
}

const isBroken = ({ code }: ServiceError): boolean => code === status.UNAVAILABLE || code === status.CANCELLED;

// grpc-js says so when no connection could be had; nothing was written then.
const wasNotSent = ({ code, details }: ServiceError): boolean =>
  code === status.UNAVAILABLE && /^(No connection established|Name resolution failed)/.test(details ?? '');

const isFull = ({ details }: ServiceError): boolean => /database space exceeded/.test(details ?? '');

const fullAdvice =
  "delete objects, then compact (k8ts store compact), defragment and disarm etcd's alarm, or raise its --quota-backend-bytes";

function told(error: ServiceError, path: string): Error {
  if (isFull(error)) return new StoreFullError(`${error.details}; ${fullAdvice}`);
  if (isBroken(error) || error.code === status.DEADLINE_EXCEEDED)
    return new StoreUnavailableError(`etcd ${path.split('/').at(-1)}: ${plain(error.details || error.message)}`, error);
  return error;
}

/** On one line, without what grpc-js found nothing to say to, and Node's advice about its own flags. */
const plain = (details: string): string =>
  details
    .replace(/\s*Resolution note:\s*$/, '')
    .replace(/; if the root CA is installed locally, try running Node\.js with --use-system-ca/, '')
    .replace(/\s+/g, ' ');

/** The revision asked for has been compacted. */
export const isCompacted = (error: unknown): boolean =>
  (error as Partial<ServiceError>)?.code === status.OUT_OF_RANGE &&
  /has been compacted/.test((error as ServiceError).details);
