// URLs as Go's net/url reads them: what it refuses, and in which words. The platform's own URL mends what Go refuses.
import { quote } from './quote.ts';

export interface GoUrl {
  /** In small letters, without the colon; '' for none. */
  readonly scheme: string;
  /** What stands before the `@`, which may be nothing; undefined without one. */
  readonly user?: string;
  /** With its port; '' where there is no authority. */
  readonly host: string;
  readonly query: string;
  readonly fragment: string;
}

/** Throws an error whose message is Go's: `parse "x:y z": …`. */
export function parseGoUrl(text: string): GoUrl {
  try {
    return parse(text);
  } catch (error) {
    throw new Error(`parse ${quote(text)}: ${(error as Error).message}`);
  }
}

function parse(text: string): GoUrl {
  if (/[\x00-\x1f\x7f]/.test(text)) throw new Error('net/url: invalid control character in URL');
  const [whole, fragment] = cut(text, '#');
  const [, scheme = '', afterScheme = whole] = /^([a-z][a-z0-9+.-]*):(.*)$/i.exec(whole) ?? [];
  if (whole.startsWith(':')) throw new Error('missing protocol scheme');
  const [rest, query] = cut(afterScheme, '?');
  const url = { scheme: scheme.toLowerCase(), query, fragment };
  checkEscapes(fragment);
  if (!rest.startsWith('/')) {
    // Opaque: not taken apart.
    if (scheme) return { ...url, host: '' };
    if (rest.split('/', 1)[0]!.includes(':')) throw new Error('first path segment in URL cannot contain colon');
  }
  const rooted = rest.startsWith('//') && (scheme !== '' || !rest.startsWith('///'));
  const end = rooted ? rest.indexOf('/', 2) : 0;
  const authority = rooted ? rest.slice(2, end < 0 ? undefined : end) : '';
  const whose = readAuthority(authority);
  checkEscapes(end < 0 ? '' : rest.slice(end));
  return { ...url, ...whose };
}

function cut(text: string, at: string): [string, string] {
  const i = text.indexOf(at);
  return i < 0 ? [text, ''] : [text.slice(0, i), text.slice(i + 1)];
}

function readAuthority(authority: string): Pick<GoUrl, 'user' | 'host'> {
  const at = authority.lastIndexOf('@');
  const host = authority.slice(at + 1);
  checkHost(host);
  if (at < 0) return { host };
  const user = authority.slice(0, at);
  if (!/^[A-Za-z0-9._:~!$&'()*+,;=%@-]*$/.test(user)) throw new Error('net/url: invalid userinfo');
  checkEscapes(user);
  return { user, host };
}

function checkHost(host: string): void {
  let colon = host.indexOf(':');
  let zone = -1;
  if (host.startsWith('[')) {
    const close = host.lastIndexOf(']');
    if (close < 0) throw new Error("missing ']' in host");
    colon = close + 1;
    zone = host.slice(0, close).indexOf('%25');
  }
  const port = colon < 0 ? '' : host.slice(colon);
  if (!/^(:\d*)?$/.test(port)) throw new Error(`invalid port ${quote(port)} after host`);
  const name = zone < 0 ? host : host.slice(0, zone);
  for (const [found] of name.matchAll(/%.{0,2}/g))
    if (!/^%[89a-f][0-9a-f]$/i.test(found)) throw new Error(`invalid URL escape ${quote(found)}`);
  const strange = /[ ^`{|}\\]/.exec(name);
  if (strange) throw new Error(`invalid character ${quote(strange[0])} in host name`);
}

function checkEscapes(text: string): void {
  for (const [found] of text.matchAll(/%.{0,2}/gs))
    if (!/^%[0-9a-f]{2}$/i.test(found)) throw new Error(`invalid URL escape ${quote(found)}`);
}
