// Which headers go on to a server behind, and which come back.

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

const hopByHop = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** What tells who somebody is to this server is no business of the servers behind. */
const isOurs = (name: string) =>
  name === 'authorization' ||
  name.startsWith('impersonate-') ||
  name.startsWith('x-remote-') ||
  name.startsWith(':') ||
  name === 'expect';

/** Names in small letters. `host` and what belongs to the connection alone stay behind. */
export function forwardedHeaders(headers: Headers): Record<string, string | readonly string[]> {
  const named = new Set(
    String(headers.connection ?? '')
      .toLowerCase()
      .split(',')
      .map(n => n.trim()),
  );
  const out: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && name !== 'host' && !hopByHop.has(name) && !named.has(name) && !isOurs(name))
      out[name] = value;
  return out;
}

/** Names in small letters. A server behind must not allow other sites to use this one. */
export function returnedHeaders(headers: Headers): Record<string, string | readonly string[]> {
  const out: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !hopByHop.has(name) && !name.startsWith('access-control-')) out[name] = value;
  return out;
}
