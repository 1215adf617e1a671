// Tokens of service accounts that somebody else signs (--service-account-signing-endpoint): the gRPC service
// v1.ExternalJWTSigner on a unix socket. Keys are kept here, and asked for again once a while and for an unknown key id.
import { createPublicKey } from 'node:crypto';
import { isPlain } from '../../api/patch/plain.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { defaultBuckets, type Metrics } from '../../base/metrics.ts';
import { quote } from '../../base/quote.ts';
import { type Decoded, type Fields, type Input, Message } from '../../store/etcd-wire.ts';
import { GrpcError, GrpcSocket } from '../grpc-socket.ts';
import {
  type JsonWebKeySet,
  type Jws,
  jsonWebKey,
  type TokenKey,
  type TokenSigner,
  tokenKey,
  verifyWith,
} from './jws.ts';
import { CredentialError } from './user.ts';

export interface ExternalSignerOptions {
  /** A path, or `@name` of a socket in the abstract namespace. */
  readonly endpoint: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics | undefined;
}

const timestamp = new Message({ seconds: [1, 'int'], nanos: [2, 'int'] });
const signRequest = new Message({ claims: [1, 'string'] });
const signResponse = new Message({ header: [1, 'string'], signature: [2, 'string'] });
const key = new Message({ keyId: [1, 'string'], key: [2, 'bytes'], excluded: [3, 'bool'] });
const keysResponse = new Message({ keys: [1, [key]], dataTimestamp: [2, timestamp], refreshHintSeconds: [3, 'int'] });
const metadataResponse = new Message({ maxTokenExpirationSeconds: [1, 'int'] });
const nothing = new Message({});

const callMs = 10_000;
const retryMs = 10_000;
const longestTimerMs = 24 * 60 * 60_000;
const longestKeyId = 1024;
const leastExpirationSeconds = 600;
const algorithms = ['RS256', 'ES256', 'ES384', 'ES512'];

interface KeySet {
  readonly all: ReadonlyMap<string, TokenKey>;
  readonly published: readonly TokenKey[];
  readonly refreshSeconds: number;
  /** What it was made of. */
  readonly text: string;
}

export class ExternalSigner implements TokenSigner {
  /** The longest lifetime it gives; 0 until started. */
  maxExpirationSeconds = 0;
  revision = 0;
  readonly #options: ExternalSignerOptions;
  readonly #socket: GrpcSocket;
  #keys: KeySet = { all: new Map(), published: [], refreshSeconds: 0, text: '' };
  #fetching: Promise<void> | undefined;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: ExternalSignerOptions) {
    this.#options = options;
    const { endpoint } = options;
    const address = endpoint.startsWith('@') ? `unix-abstract:${endpoint.slice(1)}` : `unix:${endpoint}`;
    this.#socket = new GrpcSocket(address, callMs, options.clock);
  }

  /** Asks what it can do, and for its keys. Rejects when it cannot be used. */
  async start(): Promise<void> {
    const { maxTokenExpirationSeconds: longest } = await this.#call('Metadata', nothing, metadataResponse, {});
    if (longest < leastExpirationSeconds)
      throw new Error(
        `external signer: max token expiration must be at least ${leastExpirationSeconds} seconds, got ${longest}`,
      );
    this.maxExpirationSeconds = longest;
    await this.#fetch();
    this.#arm(this.#keys.refreshSeconds * 1000);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#socket.close();
  }

  get algorithms(): readonly string[] {
    return [...new Set(this.#keys.published.map(k => k.algorithm))];
  }

  get maxAgeSeconds(): number {
    return this.#keys.refreshSeconds;
  }

  jsonWebKeySet(): JsonWebKeySet {
    return { keys: this.#keys.published.map(jsonWebKey) };
  }

  async sign(claims: object): Promise<string> {
    const payload = Buffer.from(JSON.stringify(claims)).toString('base64url');
    const { header, signature } = await this.#call('Sign', signRequest, signResponse, { claims: payload });
    checkHeader(header);
    if (!signature) throw new Error('external signer: the signature is empty');
    return `${header}.${payload}.${signature}`;
  }

  verify(token: string, { header }: Jws): void | Promise<void> {
    const { kid } = header;
    // A token of before key ids may be of any key.
    if (!kid) return verifyWith([...this.#keys.all.values()], token, header.alg);
    const known = this.#keys.all.get(kid);
    if (known) return verifyWith([known], token, header.alg);
    return this.#fetch().then(
      () => {
        const found = this.#keys.all.get(kid);
        verifyWith(found ? [found] : [], token, header.alg);
      },
      error => {
        throw new CredentialError(`no key ${quote(kid)}: ${messageOf(error)}`);
      },
    );
  }

  #arm(afterMs: number): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.after(Math.min(afterMs, longestTimerMs), () => {
      this.#fetch().then(
        () => this.#arm(this.#keys.refreshSeconds * 1000),
        error => {
          if (!this.#stopped) this.#options.log.warn('fetching the keys of tokens failed', { error: messageOf(error) });
          this.#arm(retryMs);
        },
      );
    });
  }

  /** One call at a time, whoever wants the keys. */
  #fetch(): Promise<void> {
    this.#fetching ??= this.#load().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #load(): Promise<void> {
    const answer = await this.#call('FetchKeys', nothing, keysResponse, {});
    const keys = keySetOf(answer);
    const { metrics, clock } = this.#options;
    const prefix = 'apiserver_externaljwt_fetch_keys';
    metrics
      ?.gauge(`${prefix}_success_timestamp`, 'Unix Timestamp in seconds of the last successful FetchKeys request')
      .set({}, Math.floor(clock.now() / 1000));
    metrics
      ?.gauge(
        `${prefix}_data_timestamp`,
        'Unix Timestamp in seconds of the last successful FetchKeys data_timestamp value returned by the external signer',
      )
      .set({}, answer.dataTimestamp!.seconds);
    if (keys.text !== this.#keys.text) this.revision++;
    this.#keys = keys;
  }

  async #call<I extends Fields, O extends Fields>(
    method: 'Sign' | 'FetchKeys' | 'Metadata',
    request: Message<I>,
    response: Message<O>,
    input: Input<I>,
  ): Promise<Decoded<O>> {
    const { clock } = this.#options;
    const startMs = clock.monotonic();
    try {
      const answer = await this.#socket.call(`/v1.ExternalJWTSigner/${method}`, request, response, input);
      this.#count(method, 'OK', startMs);
      return answer;
    } catch (error) {
      this.#count(method, error instanceof GrpcError ? error.code : 'UNKNOWN', startMs);
      throw error;
    }
  }

  #count(method: string, status: string, startMs: number): void {
    const { metrics, clock } = this.#options;
    const prefix = 'apiserver_externaljwt';
    const code = codeNames[status] ?? status;
    const counted = { Sign: 'sign', FetchKeys: 'fetch_keys' }[method];
    if (counted)
      metrics
        ?.counter(
          `${prefix}_${counted}_request_total`,
          `Total attempts at the ${method} request of an external signer`,
          ['code'],
        )
        .inc({ code });
    metrics
      ?.histogram(
        `${prefix}_request_duration_seconds`,
        'Request duration and time for calls to external-jwt-signer',
        ['method', 'code'],
        defaultBuckets,
      )
      .observe({ method, code }, (clock.monotonic() - startMs) / 1000);
  }
}

// As Go's gRPC names them.
const codeNames: Readonly<Record<string, string>> = {
  CANCELLED: 'Canceled',
  UNKNOWN: 'Unknown',
  INVALID_ARGUMENT: 'InvalidArgument',
  DEADLINE_EXCEEDED: 'DeadlineExceeded',
  NOT_FOUND: 'NotFound',
  PERMISSION_DENIED: 'PermissionDenied',
  RESOURCE_EXHAUSTED: 'ResourceExhausted',
  FAILED_PRECONDITION: 'FailedPrecondition',
  UNIMPLEMENTED: 'Unimplemented',
  INTERNAL: 'Internal',
  UNAVAILABLE: 'Unavailable',
  UNAUTHENTICATED: 'Unauthenticated',
};

/** Throws unless it holds what the contract names, and nothing else. */
function checkHeader(text: string): void {
  const refuse = (why: string) => new Error(`external signer: header of the token: ${why}`);
  let header: unknown;
  try {
    header = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    throw refuse('no JSON in URL-safe base64');
  }
  if (!isPlain(header)) throw refuse('no object');
  const { alg, kid, typ, ...more } = header;
  const [unknown] = Object.keys(more);
  if (unknown !== undefined) throw refuse(`unknown field ${quote(unknown)}`);
  if (typ !== 'JWT') throw refuse('typ must be JWT');
  if (typeof kid !== 'string' || !kid) throw refuse('kid must not be empty');
  if (kid.length > longestKeyId) throw refuse(`kid is longer than ${longestKeyId} characters`);
  if (!algorithms.includes(String(alg))) throw refuse(`unsupported alg ${quote(String(alg))}`);
}

/** Throws for keys that cannot be used, and leaves what there was. */
function keySetOf({ keys, dataTimestamp, refreshHintSeconds }: Decoded<KeysFields>): KeySet {
  const refuse = (why: string) => new Error(`external signer: keys: ${why}`);
  if (!keys.length) throw refuse('there are none');
  if (!dataTimestamp) throw refuse('no data timestamp');
  if (refreshHintSeconds <= 0) throw refuse(`refresh hint must be above 0, got ${refreshHintSeconds}`);
  const all = new Map<string, TokenKey>();
  const published: TokenKey[] = [];
  for (const { keyId, key: der, excluded } of keys) {
    if (!keyId) throw refuse('a key without an id');
    if (keyId.length > longestKeyId) throw refuse(`an id is longer than ${longestKeyId} characters`);
    if (all.has(keyId)) throw refuse(`two keys with the id ${quote(keyId)}`);
    const made = tokenKey(createPublicKey({ key: der, format: 'der', type: 'spki' }), keyId);
    all.set(keyId, made);
    if (!excluded) published.push(made);
  }
  const text = JSON.stringify(keys.map(k => [k.keyId, k.key.toString('base64'), k.excluded]));
  return { all, published, refreshSeconds: refreshHintSeconds, text };
}

type KeysFields = typeof keysResponse extends Message<infer F> ? F : never;
