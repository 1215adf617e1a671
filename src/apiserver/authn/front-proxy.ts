// Users named in headers by a proxy that shows a certificate of the front-proxy authority.
import { percentDecoded } from '../../base/percent.ts';
import { quote } from '../../base/quote.ts';
import { type Authenticator, type AuthnRequest, CredentialError } from './user.ts';

export interface FrontProxyOptions {
  /** Common names a proxy may have; none: any. */
  readonly allowedNames?: readonly string[];
  /** Headers in which a proxy names the user; of several the first that says something counts. */
  readonly usernameHeaders?: readonly string[];
  readonly uidHeaders?: readonly string[];
  readonly groupHeaders?: readonly string[];
  readonly extraHeadersPrefixes?: readonly string[];
}

const small = (names: readonly string[]) =>
  names.map(name => {
    if (!name.trim()) throw new Error(`empty header ${quote(name)}`);
    return name.trim().toLowerCase();
  });

/** Throws an error for a header without a name. Several groups come as an array, one entry a header line. */
export function frontProxyAuthenticator(options: FrontProxyOptions = {}): Authenticator {
  const { allowedNames = [] } = options;
  const usernames = small(options.usernameHeaders ?? ['X-Remote-User']);
  const uids = small(options.uidHeaders ?? ['X-Remote-Uid']);
  const groups = small(options.groupHeaders ?? ['X-Remote-Group']);
  const prefixes = small(options.extraHeadersPrefixes ?? ['X-Remote-Extra-']);
  const first = (names: readonly string[], headers: AuthnRequest['headers']) => {
    for (const name of names) {
      const value = valuesOf(headers[name])[0];
      if (value) return value;
    }
    return undefined;
  };
  return {
    authenticate(request) {
      const { peerCertificate: peer, headers } = request;
      if (peer?.authority !== 'frontProxy') return undefined;
      if (allowedNames.length && !allowedNames.includes(peer.commonName))
        throw new CredentialError(`x509: subject with cn=${peer.commonName} is not in the allowed list`);
      const name = first(usernames, headers);
      if (!name) return undefined;
      const uid = first(uids, headers);
      const extra = extraOf(headers, prefixes);
      return {
        name,
        ...(uid ? { uid } : {}),
        groups: groups.flatMap(header => valuesOf(headers[header]).filter(Boolean)),
        ...(extra ? { extra } : {}),
      };
    },
  };
}

const valuesOf = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;

function extraOf(
  headers: AuthnRequest['headers'],
  prefixes: readonly string[],
): Record<string, readonly string[]> | undefined {
  const extra = new Map<string, readonly string[]>();
  for (const [header, value] of Object.entries(headers)) {
    for (const prefix of prefixes) {
      if (!header.startsWith(prefix)) continue;
      const key = percentDecoded(header.slice(prefix.length));
      extra.set(key, [...(extra.get(key) ?? []), ...valuesOf(value)]);
    }
  }
  return extra.size ? Object.fromEntries(extra) : undefined;
}
