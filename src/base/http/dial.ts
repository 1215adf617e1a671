// Connections that somebody else makes: agents take them where a request says so.
import { Agent as PlainAgent } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';

/** Gives a connection to the address, or rejects with an error whose message is all there is to say. */
export type Dial = (host: string, port: number) => Promise<Duplex>;

/** Of a target. */
export const via = (dial: Dial | undefined): { readonly dial?: Dial } => (dial ? { dial } : {});

type Made = (error: Error | null, socket?: Duplex) => void;

interface Asked {
  readonly dial?: Dial;
  readonly host?: string | null;
  readonly port?: number | string | null;
}

const dialed = ({ dial, host, port }: Asked & { dial: Dial }): Promise<Duplex> => dial(host!, Number(port));

/** TLS on a connection that stands. */
export function connectOver(under: Duplex, options: ConnectionOptions): TLSSocket {
  const socket = connect({ ...options, socket: under });
  // What ends below does not end above by itself.
  under.once('close', () => socket.destroy());
  socket.once('close', () => under.destroy());
  return socket;
}

export class DialingAgent extends PlainAgent {
  override createConnection(options: object, made: Made): Duplex | null | undefined {
    const asked = options as Asked;
    if (!asked.dial) return super.createConnection(options, made);
    dialed(asked as Required<Asked>).then(socket => made(null, socket), made);
    return undefined;
  }
}

export class DialingTlsAgent extends TlsAgent {
  override createConnection(options: object, made: Made): Duplex | null | undefined {
    const asked = options as Asked;
    if (!asked.dial) return super.createConnection(options, made);
    dialed(asked as Required<Asked>).then(under => {
      const { path: _, ...tls } = options as ConnectionOptions & { path?: unknown };
      made(null, connectOver(under, tls));
    }, made);
    return undefined;
  }
}
