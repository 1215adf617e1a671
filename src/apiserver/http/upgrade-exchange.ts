// An HTTP/1.1 Upgrade as an exchange: any handler may answer it, streams take the connection over.
import type { IncomingMessage } from 'node:http';
import type { Duplex, Writable } from 'node:stream';
import { type PendingUpgrade, pendingUpgrade } from '../../base/http/upgrade-exchange.ts';
import { isTrue } from '../request-info.ts';
import { acceptWebSocket, isWebSocket, messageWriter } from '../stream/websocket.ts';
import { Http1Exchange } from './exchange.ts';
import type { PeerIdentity } from './peer.ts';

export class UpgradeExchange extends Http1Exchange {
  readonly upgrade: PendingUpgrade;
  readonly #socket: Duplex;

  constructor(request: IncomingMessage, socket: Duplex, head: Buffer, peer: PeerIdentity) {
    const upgrade = pendingUpgrade(request, socket, head);
    super(request, upgrade.response, peer);
    this.upgrade = upgrade;
    this.#socket = socket;
  }

  /** A watch or a log asked for by WebSocket comes as messages, anything else as an ordinary answer. */
  override open(code: number, headers: Record<string, string | readonly string[]>): Writable {
    const streams = isTrue(this.query.get('watch')) || isTrue(this.query.get('follow')) || /\/log$/.test(this.path);
    if (code !== 200 || !streams || !isWebSocket(this)) return super.open(code, headers);
    return messageWriter(acceptWebSocket(this, ['', 'binary.k8s.io', 'base64.binary.k8s.io']), {
      byLine: isTrue(this.query.get('watch')),
    });
  }

  override onClose(fn: () => void): void {
    this.#socket.once('close', fn);
  }

  override get closed(): boolean {
    return this.#socket.destroyed;
  }
}
