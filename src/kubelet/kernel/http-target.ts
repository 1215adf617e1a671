// URLs of HTTP probes as Go writes them.
import { parseGoUrl } from '../../base/go-url.ts';
import { quote } from '../../base/quote.ts';

/** A URL with its host as it was written: URL leaves out ports that are the scheme's own. */
export interface HttpTarget {
  readonly url: URL;
  readonly host: string;
}

export const targetOf = (scheme: string, host: string, path: string): HttpTarget => ({
  url: new URL(`${scheme}://${host}${path}`),
  host,
});

export function hrefOf({ url, host }: HttpTarget): string {
  const { href, protocol, username, password } = url;
  const user = password ? `${username}:${password}@` : username && `${username}@`;
  const at = `${protocol}//${user}`.length;
  return href.slice(0, at) + host + href.slice(at + url.host.length);
}

/** Host and port that a request for it goes to. */
export const dialledBy = (url: URL): string =>
  url.port ? url.host : `${url.host}:${url.protocol === 'https:' ? 443 : 80}`;

/** Where an answer sends the request on to. Throws in Go's words when it says so in no URL. */
export function redirected({ url, host }: HttpTarget, location: string): HttpTarget {
  parseGoUrl(location);
  const next = URL.parse(location, url);
  // Go takes it and finds nobody there.
  if (!next) throw new Error(`parse ${quote(location)}: invalid URL`);
  const written = /^(?:[a-z][a-z\d+.-]*:)?\/\/(?:[^/?#@]*@)?([^/?#]*)/i.exec(location);
  return { url: next, host: written?.[1] || host };
}
