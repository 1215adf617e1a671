// A gRPC server on a Unix socket: what the kubelet serves to its plugins, and plugins of tests.
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { messageOf } from '../base/assert.ts';
import type { ServiceMethod } from './grpc-service.ts';
import { grpcCode, RuntimeError } from './runtime-error.ts';
import { socketPath } from './socket-path.ts';

/** Whoever calls goes away: the signal aborts. */
export interface ServerCall {
  readonly signal: AbortSignal;
}

/** By method name. A failure other than a RuntimeError is answered as Unknown. */
export type UnaryHandler = (request: any, call: ServerCall) => object | Promise<object>;
/** Sends messages until it is done; its promise ends the stream. */
export type StreamHandler = (request: any, send: (message: object) => void, call: ServerCall) => Promise<void>;

export interface GrpcServer {
  readonly socket: string;
  close(): Promise<void>;
}

const maxRequestBytes = 16 << 20;

/** Listens at once; methods without a handler are answered with Unimplemented. Rejects when the socket is taken. */
export async function serveGrpc(
  socket: string,
  methods: readonly ServiceMethod[],
  handlers: Readonly<Record<string, UnaryHandler | StreamHandler>>,
): Promise<GrpcServer> {
  const byPath = new Map(methods.map(m => [m.method.path, m]));
  const sessions = new Set<ServerHttp2Session>();
  const server: Http2Server = createServer();
  server.on('session', session => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => {});
  });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const path = String(headers[':path']);
    const known = byPath.get(path);
    void answer(stream, path, known, known && handlers[known.method.name]);
  });
  const short = socketPath(socket);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(short.path, resolve);
  }).catch(error => {
    short.release();
    throw error;
  });
  return {
    socket,
    close: () =>
      new Promise(resolve => {
        server.close(() => {
          short.release();
          resolve();
        });
        for (const session of sessions) session.destroy();
      }),
  };
}

async function answer(
  stream: ServerHttp2Stream,
  path: string,
  known: ServiceMethod | undefined,
  handler: UnaryHandler | StreamHandler | undefined,
): Promise<void> {
  const gone = new AbortController();
  stream.on('error', () => {});
  stream.on('close', () => gone.abort(new Error('the caller is gone')));
  let status: { code: number; details: string } = { code: grpcCode.OK, details: '' };
  // Before any status there are headers: clients take a status in the first headers for "no message".
  const open = () => {
    if (!stream.headersSent && !stream.destroyed)
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  };
  stream.on('wantTrailers', () =>
    stream.sendTrailers({
      'grpc-status': String(status.code),
      ...(status.details ? { 'grpc-message': percentEncode(status.details) } : {}),
    }),
  );
  try {
    const bytes = await read(stream);
    if (!known || !handler) throw new RuntimeError(path, 'Unimplemented', `unknown method ${path}`);
    const request = known.method.request.decode(bytes.subarray(5));
    const send = (message: object) => {
      open();
      if (!stream.destroyed) stream.write(frame(known.method.response.encode(message)));
    };
    const call = { signal: gone.signal };
    if (known.stream) {
      open();
      await (handler as StreamHandler)(request, send, call);
    } else send(await (handler as UnaryHandler)(request, call));
  } catch (error) {
    status =
      error instanceof RuntimeError
        ? { code: error.code, details: error.details }
        : { code: grpcCode.Unknown, details: messageOf(error) };
  }
  open();
  if (!stream.destroyed) stream.end();
}

function read(stream: ServerHttp2Stream): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    stream.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxRequestBytes) reject(new RuntimeError('', 'ResourceExhausted', 'the request is too large'));
      else chunks.push(chunk);
    });
    stream.on('end', () => resolve(Buffer.concat(chunks)));
    stream.on('close', () => reject(new RuntimeError('', 'Canceled', 'context canceled')));
  });
}

function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Status messages carry printable ASCII but for the percent sign; everything else is escaped. */
const percentEncode = (text: string) =>
  Array.from(Buffer.from(text), b =>
    b >= 0x20 && b <= 0x7e && b !== 0x25 ? String.fromCharCode(b) : `%${b.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('');
