// WebSocket as Kubernetes uses it: the handshake with its subprotocols, and messages of one direction.
import { Writable } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { badRequest } from '../../api/status.ts';
import type { Exchange } from '../http/exchange.ts';

// A terminal's message is small, a copied file's piece 32 KiB; nothing legitimate comes near.
const maxMessageBytes = 16 << 20;

const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: maxMessageBytes });
// Agreed on here and not by the library, which refuses names with a slash: `SPDY/3.1+portforward.k8s.io`.
const agreed = new WeakMap<object, string>();
server.on('headers', (headers, request) => {
  const protocol = agreed.get(request);
  if (protocol) headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
});

export interface AcceptedWebSocket {
  readonly websocket: WebSocket;
  /** Agreed on; '' for none. */
  readonly protocol: string;
}

export function isWebSocket(exchange: Pick<Exchange, 'upgrade' | 'headers'>): boolean {
  return exchange.upgrade !== undefined && exchange.headers.upgrade?.toLowerCase() === 'websocket';
}

/** Subprotocols the client offers, best first. */
export function offeredProtocols(exchange: Pick<Exchange, 'headers'>): string[] {
  return (exchange.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map(p => p.trim())
    .filter(Boolean);
}

/** The first offered one that is supported; '' where none is offered and that is supported. */
export function agreeProtocol(exchange: Pick<Exchange, 'headers'>, supported: readonly string[]): string | undefined {
  const offered = offeredProtocols(exchange);
  return (offered.length ? offered : ['']).find(p => supported.includes(p));
}

/** Shakes hands; throws 400 when no protocol fits. The connection is the caller's. */
export function acceptWebSocket(exchange: Exchange, supported: readonly string[]): AcceptedWebSocket {
  const protocol = agreeProtocol(exchange, supported);
  if (protocol === undefined)
    throw badRequest(
      `unable to upgrade websocket connection: websocket server finished before becoming ready: ` +
        `requested protocol(s) are not supported: [${offeredProtocols(exchange).join(' ')}]; supports [${supported.join(' ')}]`,
    );
  const request = exchange.input as Parameters<WebSocketServer['handleUpgrade']>[0];
  agreed.set(request, protocol);
  delete request.headers['sec-websocket-protocol'];
  const { socket, head } = exchange.upgrade!.take();
  let accepted: WebSocket | undefined;
  server.handleUpgrade(request, socket, head, made => {
    accepted = made;
  });
  // The library has answered a malformed handshake itself.
  if (!accepted) throw badRequest('unable to upgrade websocket connection: malformed handshake');
  accepted.on('error', () => {});
  return { websocket: accepted, protocol };
}

/** Sends what is written as messages, text unless the protocol says binary; `byLine`: one for each line. */
export function messageWriter(accepted: AcceptedWebSocket, { byLine }: { byLine: boolean }): Writable {
  const { websocket: socket, protocol } = accepted;
  const base64 = protocol === 'base64.binary.k8s.io';
  const binary = protocol === 'binary.k8s.io';
  const send = (piece: Buffer, done: (error?: Error | null) => void) =>
    socket.send(base64 ? piece.toString('base64') : piece, { binary }, done);
  const writable = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (!byLine) return send(chunk, done);
      for (let at = 0; at < chunk.length; ) {
        const end = chunk.indexOf(0x0a, at) + 1 || chunk.length;
        send(chunk.subarray(at, end), end === chunk.length ? done : ignore);
        at = end;
      }
    },
    final(done) {
      socket.close(1000);
      done();
    },
    destroy(error, done) {
      socket.terminate();
      done(error);
    },
  });
  writable.on('error', ignore);
  socket.on('close', () => writable.destroy());
  return writable;
}

const ignore = () => {};

/** Waits with sending more while this much is on its way. */
const highWaterBytes = 1 << 20;

export function mustWait(socket: WebSocket): boolean {
  return socket.readyState === WebSocket.OPEN && socket.bufferedAmount > highWaterBytes;
}
