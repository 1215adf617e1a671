// What a request line asks for, as Go's servers read it.
import { pathDecoded } from '../../base/percent.ts';
import { queryOf } from '../query-value.ts';

// `http://user@host:port` of a client that takes this server for a proxy.
const origin = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?@]*@)?(?:\[[^\]/?]*\]|[^[\]:/?]*)(?::\d*)?(?=[/?]|$)/i;

function withoutOrigin(uri: string): string {
  return uri.startsWith('/') ? uri : uri.replace(origin, '');
}

/** Go's servers refuse any other before they look at the method. */
export function isReadableUri(uri: string): boolean {
  if (uri.startsWith('/') && !uri.includes('%')) return true;
  const [path = ''] = withoutOrigin(uri).split('?', 1);
  return (path === '' || path === '*' || path.startsWith('/')) && pathDecoded(path) !== undefined;
}

const rawByte = /[\x80-\xff]/g;

/** Bytes that were not escaped, as if they were: Node gives each of them as a character. */
const withEscapes = (uri: string): string => uri.replace(rawByte, byte => `%${byte.charCodeAt(0).toString(16)}`);

/** Of a readable URI: the path decoded, the query with its question mark as it was sent. */
export function splitUri(uri: string): [path: string, query: URLSearchParams, rawQuery: string] {
  const url = withEscapes(withoutOrigin(uri));
  const at = url.indexOf('?');
  const path = at < 0 ? url : url.slice(0, at);
  return [pathDecoded(path) ?? path, at < 0 ? emptyQuery : queryOf(url.slice(at + 1)), at < 0 ? '' : url.slice(at)];
}

const emptyQuery = new URLSearchParams();
