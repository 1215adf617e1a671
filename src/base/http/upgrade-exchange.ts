// The server's side of an HTTP/1.1 Upgrade: an ordinary answer is still possible, or the socket is taken over.
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

export interface TakenSocket {
  readonly socket: Duplex;
  /** What came behind the head of the request. */
  readonly head: Buffer;
}

export interface PendingUpgrade {
  /** For an answer without upgrading; the connection ends with it. */
  readonly response: ServerResponse;
  /** Once, and only as long as no answer was begun. */
  take(): TakenSocket;
}

/** Of what a server's `upgrade` event brings. */
export function pendingUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): PendingUpgrade {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  // The types want a net.Socket; what comes with TLS is one as well.
  type Net = Parameters<ServerResponse['assignSocket']>[0];
  // Nobody may ask to upgrade behind a request whose answer is not sent yet.
  const busy = Boolean((socket as { _httpMessage?: unknown })._httpMessage);
  if (busy) socket.destroy();
  else response.assignSocket(socket as Net);
  response.on('finish', () => socket.end());
  socket.on('error', () => socket.destroy());
  return {
    response,
    take() {
      if (!busy) response.detachSocket(socket as Net);
      return { socket, head };
    },
  };
}
