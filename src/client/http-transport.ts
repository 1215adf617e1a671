// The connection to the API server: HTTP/2 where it is offered, else HTTP/1.1.
import http from 'node:http';
import https from 'node:https';
import type net from 'node:net';
import tls from 'node:tls';
import type { Clock } from '../base/clock.ts';
import { connectOver, type Dial, DialingTlsAgent } from '../base/http/dial.ts';
import { checkServerIdentity } from '../base/http/server-identity.ts';
import { Http2Session } from './http2-session.ts';
import type { TlsMaterial } from './tls-files.ts';
import { NotSentError, type ResponseHandler, type TransportCall, type TransportRequest } from './transport.ts';

export interface TransportOptions {
  server: string;
  ca?: string;
  cert?: string;
  key?: string;
  tls?: () => TlsMaterial;
  insecureSkipTlsVerify?: boolean;
  /** Name to verify and to ask for, when it is not the server's host. */
  serverName?: string;
  /** Who makes the connections; default: this machine. */
  dial?: Dial;
  clock: Clock;
}

const connectTimeoutMs = 30_000;
// For one request; more than a thousand watches may begin at once.
const maxConnects = 20;

export class HttpTransport {
  readonly #options: TransportOptions;
  readonly #url: URL;
  readonly #base: string;
  /** One, and more only where watches would leave no room for requests. */
  #sessions: Http2Session[] = [];
  /** Made with certificates of before: they end with the requests they have. */
  #retired: Http2Session[] = [];
  #material: TlsMaterial;
  #connecting: Promise<void> | undefined;
  /** Set when the server speaks HTTP/1.1 only. */
  #agent: http.Agent | https.Agent | undefined;
  #closed = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#material = options.tls?.() ?? options;
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
    let rounds = 0;
    const begin = () => {
      if (cancelled) return;
      this.#renew();
      const session = this.#pick(request);
      if (this.#closed) guarded.onError(new Error('client is closed'));
      else if (session) inner = session.send(this.#base, request, guarded);
      else if (this.#agent) inner = this.#send1(request, guarded);
      else if (++rounds > maxConnects)
        guarded.onError(new NotSentError('connections are closed as soon as they are made'));
      // Picks again then: others may have filled the new connection.
      else this.#connect().then(begin, e => guarded.onError(e as Error));
    };
    if (this.#closed) queueMicrotask(begin);
    else begin();
    return {
      cancel() {
        cancelled = true;
        inner?.cancel();
      },
    };
  }

  close(): void {
    this.#closed = true;
    for (const session of [...this.#sessions, ...this.#retired]) session.close();
    this.#agent?.destroy();
  }

  /** Ends what is under way: whoever is at the other end, if anybody, is asked anew over connections to come. */
  reconnect(): void {
    for (const session of this.#sessions) session.close();
    this.#sessions = [];
    if (!this.#agent) return;
    for (const socket of [this.#agent.sockets, this.#agent.freeSockets].flatMap(Object.values).flat())
      (socket as net.Socket).destroy();
  }

  #connect(): Promise<void> {
    this.#connecting ??= this.#dial()
      .then(socket => this.#adopt(socket))
      .finally(() => {
        this.#connecting = undefined;
      });
    return this.#connecting;
  }

  #tlsOptions(): tls.ConnectionOptions {
    const { insecureSkipTlsVerify, serverName } = this.#options;
    const { ca, cert, key } = this.#material;
    const host = serverName ?? this.#url.hostname.replace(/^\[|\]$/g, '');
    return {
      // As Go: what is trusted need not have signed itself.
      ...(ca ? { ca, allowPartialTrustChain: true } : {}),
      ...(cert ? { cert } : {}),
      ...(key ? { key } : {}),
      rejectUnauthorized: !insecureSkipTlsVerify,
      ...(isIp(host) ? {} : { servername: host }),
      ...(serverName
        ? { checkServerIdentity: (_: string, c: tls.PeerCertificate) => checkServerIdentity(host, c) }
        : { checkServerIdentity }),
    };
  }

  async #dial(): Promise<tls.TLSSocket> {
    const host = this.#url.hostname.replace(/^\[|\]$/g, '');
    const port = Number(this.#url.port || 443);
    const under = await this.#options.dial?.(host, port);
    return new Promise((resolve, reject) => {
      const options = { ...this.#tlsOptions(), host, port, ALPNProtocols: ['h2', 'http/1.1'] };
      const socket = under ? connectOver(under, options) : tls.connect(options);
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

  async #adopt(socket: tls.TLSSocket): Promise<void> {
    if (this.#closed) {
      socket.destroy();
      throw new Error('client is closed');
    }
    if (socket.alpnProtocol !== 'h2') {
      socket.destroy();
      this.#agent = new DialingTlsAgent({
        ...this.#tlsOptions(),
        dial: this.#options.dial,
        keepAlive: true,
        ALPNProtocols: ['http/1.1'],
      } as https.AgentOptions);
      return;
    }
    this.#sessions.push(await Http2Session.open(this.#url.origin, socket, this.#options.clock));
  }

  /** Certificates that have changed are for new connections, and every request goes to one of these. */
  #renew(): void {
    const { ca, cert, key } = this.#material;
    const now = this.#options.tls?.();
    if (!now || (now.ca === ca && now.cert === cert && now.key === key)) return;
    this.#material = now;
    this.#retired = [...this.#retired.filter(s => !s.ended), ...this.#sessions];
    for (const session of this.#sessions) session.retire();
    this.#sessions = [];
    if (this.#url.protocol !== 'https:' || !this.#agent) return;
    this.#agent.maxFreeSockets = 0;
    for (const socket of Object.values(this.#agent.freeSockets).flat()) socket?.destroy();
    this.#agent = undefined;
  }

  /** The first connection; for a watch, the first with room. */
  #pick(request: TransportRequest): Http2Session | undefined {
    if (this.#sessions.some(s => !s.usable)) this.#sessions = this.#sessions.filter(s => s.usable);
    return request.longLived ? this.#sessions.find(s => s.takesLongLived) : this.#sessions[0];
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
    // A server that closes an idle connection may not have seen it; or have done it, which for a POST would count twice.
    const again = () => call.reusedSocket && !head && request.method !== 'POST';
    call.on('error', error => finish(again() ? new NotSentError(error.message) : error));
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
