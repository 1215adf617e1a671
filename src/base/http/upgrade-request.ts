// The client's side of an HTTP/1.1 Upgrade: SPDY to a container runtime, anything to a proxied server.
import { type ClientRequestArgs, type IncomingMessage, request as requestPlain } from 'node:http';
import { type Agent, type AgentOptions, request as requestTls } from 'node:https';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions } from 'node:tls';
import type { Clock } from '../clock.ts';
import { certificateError } from './certificate-error.ts';
import { type Dial, DialingAgent, DialingTlsAgent } from './dial.ts';
import { joinStreams } from './join.ts';
import { checkServerIdentity } from './server-identity.ts';
import type { TakenSocket } from './upgrade-exchange.ts';

export interface HttpTarget {
  readonly protocol: 'http:' | 'https:';
  /** Who makes connections to it; default: this machine. */
  readonly dial?: Dial;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** Of https. */
  readonly tls?: Pick<SecureContextOptions, 'ca' | 'cert' | 'key'> & {
    readonly rejectUnauthorized?: boolean;
    readonly servername?: string;
  };
}

/** `host:port` as URLs write it. */
export function authorityOf({ host, port }: HttpTarget): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

export function urlOf(target: HttpTarget, path: string): string {
  return `${target.protocol}//${authorityOf(target)}${path}`;
}

export type HeaderList = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface UpgradeRequest {
  readonly method: string;
  readonly path: string;
  /** `connection` and `upgrade` included. */
  readonly headers: HeaderList;
  readonly signal?: AbortSignal;
  readonly clock: { after(ms: number, fn: () => void): { cancel(): void } };
  /** For connection and answer together; default 30 s. */
  readonly timeoutMs?: number;
}

export type UpgradeAnswer =
  | { readonly switched: true; readonly response: IncomingMessage; readonly socket: Duplex; readonly head: Buffer }
  /** The server answered otherwise; the response's body is unread. */
  | { readonly switched: false; readonly response: IncomingMessage };

/** Rejects with Node's error when the server cannot be reached or does not answer. */
export function requestUpgrade(target: HttpTarget, options: UpgradeRequest): Promise<UpgradeAnswer> {
  return new Promise((resolve, reject) => {
    const request = openRequest(target, {
      method: options.method,
      path: options.path,
      headers: options.headers as ClientRequestArgs['headers'],
      agent: false,
      ...(options.signal ? { signal: options.signal } : {}),
    });
    const timer = options.clock.after(options.timeoutMs ?? 30_000, () =>
      request.destroy(Object.assign(new Error('i/o timeout'), { code: 'ETIMEDOUT' })),
    );
    request.once('upgrade', (response, socket, head) => {
      timer.cancel();
      resolve({ switched: true, response, socket, head });
    });
    request.once('response', response => {
      timer.cancel();
      resolve({ switched: false, response });
    });
    request.on('error', error => {
      timer.cancel();
      reject(error);
    });
    request.end();
  });
}

/** Keeps connections; a check of its own for each request would keep it from that. */
export const keepingAgent = (options: AgentOptions = {}): Agent =>
  new DialingTlsAgent({ keepAlive: true, checkServerIdentity, ...options });

/**
 * A request over a connection of its own or of `args.agent`, a `keepingAgent`. Any certificate of `tls.ca` is trusted as it stands, also
 * one that signs no others.
 */
export function openRequest(target: HttpTarget, args: ClientRequestArgs) {
  const { dial, protocol } = target;
  const at = { ...args, host: target.host, port: target.port, ...(dial ? dialedBy(dial, protocol, args) : {}) };
  if (protocol === 'http:') return requestPlain(at);
  return requestTls({
    ...at,
    ...(args.agent ? {} : { checkServerIdentity }),
    ...target.tls,
    ...(target.tls?.ca ? { allowPartialTrustChain: true } : {}),
  });
}

const dialedBy = (dial: Dial, protocol: HttpTarget['protocol'], { agent }: ClientRequestArgs) => ({
  dial,
  agent: agent || (protocol === 'http:' ? new DialingAgent() : new DialingTlsAgent()),
});

/** Tells the client that the protocol is switched, and makes one connection of both until both are gone. */
export async function joinSwitched(
  client: TakenSocket,
  answer: TakenSocket & { readonly response: IncomingMessage },
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  client.socket.write(switchingHead(answer.response));
  if (answer.head.length) client.socket.write(answer.head);
  if (client.head.length) answer.socket.write(client.head);
  const end = () => {
    client.socket.destroy();
    answer.socket.destroy();
  };
  signal.addEventListener('abort', end, { once: true });
  await joinStreams(client.socket, answer.socket, { clock });
  signal.removeEventListener('abort', end);
}

/** The answer to hand on: `HTTP/1.1 101 Switching Protocols` and headers as they came. */
function switchingHead(response: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${response.statusCode} ${response.statusMessage}`];
  for (let i = 0; i < response.rawHeaders.length; i += 2)
    lines.push(`${response.rawHeaders[i]}: ${response.rawHeaders[i + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'i/o timeout',
};

/** Why a server cannot be reached, as Go says it: `dial tcp 10.0.0.1:80: connect: connection refused`. */
export function dialError(target: HttpTarget, error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const known = words[code];
  if (known) return `dial tcp ${authorityOf(target)}: ${known}`;
  if (code === 'ECONNRESET') return message === 'socket hang up' ? 'EOF' : 'read: connection reset by peer';
  if (code === 'ENOTFOUND') return `dial tcp: lookup ${target.host}: no such host`;
  if (code === 'EPROTO' && message.includes('wrong version number'))
    return 'http: server gave HTTP response to HTTPS client';
  return certificateError(error) ?? message;
}
