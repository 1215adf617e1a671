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

/** What only the two ends of one connection may say to each other. */
function namedBy(connection: string | readonly string[] | undefined): ReadonlySet<string> {
  const names = String(connection ?? '')
    .toLowerCase()
    .split(',');
  return new Set(names.map(n => n.trim()));
}

/** Names in small letters. `host` and what belongs to the connection alone stay behind. */
export function forwardedHeaders(headers: Headers): Record<string, string | readonly string[]> {
  const named = namedBy(headers.connection);
  const out: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && name !== 'host' && !hopByHop.has(name) && !named.has(name) && !isOurs(name))
      out[name] = value;
  return out;
}

/** Which other sites may use this server is not for a server behind to say. */
const permissions = new Set(['origin', 'credentials', 'headers', 'methods'].map(n => `access-control-allow-${n}`));

/** Names in small letters. */
export function returnedHeaders(headers: Headers): Record<string, string | readonly string[]> {
  const named = namedBy(headers.connection);
  const out: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !hopByHop.has(name) && !named.has(name) && !permissions.has(name)) out[name] = value;
  return out;
}

/** From names and values in turn: a header given several times has all its values. Cookies are one. */
export function distinctHeaders(raw: readonly string[]): Record<string, string | readonly string[]> {
  const found = new Map<string, string[]>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const values = found.getOrInsertComputed(raw[i]!.toLowerCase(), () => []);
    values.push(raw[i + 1]!);
  }
  const out: Record<string, string | readonly string[]> = {};
  for (const [name, values] of found)
    out[name] = values.length === 1 ? values[0]! : name === 'cookie' ? values.join('; ') : values;
  return out;
}
