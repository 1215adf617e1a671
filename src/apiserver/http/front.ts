// One TLS port that speaks HTTP/2 and HTTP/1.1.
import {
  createServer as createHttp1Server,
  type Server as Http1Server,
  type IncomingMessage,
  ServerResponse,
} from 'node:http';
import {
  constants,
  createServer as createHttp2Server,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  createServer as createTlsServer,
  type SecureVersion,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import { type Exchange, Http1Exchange, Http2Exchange } from './exchange.ts';
import { PeerIdentity } from './peer.ts';
import { isReadableUri } from './request-uri.ts';

export interface FrontCredentials {
  readonly cert: string;
  readonly key: string;
  /** PEM of the authorities that clients are told are believed. */
  readonly ca: readonly string[];
}

/** How the port speaks with its clients; what is not given is as with kube-apiserver. */
export interface ServingSettings {
  /** Default: TLSv1.2. */
  readonly minVersion?: SecureVersion;
  /** As OpenSSL names them, in a list with colons. */
  readonly ciphers?: string;
  /** Default: true. */
  readonly http2?: boolean;
  /** Requests at once on one connection of HTTP/2. Default: 1000. */
  readonly maxStreams?: number;
}

export interface FrontOptions {
  readonly credentials: FrontCredentials;
  readonly serving?: ServingSettings;
  handle(exchange: Exchange): void;
  /** A connection did not get through TLS. */
  onHandshakeError?(): void;
  /** An HTTP/1.1 Upgrade: SPDY or WebSocket. The socket is the caller's from here on. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, peer: PeerIdentity): void;
}

export interface Front {
  /** Takes connections of one more listener. */
  accept(socket: Socket): void;
  /** Refuses new requests, lets running ones finish, cuts what is left after `graceMs`. */
  drain(): Promise<void>;
  /** For connections that come. Throws when they cannot be used. */
  replaceCredentials(credentials: FrontCredentials): void;
  /** Cuts every connection now. */
  destroy(): void;
  readonly tls: TlsServer;
  readonly connections: number;
}

const windowBytes = 64 << 20;
const streamsAtOnce = 1000;

// As Go's server: tokens and selectors may be long, and a user of a proxy in as many groups as fit.
const headerBytes = 1 << 20;
const mostHeaders = 10_000;
// As Go's server. Of a head in more than eight frames Node says the client floods it.
const frameBytes = 1 << 20;

const unsupportedEncoding = 'Unsupported transfer encoding';

// As Go's server words them.
type Refusal = readonly [status: string, text: string];

// By the code of Node's error.
const refusals: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', '431 Request Header Fields Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', '408 Request Timeout'],
  HPE_INVALID_TRANSFER_ENCODING: ['501 Not Implemented', unsupportedEncoding],
};
const badRequest: Refusal = ['400 Bad Request', '400 Bad Request'];
const because = (status: string, why: string): Refusal => [`${status}: ${why}`, `${status}: ${why}`];
const otherVersion = because('505 HTTP Version Not Supported', 'unsupported protocol version');

/** Of HTTP/1.1 there is one, and it is that of some machine. */
function wrongHost({ headers: { host }, rawHeaders, httpVersionMinor }: IncomingMessage): Refusal | undefined {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2)
    if (rawHeaders[i]!.length === 4 && rawHeaders[i]!.toLowerCase() === 'host') hosts++;
  if (hosts === 0) return httpVersionMinor === 0 ? undefined : because(badRequest[0], 'missing required Host header');
  if (hosts > 1) return badRequest;
  return /^[-A-Za-z0-9._~!$&'()*+,;=:%[\]@]*$/.test(host!)
    ? undefined
    : because(badRequest[0], 'malformed Host header');
}

function refuse(socket: Duplex, [status, text]: Refusal): void {
  const head = `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n`;
  if (socket.writable) socket.end(head + text);
  else socket.destroy();
}

// To plain HTTP, as Go's server words it.
const plainAnswer = 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n';

/** Others (h2c) are asked for by way of trial and get an ordinary answer; what is proxied decides for itself. */
function isStreamUpgrade(request: IncomingMessage): boolean {
  return /^(websocket|spdy\/3\.1)$/i.test(request.headers.upgrade ?? '') || /\/proxy([/?]|$)/.test(request.url ?? '');
}

const secureContext = ({ cert, key, ca }: FrontCredentials, { minVersion = 'TLSv1.2', ciphers }: ServingSettings) => ({
  cert,
  key,
  ca: [...ca],
  minVersion,
  ...(ciphers ? { ciphers } : {}),
});

export function createFront(options: FrontOptions): Front {
  const { serving = {} } = options;
  const sockets = new Set<TLSSocket>();
  const sessions = new Set<ServerHttp2Session>();
  const peers = new WeakMap<object, PeerIdentity>();
  // The last answer begun on each connection.
  const answering = new WeakMap<object, ServerResponse>();

  const http2: Http2Server = createHttp2Server({
    settings: {
      maxConcurrentStreams: serving.maxStreams ?? streamsAtOnce,
      initialWindowSize: 1 << 20,
      maxHeaderListSize: headerBytes,
      maxFrameSize: frameBytes,
    },
    // Node's 128 end the stream.
    maxHeaderListPairs: mostHeaders,
    // Watches keep thousands of streams open: the default of 10 MB resets them with ENHANCE_YOUR_CALM.
    maxSessionMemory: 1000,
  });
  let arriving: PeerIdentity | undefined;
  http2.on('session', session => {
    sessions.add(session);
    const peer = arriving ?? new PeerIdentity(undefined);
    // Node's default window makes p99 of concurrent writes 100 ms and more.
    session.setLocalWindowSize(windowBytes);
    session.on('stream', (stream, headers, _flags, rawHeaders) => serveStream(stream, headers, peer, rawHeaders));
    session.on('close', () => sessions.delete(session));
    session.on('error', () => session.destroy());
  });
  http2.on('sessionError', () => {});

  function serveStream(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    peer: PeerIdentity,
    rawHeaders: readonly string[],
  ): void {
    const { ':method': method, ':path': uri = '/' } = headers as Record<string, string>;
    const isReadable = isReadableUri(uri);
    const asksServer = method === 'OPTIONS' && uri === '*';
    if (isReadable && !asksServer) {
      options.handle(new Http2Exchange(stream, headers, peer, rawHeaders));
      return;
    }
    stream.on('error', () => {});
    if (asksServer) stream.respond({ ':status': 200 }, { endStream: true });
    else stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
  }

  const http1: Http1Server = createHttp1Server({
    keepAlive: true,
    requestTimeout: 0,
    headersTimeout: 30_000,
    maxHeaderSize: headerBytes,
    // Told below, as Go's server does.
    requireHostHeader: false,
    shouldUpgradeCallback: isStreamUpgrade,
  });
  http1.maxHeadersCount = mostHeaders;
  http1.keepAliveTimeout = 90_000;
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    const wrong = wrongHost(request) ?? (request.httpVersionMajor === 1 ? undefined : otherVersion);
    if (wrong) return refuseBehind(request.socket, wrong);
    const encoding = request.headers['transfer-encoding'];
    if (encoding !== undefined && encoding.toLowerCase() !== 'chunked')
      return refuse(request.socket, refusals.HPE_INVALID_TRANSFER_ENCODING!);
    if (!isReadableUri(request.url!)) return refuseBehind(request.socket, badRequest);
    if (request.method === 'OPTIONS' && request.url === '*') return void response.end();
    answering.set(request.socket, response);
    options.handle(new Http1Exchange(request, response, peerOf(request.socket)));
  };
  http1.on('request', serve);
  // Who waits to be told to send the body is told when somebody reads it.
  http1.on('checkContinue', serve);
  // A method like others to Go's server; Node hands the connection over.
  http1.on('connect', (request, socket) => {
    const response = new ServerResponse(request);
    response.assignSocket(socket as Socket);
    response.shouldKeepAlive = false;
    response.on('finish', () => socket.end());
    serve(request, response);
  });
  http1.on('upgrade', (request, socket, head) => {
    if (isReadableUri(request.url!)) options.upgrade(request, socket, head, peerOf(request.socket));
    else refuse(socket, badRequest);
  });
  http1.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // What comes behind the last request is nothing to us.
    if (error.code === 'HPE_CLOSED_CONNECTION') return;
    refuseBehind(socket, refusals[error.code ?? ''] ?? badRequest);
  });

  /** The answer to the request before comes first. */
  function refuseBehind(socket: Duplex, refusal: Refusal): void {
    const before = answering.get(socket);
    const answer = () => refuse(socket, refusal);
    if (before?.req.complete && !before.writableFinished && !before.destroyed) before.once('finish', answer);
    else answer();
  }
  const peerOf = (socket: object): PeerIdentity => peers.get(socket) ?? new PeerIdentity(undefined);

  const tls = createTlsServer({
    ...secureContext(options.credentials, serving),
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: serving.http2 === false ? ['http/1.1'] : ['h2', 'http/1.1'],
    handshakeTimeout: 10_000,
  });
  tls.on('secureConnection', socket => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const peer = new PeerIdentity(socket);
    if (socket.alpnProtocol === 'h2') {
      arriving = peer;
      http2.emit('connection', socket);
      arriving = undefined;
    } else {
      peers.set(socket, peer);
      http1.emit('connection', socket);
    }
  });
  tls.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    options.onHandshakeError?.();
    // Node keeps the socket below, which is sound.
    const below = (socket as unknown as { _parent?: Socket })._parent;
    if (error.code === 'ERR_SSL_HTTP_REQUEST') below?.end(plainAnswer);
    socket.destroy();
  });

  return {
    tls,
    get connections() {
      return sockets.size;
    },
    accept: socket => void tls.emit('connection', socket),
    async drain() {
      await Promise.all([...sessions].map(s => new Promise<void>(resolve => s.close(resolve))));
    },
    replaceCredentials: credentials => tls.setSecureContext(secureContext(credentials, serving)),
    destroy() {
      for (const s of sessions) s.destroy();
      for (const s of sockets) s.destroy();
    },
  };
}
