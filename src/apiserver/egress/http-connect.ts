// Connections through a proxy that is asked with CONNECT, over TCP with or without TLS, or over a unix socket.
import { type IncomingMessage, request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { checkServerIdentity } from '../../base/http/server-identity.ts';
import { authorityOf, dialError } from '../../base/http/upgrade-request.ts';
import { type DialStage, ProxyError } from './proxy-error.ts';
import type { ConnectProxy } from './proxy-settings.ts';

const timeoutMs = 30_000;

/** Rejects with a ProxyError. */
export function connectThrough(
  proxy: ConnectProxy,
  { host, port }: { readonly host: string; readonly port: number },
  clock: Clock,
): Promise<Duplex> {
  const address = authorityOf({ protocol: 'http:', host, port });
  const { shown } = proxy;
  return new Promise((resolve, reject) => {
    const asked = { method: 'CONNECT', path: address, headers: { host: '127.0.0.1' }, agent: false } as const;
    const request =
      'socketPath' in proxy
        ? requestPlain({ ...asked, socketPath: proxy.socketPath })
        : proxy.tls
          ? requestTls({ ...asked, ...proxy.tls, host: proxy.host, port: proxy.port, checkServerIdentity })
          : requestPlain({ ...asked, host: proxy.host, port: proxy.port });
    let stage: DialStage = 'connect';
    const timer = clock.after(timeoutMs, () => request.destroy(new Error('context deadline exceeded')));
    const fail = (message: string, cause?: unknown) => {
      timer.cancel();
      reject(new ProxyError(message, stage, cause));
    };
    const connected = () => {
      stage = 'proxy';
    };
    request.once('socket', socket => socket.once('tls' in proxy && proxy.tls ? 'secureConnect' : 'connect', connected));
    request.once('error', error => {
      const broken = `reading HTTP response from CONNECT to ${address} via proxy ${shown} failed: `;
      fail(stage === 'connect' ? unreached(proxy, error) : broken + readFault(error), error);
    });
    request.once('connect', (answer: IncomingMessage, socket, head: Buffer) => {
      timer.cancel();
      if (answer.statusCode === 200 && head.length === 0) return resolve(socket);
      socket.destroy();
      const { statusCode: code, statusMessage: words } = answer;
      fail(
        code === 200
          ? `unexpected ${head.length} bytes of buffered data from CONNECT proxy ${JSON.stringify(shown)}`
          : `proxy error from ${shown} while dialing ${address}, code ${code}: ${code} ${words}`,
      );
    });
    request.end();
  });
}

function unreached(proxy: ConnectProxy, error: Error): string {
  if (!('socketPath' in proxy)) return dialError({ protocol: 'https:', host: proxy.host, port: proxy.port }, error);
  return unixDialError(proxy.socketPath, error);
}

/** In Go's words. */
export function unixDialError(path: string, error: NodeJS.ErrnoException): string {
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'no such file or directory',
    ECONNREFUSED: 'connection refused',
    EACCES: 'permission denied',
  };
  const known = words[error.code ?? ''];
  return known ? `dial unix ${path}: connect: ${known}` : error.message;
}

const readFault = (error: NodeJS.ErrnoException): string =>
  error.code === 'ECONNRESET'
    ? 'unexpected EOF'
    : error.message.startsWith('Parse Error')
      ? 'malformed HTTP response'
      : error.message;
