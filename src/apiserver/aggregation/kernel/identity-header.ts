// Who a request comes from, told to an aggregated server that believes our certificate.
import type { UserInfo } from '../../authn/user.ts';

/** Names in small letters. */
export function identityHeaders(user: UserInfo): Record<string, string | readonly string[]> {
  const headers: Record<string, string | readonly string[]> = { 'x-remote-user': user.name };
  if (user.uid) headers['x-remote-uid'] = user.uid;
  if (user.groups.length) headers['x-remote-group'] = user.groups;
  for (const [key, values] of Object.entries(user.extra ?? {}))
    if (values.length) headers[`x-remote-extra-${escapeKey(key.toLowerCase())}`] = values;
  return headers;
}

const token = /[A-Za-z0-9!#$&'*+\-.^_`|~]/;

/** What no header's name may hold is percent-encoded. */
function escapeKey(key: string): string {
  let out = '';
  for (const byte of Buffer.from(key)) {
    const char = String.fromCharCode(byte);
    out += byte < 0x80 && token.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}
