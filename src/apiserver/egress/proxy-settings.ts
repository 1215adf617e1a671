// How a proxy is reached, from what its configuration names.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { messageOf } from '../../base/assert.ts';
import { authorityOf } from '../../base/http/upgrade-request.ts';
import { type Connection, type EgressName, readEgressSelectorConfiguration, type TlsFiles } from './configuration.ts';

interface Reached {
  /** In messages. */
  readonly shown: string;
}

interface ByTcp extends Reached {
  readonly host: string;
  readonly port: number;
  readonly tls?: { readonly ca?: string; readonly cert: string; readonly key: string; readonly servername?: string };
}

interface BySocket extends Reached {
  readonly socketPath: string;
}

export type ConnectProxy = ByTcp | BySocket;

export type EgressProxy =
  | { readonly protocol: 'http_connect'; readonly proxy: ConnectProxy }
  | { readonly protocol: 'grpc'; readonly proxy: BySocket };

/** Networks that are reached through a proxy. */
export type EgressProxies = Readonly<Partial<Record<EgressName, EgressProxy>>>;

/** Throws an error that says what is wrong with the file or those it names. */
export function readEgressProxies(text: string): EgressProxies {
  const proxies: Partial<Record<EgressName, EgressProxy>> = {};
  for (const [name, connection] of readEgressSelectorConfiguration(text)) {
    try {
      const proxy = proxyOf(connection);
      if (proxy) proxies[name] = proxy;
    } catch (error) {
      throw new Error(`failed to create dialer for egressSelection ${JSON.stringify(name)}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
  return proxies;
}

function proxyOf({ proxyProtocol, transport }: Connection): EgressProxy | undefined {
  if (proxyProtocol === 'Direct') return undefined;
  const { tcp, uds } = transport!;
  const socket = uds && { shown: uds.udsName!, socketPath: uds.udsName!.replace(/^unix:\/\//, '') };
  if (proxyProtocol === 'GRPC') return { protocol: 'grpc', proxy: socket! };
  return { protocol: 'http_connect', proxy: socket ?? byTcp(tcp!.url!, tcp!.tlsConfig) };
}

function byTcp(given: string, files: TlsFiles | undefined): ByTcp {
  const url = new URL(given);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port || (files ? 443 : 80));
  const shown = authorityOf({ protocol: 'http:', host, port });
  return { shown, host, port, ...(files ? { tls: tlsOf(files, host) } : {}) };
}

function tlsOf({ caBundle, clientCert, clientKey, tlsServerName }: TlsFiles, host: string) {
  const servername = tlsServerName || (isIP(host) ? undefined : host);
  return {
    ...(caBundle ? { ca: readFileSync(caBundle, 'utf8'), allowPartialTrustChain: true } : {}),
    cert: readFileSync(clientCert!, 'utf8'),
    key: readFileSync(clientKey!, 'utf8'),
    ...(servername ? { servername } : {}),
  };
}
