// HTTP/1.1 Upgrade requests (SPDY/3.1 and WebSocket): authenticated and authorized like any other, then handed to their subresource.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Log } from '../../base/log.ts';
import type { Access } from '../access.ts';
import type { ApiContext } from '../context.ts';
import type { PeerIdentity } from '../http/peer.ts';
import type { ApiServerOptions } from '../server-options.ts';

export interface UpgradeDeps {
  readonly context: ApiContext;
  readonly access: Access;
  readonly options: ApiServerOptions;
  readonly log: Log;
}

export function createUpgradeHandler(_deps: UpgradeDeps) {
  return (_request: IncomingMessage, socket: Duplex, _head: Buffer, _peer: PeerIdentity): void => {
    socket.end('HTTP/1.1 501 Not Implemented\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
  };
}
