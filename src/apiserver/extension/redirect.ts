// Where answers of webhooks lead on to, as Go's HTTP client follows them.
import { isIP } from 'node:net';
import { parseGoUrl } from '../../base/go-url.ts';
import { via } from '../../base/http/dial.ts';
import type { HttpTarget } from '../../base/http/upgrade-request.ts';
import { quote } from '../../base/quote.ts';
import type { Address } from './service-endpoint.ts';
import type { Answer } from './webhook-answer.ts';

/** The parts of a webhook's address. */
export interface Destination {
  readonly target: HttpTarget;
  /** As error messages name it. */
  readonly url: string;
  readonly path: string;
  readonly host: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One request on the way. */
export interface Asked {
  readonly to: Destination;
  readonly method: 'POST' | 'GET';
  readonly body: Buffer | undefined;
}

/** A failure of a request that came of a redirect: it says itself which one. */
export class Misled extends Error {
  constructor({ method, to }: { readonly method: string; readonly to: Pick<Destination, 'url'> }, why: string) {
    super(`${method[0]}${method.slice(1).toLowerCase()} ${JSON.stringify(to.url)}: ${why}`);
  }
}

const mostRequests = 10;
const again = new Set([307, 308]);
const elsewhere = new Set([301, 302, 303]);

/** Undefined when the answer leads nowhere. `hops`: how many requests there were. Throws Misled. */
export function redirected(
  asked: Asked,
  { code, location }: Answer,
  hops: number,
  dial: (address: Address) => Address,
): Asked | undefined {
  if (!location || !(again.has(code) || elsewhere.has(code))) return undefined;
  const { to } = asked;
  try {
    parseGoUrl(location);
  } catch (error) {
    throw new Misled(asked, `failed to parse Location header ${quote(location)}: ${(error as Error).message}`);
  }
  const { method, body } = again.has(code) ? asked : { method: 'GET' as const, body: undefined };
  if (hops === mostRequests) throw new Misled({ method, to: { url: location } }, `stopped after ${hops} redirects`);
  const url = new URL(location, to.url);
  if (!/^https?:$/.test(url.protocol))
    throw new Misled(
      { method, to: { url: url.href } },
      `unsupported protocol scheme ${quote(url.protocol.slice(0, -1))}`,
    );
  return { to: destinationAt(url, to, dial), method, body };
}

/** On the same server with the same credentials; another one sees those of TLS only. */
function destinationAt(url: URL, from: Destination, dial: (address: Address) => Address): Destination {
  const path = url.pathname + url.search;
  const { origin, host, href } = url;
  if (origin === new URL(from.url).origin) return { ...from, url: href, path };
  const name = url.hostname.replace(/^\[|\]$/g, '');
  const isSecure = url.protocol === 'https:';
  const at = dial({ host: name, port: Number(url.port || (isSecure ? 443 : 80)) });
  const address = { ...at, ...via(from.target.dial) };
  if (!isSecure) return { target: { protocol: 'http:', ...address }, url: href, path, host };
  const { servername: _, ...tls } = from.target.tls ?? {};
  return {
    target: { protocol: 'https:', ...address, tls: { ...tls, ...(isIP(name) ? {} : { servername: name }) } },
    ...{ url: href, path, host },
  };
}
