// HTTP/1.1 Upgrade requests (SPDY/3.1 and WebSocket): authenticated and authorized like any other, then handed to their
// subresource.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { unauthorized } from '../../api/status.ts';
import type { Log } from '../../base/log.ts';
import type { Access } from '../access.ts';
import { websocketTokenOf } from '../authn/union.ts';
import type { ApiContext } from '../context.ts';
import type { Exchange } from '../http/exchange.ts';
import type { PeerIdentity } from '../http/peer.ts';
import { UpgradeExchange } from '../http/upgrade-exchange.ts';
import { sendStatus } from '../respond.ts';
import type { ApiServerOptions } from '../server-options.ts';
import { registerStreams } from './register.ts';
import { isWebSocket, offeredProtocols } from './websocket.ts';

export interface UpgradeDeps {
  readonly context: ApiContext;
  readonly access: Access;
  readonly options: ApiServerOptions;
  readonly log: Log;
  /** Serves any request. */
  handle(exchange: Exchange): void;
}

export function createUpgradeHandler(deps: UpgradeDeps) {
  registerStreams(deps);
  return (request: IncomingMessage, socket: Duplex, head: Buffer, peer: PeerIdentity): void => {
    const exchange = new UpgradeExchange(request, socket, head, peer);
    try {
      if (isWebSocket(exchange)) takeToken(request);
    } catch {
      sendStatus(exchange, unauthorized());
      return;
    }
    deps.handle(exchange);
  };
}

/** The token that came as a subprotocol becomes the header it stands for. Throws CredentialError. */
function takeToken(request: IncomingMessage): void {
  const { token, protocols } = websocketTokenOf(offeredProtocols(request));
  if (token === undefined) return;
  request.headers.authorization ??= `Bearer ${token}`;
  request.headers['sec-websocket-protocol'] = protocols.join(', ');
}
