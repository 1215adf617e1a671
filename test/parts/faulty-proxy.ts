// Between a component and its API server: TLS with the cluster's own certificates, HTTP/2 and HTTP/1.1, and every fault a
// network or a server may have, chosen request by request.
import { once } from 'node:events';
import http2, { type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { systemClock } from '../../src/base/clock.ts';
import { BrokenWatch, type WatchFault } from './broken-watch.ts';

export interface Asked {
  readonly user: string;
  readonly agent: string;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly watch: boolean;
  readonly write: boolean;
  /** How many came before it. */
  readonly number: number;
}

export type Fault =
  | { readonly delayMs: number }
  | { readonly code: number; readonly reason: string; readonly retryAfter?: number }
  /** The answer stops in its middle. */
  | { readonly cut: true }
  /** It is done, and nobody is told. */
  | { readonly loseAnswer: true }
  /** Neither answered nor ended. */
  | { readonly hang: true }
  | { readonly watch: WatchFault };

export interface ProxyOptions {
  readonly server: string;
  readonly serving: { readonly cert: string; readonly key: string };
  readonly ca: string;
  /** Speaks for those whose certificates end here. */
  readonly frontProxy: { readonly cert: string; readonly key: string };
}

type Request = Http2ServerRequest;
type Response = Http2ServerResponse;

/** Starts without faults; `fault` and `dark` may be set at any time. */
export class FaultyProxy {
  fault: (asked: Asked) => Fault | undefined = () => undefined;
  readonly #target: string;
  readonly asked: Asked[] = [];
  readonly #server: http2.Http2SecureServer;
  readonly #sockets = new Set<Socket>();
  readonly #speaking: https.Agent;
  readonly #plain: https.Agent;
  readonly #seen = new Map<string, string[]>();
  #dark = false;

  constructor(options: ProxyOptions) {
    this.#target = options.server;
    const { ca, frontProxy, serving } = options;
    this.#speaking = new https.Agent({ keepAlive: true, ca, ...frontProxy });
    this.#plain = new https.Agent({ keepAlive: true, ca });
    const tls = { ...serving, ca, requestCert: true, rejectUnauthorized: false };
    const handle = (request: Request, response: Response) => void this.#handle(request, response);
    this.#server = http2.createSecureServer(
      { ...tls, allowHTTP1: true, settings: { maxConcurrentStreams: 250 } },
      handle,
    );
    this.#server.on('connection', (socket: Socket) => {
      if (this.#dark) return void socket.destroy();
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {});
    });
    this.#server.on('sessionError', () => {});
    this.#server.on('tlsClientError', () => {});
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Cuts all connections and takes no others until it is said to be over. */
  set dark(dark: boolean) {
    this.#dark = dark;
    if (dark) this.cutAll();
  }

  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.cutAll();
    this.#speaking.destroy();
    this.#plain.destroy();
  }

  async #handle(request: Request, response: Response): Promise<void> {
    const asked = this.#describe(request);
    this.asked.push(asked);
    const body: Buffer[] = [];
    try {
      for await (const chunk of request) body.push(chunk as Buffer);
    } catch {
      return;
    }
    const fault = this.fault(asked);
    if (fault && 'hang' in fault) return;
    if (fault && 'delayMs' in fault) await systemClock.sleep(fault.delayMs);
    if (fault && 'code' in fault) return this.#refuse(response, fault);
    if (fault && 'watch' in fault && fault.watch === 'gone')
      return this.#refuse(response, { code: 410, reason: 'Expired' });
    this.#forward(asked, request, Buffer.concat(body), response, fault);
  }

  #describe(request: Request): Asked {
    const [path = '/', query = ''] = request.url.split('?', 2);
    const search = new URLSearchParams(query);
    const { CN = '' } = this.#certificate(request)?.subject ?? {};
    return {
      user: String(CN),
      agent: String(request.headers['user-agent'] ?? ''),
      method: request.method,
      path,
      query: search,
      watch: search.get('watch') === 'true',
      write: request.method !== 'GET' && request.method !== 'HEAD',
      number: this.asked.length,
    };
  }

  #certificate(request: Request) {
    const socket = (request.stream?.session?.socket ?? request.socket) as TLSSocket;
    const certificate = socket.getPeerCertificate?.();
    return certificate?.subject ? certificate : undefined;
  }

  #refuse(
    response: Response,
    { code, reason, retryAfter }: { code: number; reason: string; retryAfter?: number },
  ): void {
    const status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: `made up: ${reason}`,
      reason,
      code,
    };
    const head = { 'content-type': 'application/json', ...(retryAfter ? { 'retry-after': String(retryAfter) } : {}) };
    response.writeHead(code, head);
    response.end(JSON.stringify(status));
  }

  #forward(asked: Asked, request: Request, body: Buffer, response: Response, fault: Fault | undefined): void {
    const headers: Record<string, string | string[]> = {};
    for (const [name, value] of Object.entries(request.headers))
      if (!name.startsWith(':') && name !== 'host' && name !== 'connection' && value !== undefined)
        headers[name] = value;
    const subject = this.#certificate(request)?.subject as { CN?: string; O?: string | string[] } | undefined;
    const speaks = subject && !headers.authorization;
    if (speaks) {
      headers['x-remote-user'] = subject.CN ?? '';
      headers['x-remote-group'] = [subject.O ?? []].flat();
    }
    const agent = speaks ? this.#speaking : this.#plain;
    const break_ = () => {
      const { stream } = response as { stream?: http2.ServerHttp2Stream };
      // As often the connection as the stream.
      if (stream && asked.number % 2) stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
      else if (stream) stream.session?.destroy();
      else (response as unknown as { socket: Socket }).socket?.destroy();
    };
    const far = https.request(`${this.#target}${request.url}`, { agent, method: asked.method, headers }, answer => {
      if (fault && 'loseAnswer' in fault) {
        answer.resume();
        answer.on('end', break_);
        return;
      }
      const { connection: _c, 'keep-alive': _k, 'transfer-encoding': _t, ...head } = answer.headers;
      if (fault && 'cut' in fault) {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => {
          const all = Buffer.concat(chunks);
          response.writeHead(answer.statusCode ?? 500, head);
          response.write(all.subarray(0, all.length >> 1), () => setImmediate(break_));
        });
        return;
      }
      response.writeHead(answer.statusCode ?? 500, head);
      if (!asked.watch || answer.statusCode !== 200) return void answer.pipe(response as never);
      const key = `${asked.user} ${asked.agent} ${asked.path}`;
      const seen = this.#seen.getOrInsertComputed(key, () => []);
      const watch = new BrokenWatch(fault && 'watch' in fault ? fault.watch : undefined, seen, asked.query, {
        write: text => void response.write(text),
        end: () => response.end(),
        break: break_,
      });
      answer.on('data', (chunk: Buffer) => watch.push(chunk));
      answer.on('end', () => response.end());
      answer.on('error', () => break_());
      (response as unknown as { flushHeaders?(): void }).flushHeaders?.();
    });
    far.on('error', () => break_());
    response.on('close', () => far.destroy());
    far.end(body);
  }
}
