// An exchange that notes what passes through it: the code of the answer, and the bodies where they are wanted.
import type { Writable } from 'node:stream';
import type { Exchange } from '../http/exchange.ts';
import { currentTrace } from '../observe/trace.ts';

export interface Watcher {
  readonly recordsResponse: (code: number, atOnce: boolean) => boolean;
  /** The head of a streamed answer is out. */
  onStart(code: number): void;
  /**
   * Once: the answer is complete or the client gone. What is sent `atOnce` has not begun before, and waits for a promise.
   */
  onEnd(code: number, atOnce: boolean): unknown;
}

type Headers = Record<string, string | readonly string[]>;

export class AuditedExchange implements Exchange {
  readonly #inner: Exchange;
  readonly #watcher: Watcher;
  readonly auditId: string;
  #ended = false;
  #code = 0;
  responseBody: Buffer | undefined;
  responseType = '';
  responseEncoding = '';

  constructor(inner: Exchange, auditId: string, watcher: Watcher) {
    this.#inner = inner;
    this.#watcher = watcher;
    this.auditId = auditId;
  }

  get method() {
    return this.#inner.method;
  }
  get path() {
    return this.#inner.path;
  }
  get query() {
    return this.#inner.query;
  }
  get rawQuery() {
    return this.#inner.rawQuery;
  }
  get uri() {
    return this.#inner.uri;
  }
  get headers() {
    return this.#inner.headers;
  }
  get rawHeaders() {
    return this.#inner.rawHeaders;
  }
  get peer() {
    return this.#inner.peer;
  }
  get protocol() {
    return this.#inner.protocol;
  }
  get input() {
    return this.#inner.input;
  }
  get closed() {
    return this.#inner.closed;
  }
  get extraHeaders() {
    return this.#inner.extraHeaders;
  }
  set extraHeaders(headers) {
    this.#inner.extraHeaders = headers;
  }
  get sentBytes() {
    return this.#inner.sentBytes;
  }
  set sentBytes(bytes) {
    this.#inner.sentBytes = bytes;
  }
  get sentCode() {
    return this.#code || this.#inner.sentCode;
  }
  get upgrade(): NonNullable<Exchange['upgrade']> {
    return this.#inner.upgrade!;
  }

  readBody(maxBytes: number): Promise<Buffer> {
    return this.#inner.readBody(maxBytes);
  }

  respond(code: number, headers: Headers, body?: Uint8Array | string): void {
    if (this.#ended) return;
    if (body !== undefined && this.#watcher.recordsResponse(code, true)) this.#note(headers, [Buffer.from(body)]);
    // Nobody is told anything any more where the client is gone.
    if (!this.#inner.closed) this.#code = code;
    const noted = this.#end(code, true);
    const send = () => this.#inner.respond(code, this.#marked(headers), body);
    if (noted instanceof Promise) {
      // Who counts what is sent does so now.
      this.#inner.sentBytes = body === undefined ? 0 : Buffer.byteLength(body);
      void noted.then(send);
    } else send();
  }

  open(code: number, headers: Headers): Writable {
    const out = this.#inner.open(code, this.#marked(headers));
    if (this.#ended) return out;
    this.#watcher.onStart(code);
    currentTrace()?.begin('WriteResponse');
    if (this.#watcher.recordsResponse(code, false)) this.#tee(out, headers);
    const end = () => this.#end(code);
    out.once('finish', end);
    out.once('close', end);
    return out;
  }

  onClose(fn: () => void): void {
    this.#inner.onClose(fn);
  }

  /** The connection has become something else, or its client is gone before an answer. */
  abandon(code: number): void {
    this.#end(code);
  }

  #marked(headers: Headers): Headers {
    return { ...headers, 'audit-id': this.auditId };
  }

  #tee(out: Writable, headers: Headers): void {
    const chunks: Buffer[] = [];
    const keep = (chunk: unknown) => {
      if (typeof chunk === 'string' || chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
    };
    const write = out.write.bind(out) as (...args: unknown[]) => boolean;
    out.write = ((chunk: unknown, ...rest: unknown[]) => {
      keep(chunk);
      return write(chunk, ...rest);
    }) as typeof out.write;
    out.once('finish', () => this.#note(headers, chunks));
  }

  #note(headers: Headers, chunks: readonly Buffer[]): void {
    this.responseType = String(headers['content-type'] ?? '');
    this.responseEncoding = String(headers['content-encoding'] ?? '');
    this.responseBody = Buffer.concat(chunks);
  }

  #end(code: number, atOnce = false): unknown {
    if (this.#ended) return undefined;
    this.#ended = true;
    return this.#watcher.onEnd(code, atOnce);
  }
}
