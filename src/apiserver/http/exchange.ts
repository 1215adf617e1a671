// One HTTP request and its answer, the same for HTTP/2 and HTTP/1.1.
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { type Duplex, Writable } from 'node:stream';
import { badRequest, requestTooLarge, type StatusError, timeout } from '../../api/status.ts';
import { turnEnd } from '../../base/clock.ts';
import type { PendingUpgrade } from '../../base/http/upgrade-exchange.ts';
import type { PeerIdentity } from './peer.ts';
import { splitUri } from './request-uri.ts';

export interface Exchange {
  readonly method: string;
  /** Path without the query, its percent escapes read. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The query as it was sent, with its question mark; '' without one. */
  readonly rawQuery: string;
  /** What was asked for, as it was sent. */
  readonly uri: string;
  /** By lower-case name; a header given several times is joined by comma and space. */
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they were sent. */
  readonly rawHeaders: readonly string[];
  readonly peer: PeerIdentity;
  /** 'HTTP/2.0' or 'HTTP/1.1'. */
  readonly protocol: string;
  /** The body, once. Throws 413 beyond `maxBytes`; 400 when the client stops half-way, 504 when it says nothing more. */
  readBody(maxBytes: number): Promise<Buffer>;
  /** Sends everything at once. An answer that has begun already is cut off: it cannot be ended any more. */
  respond(code: number, headers: Record<string, string | readonly string[]>, body?: Uint8Array | string): void;
  /** Sends the head; the body follows on the returned stream. What follows an answer goes nowhere. */
  open(code: number, headers: Record<string, string | readonly string[]>): Writable;
  /** The request body as a stream, for what is passed on. */
  readonly input: Duplex | IncomingMessage;
  /** Of a connection that carries many requests at once: this one is its last; those under way are answered. */
  endConnection?(): void;
  /** Called when the client is gone or the answer complete. */
  onClose(fn: () => void): void;
  readonly closed: boolean;
  /** Sent with every answer. */
  extraHeaders?: Readonly<Record<string, string>> | undefined;
  /** Of the answer's body, as far as it was sent at once or in counted pieces. */
  sentBytes: number;
  /** Of the answer; 0 until it began. */
  readonly sentCode: number;
  /** Of a request to go on with another protocol: the way to do so. */
  readonly upgrade?: PendingUpgrade;
}

/** Takes what is written behind an answer that is complete. */
const nowhere = () => new Writable({ write: (_chunk, _encoding, done) => done() });

const isWaiting = ({ expect }: IncomingHttpHeaders): boolean => expect?.toLowerCase() === '100-continue';

/** How long a client may be silent in the middle of a body. */
const silentMs = 60_000;

/** Collects chunks up to a limit. */
function collect(
  source: ServerHttp2Stream | IncomingMessage,
  maxBytes: number,
  declared: string | undefined,
  stalledMs: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (declared && Number(declared) > maxBytes) {
      source.resume();
      return reject(requestTooLarge(`limit is ${maxBytes}`));
    }
    const chunks: Buffer[] = [];
    let size = 0;
    let settled = false;
    let watched = false;
    const settle = () => {
      settled = true;
      if (!watched) return;
      source.removeListener('timeout', give);
      source.setTimeout(0);
    };
    const fail = (why: () => StatusError) => {
      if (settled) return;
      settle();
      reject(why());
    };
    const give = () => fail(() => timeout('request did not complete within requested timeout'));
    source.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        chunks.length = 0;
        fail(() => requestTooLarge(`limit is ${maxBytes}`));
      } else chunks.push(chunk);
    });
    source.on('end', () => {
      if (settled) return;
      settle();
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
    });
    const early = () => fail(() => badRequest('the request body ended early'));
    source.on('error', early);
    source.on('close', early);
    // Most bodies are there within the turn: a timer of their own would cost more than reading them.
    turnEnd(() => {
      if (settled) return;
      watched = true;
      source.setTimeout(stalledMs, give);
    });
  });
}

export class Http2Exchange implements Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly rawQuery: string;
  readonly uri: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly peer: PeerIdentity;
  readonly protocol = 'HTTP/2.0';
  readonly input: ServerHttp2Stream;
  extraHeaders: Readonly<Record<string, string>> | undefined = undefined;
  sentBytes = 0;
  sentCode = 0;
  /** For tests. */
  stalledMs = silentMs;
  #isLast = false;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders & { ':method'?: string; ':path'?: string },
    peer: PeerIdentity,
    rawHeaders: readonly string[],
  ) {
    this.input = stream;
    this.headers = headers;
    this.rawHeaders = rawHeaders;
    this.peer = peer;
    this.method = headers[':method'] ?? 'GET';
    this.uri = headers[':path'] ?? '/';
    [this.path, this.query, this.rawQuery] = splitUri(this.uri);
    stream.on('error', () => {});
  }

  readBody(maxBytes: number): Promise<Buffer> {
    if (isWaiting(this.headers) && !this.input.headersSent) this.input.additionalHeaders({ ':status': 100 });
    return collect(this.input, maxBytes, this.headers['content-length'], this.stalledMs);
  }

  respond(code: number, headers: Record<string, string | readonly string[]>, body?: Uint8Array | string): void {
    const stream = this.input;
    if (stream.headersSent && !stream.writableEnded) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    if (stream.destroyed || stream.headersSent) return;
    this.sentCode = code;
    if (body === undefined || this.method === 'HEAD') {
      stream.respond({ ':status': code, ...headers, ...this.extraHeaders }, { endStream: true });
      this.#began();
      // Node lets a client that still sends go only after an answer with a body.
      stream.resume();
      return;
    }
    stream.respond({ ':status': code, ...headers, ...this.extraHeaders });
    this.sentBytes = body.length;
    stream.end(body);
    this.#began();
  }

  open(code: number, headers: Record<string, string | readonly string[]>): Writable {
    const stream = this.input;
    if (stream.headersSent && stream.writableEnded) return nowhere();
    this.sentCode = code;
    if (!stream.destroyed && !stream.headersSent) {
      stream.respond({ ':status': code, ...headers, ...this.extraHeaders });
      this.#began();
    }
    return stream;
  }

  endConnection(): void {
    this.#isLast = true;
  }

  /** With the answer's head; what came with this request is answered too. */
  #began(): void {
    if (!this.#isLast) return;
    const { session } = this.input;
    turnEnd(() => {
      if (session && !session.closed) session.close();
    });
  }

  onClose(fn: () => void): void {
    this.input.once('close', fn);
  }

  get closed(): boolean {
    return this.input.destroyed || this.input.closed;
  }
}

export class Http1Exchange implements Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly rawQuery: string;
  readonly uri: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly peer: PeerIdentity;
  readonly protocol = 'HTTP/1.1';
  readonly input: IncomingMessage;
  extraHeaders: Readonly<Record<string, string>> | undefined = undefined;
  sentBytes = 0;
  sentCode = 0;
  /** For tests. */
  stalledMs = silentMs;
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse, peer: PeerIdentity) {
    this.input = request;
    this.#response = response;
    this.headers = request.headers;
    this.rawHeaders = request.rawHeaders;
    this.peer = peer;
    this.method = request.method ?? 'GET';
    this.uri = request.url ?? '/';
    [this.path, this.query, this.rawQuery] = splitUri(this.uri);
    response.on('error', () => {});
  }

  readBody(maxBytes: number): Promise<Buffer> {
    // HTTP/1.0 knows no answer before the answer.
    if (isWaiting(this.headers) && this.input.httpVersionMinor > 0) this.#response.writeContinue();
    return collect(this.input, maxBytes, this.headers['content-length'], this.stalledMs);
  }

  respond(code: number, headers: Record<string, string | readonly string[]>, body?: Uint8Array | string): void {
    const response = this.#response;
    if (response.headersSent && !response.writableEnded) response.destroy();
    if (response.headersSent || response.destroyed) return;
    // What is left of a refused body must not be taken for the next request.
    if (!this.input.complete) response.shouldKeepAlive = false;
    const length = body === undefined ? 0 : Buffer.byteLength(body);
    this.sentCode = code;
    this.sentBytes = length;
    response.writeHead(code, {
      ...(headers as Record<string, string>),
      ...this.extraHeaders,
      'content-length': String(length),
    });
    response.end(this.method === 'HEAD' ? undefined : body);
  }

  open(code: number, headers: Record<string, string | readonly string[]>): Writable {
    if (this.#response.writableEnded) return nowhere();
    this.sentCode = code;
    if (!this.#response.headersSent) {
      this.#response.writeHead(code, { ...(headers as Record<string, string>), ...this.extraHeaders });
      this.#response.flushHeaders();
    }
    return this.#response;
  }

  onClose(fn: () => void): void {
    this.#response.once('close', fn);
  }

  get closed(): boolean {
    return this.#response.destroyed || this.#response.writableEnded;
  }
}
