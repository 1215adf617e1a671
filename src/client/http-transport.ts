// One connection to the API server: HTTP/2 where it is offered, else HTTP/1.1.
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import tls from 'node:tls';
import type { Clock, Timer } from '../base/clock.ts';

export interface TransportOptions {
  server: string;
  ca?: string;
  cert?: string;
  key?: string;
  insecureSkipTlsVerify?: boolean;
  /** Name to verify and to ask for, when it is not the server's host. */
  serverName?: string;
  clock: Clock;
}

export interface TransportRequest {
  method: string;
  /** Path and query below the server's own path. */
  path: string;
  headers: Record<string, string | string[]>;
  body?: string | Uint8Array;
}

/** Called in order: head, data…, then end or error, once. Nothing after `cancel`. */
export interface ResponseHandler {
  onHead(status: number, headers: http.IncomingHttpHeaders): void;
  onData(chunk: Buffer): void;
  onEnd(): void;
  onError(error: Error): void;
}

export interface TransportCall {
  cancel(): void;
}

/** The connection broke before the request can have been acted upon: safe to send again. */
export class NotSentError extends Error {
  override name = 'NotSentError';
}

const connectTimeoutMs = 30_000;
const pingEveryMs = 30_000;
const pingTimeoutMs = 15_000;
const sessionWindowBytes = 64 << 20;
const streamWindowBytes = 8 << 20;

export class HttpTransport {
  readonly #options: TransportOptions;
  readonly #url: URL;
  readonly #base: string;
  #session: http2.ClientHttp2Session | undefined;
  #connecting: Promise<http2.ClientHttp2Session | undefined> | undefined;
  /** Set when the server speaks HTTP/1.1 only. */
  #agent: http.Agent | https.Agent | undefined;
  #closed = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#url = new URL(options.server);
    this.#base = this.#url.pathname.replace(/\/$/, '');
    if (this.#url.protocol === 'http:') this.#agent = new http.Agent({ keepAlive: true });
    else if (this.#url.protocol !== 'https:') throw new TypeError(`unsupported server URL "${options.server}"`);
  }

  send(request: TransportRequest, handler: ResponseHandler): TransportCall {
    let cancelled = false;
    let inner: TransportCall | undefined;
    const guarded: ResponseHandler = {
      onHead: (s, h) => !cancelled && handler.onHead(s, h),
      onData: c => !cancelled && handler.onData(c),
      onEnd: () => !cancelled && handler.onEnd(),
      onError: e => !cancelled && handler.onError(e),
    };
    const start = (session: http2.ClientHttp2Session | undefined) => {
      if (cancelled) return;
      inner = session ? this.#send2(session, request, guarded) : this.#send1(request, guarded);
    };
    if (this.#closed) queueMicrotask(() => guarded.onError(new Error('client is closed')));
    else if (this.#session) start(this.#session);
    else if (this.#agent) start(undefined);
    else this.#connect().then(start, e => guarded.onError(e as Error));
    return {
      cancel() {
        cancelled = true;
        inner?.cancel();
      },
    };
  }

  close(): void {
    this.#closed = true;
    this.#session?.destroy();
    this.#session = undefined;
    this.#agent?.destroy();
  }

  #connect(): Promise<http2.ClientHttp2Session | undefined> {
    this.#connecting ??= this.#dial()
      .then(socket => this.#adopt(socket))
      .finally(() => {
        this.#connecting = undefined;
      });
    return this.#connecting;
  }

  #tlsOptions(): tls.ConnectionOptions {
    const { ca, cert, key, insecureSkipTlsVerify, serverName } = this.#options;
    const host = serverName ?? this.#url.hostname.replace(/^\[|\]$/g, '');
    return {
      ...(ca ? { ca } : {}),
      ...(cert ? { cert } : {}),
      ...(key ? { key } : {}),
      rejectUnauthorized: !insecureSkipTlsVerify,
      ...(isIp(host) ? {} : { servername: host }),
      ...(serverName
        ? { checkServerIdentity: (_: string, c: tls.PeerCertificate) => tls.checkServerIdentity(host, c) }
        : {}),
    };
  }

  #dial(): Promise<tls.TLSSocket> {
    return new Promise((resolve, reject) => {
      const host = this.#url.hostname.replace(/^\[|\]$/g, '');
      const port = Number(this.#url.port || 443);
      const socket = tls.connect({ ...this.#tlsOptions(), host, port, ALPNProtocols: ['h2', 'http/1.1'] });
      const fail = (error: Error) => {
        timer.cancel();
        socket.destroy();
        reject(error);
      };
      const timer = this.#options.clock.after(connectTimeoutMs, () =>
        fail(new Error(`connect to ${this.#url.host} timed out after ${connectTimeoutMs} ms`)),
      );
      socket.once('error', fail);
      socket.once('secureConnect', () => {
        timer.cancel();
        socket.off('error', fail);
        socket.setNoDelay(true);
        resolve(socket);
      });
    });
  }

  #adopt(socket: tls.TLSSocket): Promise<http2.ClientHttp2Session | undefined> | undefined {
    if (this.#closed) {
      socket.destroy();
      throw new Error('client is closed');
    }
    if (socket.alpnProtocol !== 'h2') {
      socket.destroy();
      this.#agent = new https.Agent({
        ...this.#tlsOptions(),
        keepAlive: true,
        ALPNProtocols: ['http/1.1'],
      } as https.AgentOptions);
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const session = http2.connect(this.#url.origin, {
        createConnection: () => socket,
        maxSessionMemory: 1000,
        settings: { enablePush: false, initialWindowSize: streamWindowBytes },
      });
      session.once('connect', () => {
        session.setLocalWindowSize(sessionWindowBytes);
        this.#session = session;
        this.#keepAlive(session);
        resolve(session);
      });
      const drop = () => {
        if (this.#session === session) this.#session = undefined;
      };
      session.on('goaway', drop);
      session.on('close', () => {
        drop();
        reject(new NotSentError(`connection to ${this.#url.host} closed`));
      });
      session.on('error', error => {
        drop();
        reject(error);
      });
    });
  }

  /** A peer that vanished without a word would leave watches hanging for ever. */
  #keepAlive(session: http2.ClientHttp2Session): void {
    const { clock } = this.#options;
    let timer: Timer;
    const next = () => {
      timer = clock.after(pingEveryMs, () => {
        if (session.destroyed) return;
        timer = clock.after(pingTimeoutMs, () => session.destroy(new Error('http2: client connection lost')));
        try {
          session.ping(error => {
            timer.cancel();
            if (!error && !session.destroyed) next();
          });
        } catch {
          timer.cancel();
        }
      });
    };
    next();
    session.once('close', () => timer.cancel());
  }

  #send2(session: http2.ClientHttp2Session, request: TransportRequest, handler: ResponseHandler): TransportCall {
    let stream: http2.ClientHttp2Stream;
    try {
      stream = session.request(
        {
          ':method': request.method,
          ':path': this.#base + request.path,
          ...request.headers,
          ...(request.body !== undefined ? { 'content-length': Buffer.byteLength(request.body) } : {}),
        },
        { endStream: request.body === undefined },
      );
    } catch (error) {
      // The session ended in this very moment.
      if (this.#session === session) this.#session = undefined;
      queueMicrotask(() => handler.onError(new NotSentError((error as Error).message)));
      return { cancel() {} };
    }
    let head = false;
    let over = false;
    const finish = (error?: Error) => {
      if (over) return;
      over = true;
      if (error) handler.onError(error);
      else handler.onEnd();
    };
    stream.on('response', headers => {
      head = true;
      handler.onHead(Number(headers[':status']), headers as http.IncomingHttpHeaders);
    });
    stream.on('data', (chunk: Buffer) => over || handler.onData(chunk));
    // A reset stream ends as well.
    stream.on('end', () => {
      if (stream.rstCode) finish(new Error(`http2: stream reset by the server (code ${stream.rstCode})`));
      else if (head) finish();
    });
    stream.on('error', error => {
      const refused = stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM;
      finish(refused ? new NotSentError(error.message) : error);
    });
    stream.on('close', () => {
      const refused = stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM || stream.id === undefined;
      finish(
        refused ? new NotSentError('http2: request not accepted') : new Error('http2: stream closed unexpectedly'),
      );
    });
    if (request.body !== undefined) stream.end(request.body);
    return {
      cancel() {
        over = true;
        stream.close(http2.constants.NGHTTP2_CANCEL);
      },
    };
  }

  #send1(request: TransportRequest, handler: ResponseHandler): TransportCall {
    const secure = this.#url.protocol === 'https:';
    const call = (secure ? https : http).request({
      agent: this.#agent,
      host: this.#url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(this.#url.port || (secure ? 443 : 80)),
      method: request.method,
      path: this.#base + request.path,
      headers: {
        host: this.#url.host,
        ...request.headers,
        ...(request.body !== undefined ? { 'content-length': Buffer.byteLength(request.body) } : {}),
      },
    });
    let head = false;
    let over = false;
    const finish = (error?: Error) => {
      if (over) return;
      over = true;
      if (error) handler.onError(error);
      else handler.onEnd();
    };
    call.on('response', response => {
      head = true;
      handler.onHead(response.statusCode ?? 0, response.headers);
      response.on('data', (chunk: Buffer) => over || handler.onData(chunk));
      response.on('end', () => finish());
      response.on('error', finish);
      response.on('close', () => finish(new Error('connection closed before the response was complete')));
    });
    call.on('error', error => finish(call.reusedSocket && !head ? new NotSentError(error.message) : error));
    call.end(request.body);
    return {
      cancel() {
        over = true;
        call.destroy();
      },
    };
  }
}

function isIp(host: string): boolean {
  return host.includes(':') || /^[\d.]+$/.test(host);
}
