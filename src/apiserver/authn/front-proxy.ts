// Users named in headers by a proxy that shows a certificate of the front-proxy authority.
import { type Authenticator, type AuthnRequest, CredentialError } from './user.ts';

const extraPrefix = 'x-remote-extra-';

/** `allowedNames`: common names a proxy may have; none: any. Several groups come as an array, one entry a header line. */
export function frontProxyAuthenticator(allowedNames: readonly string[] = []): Authenticator {
  return {
    authenticate(request) {
      const { peerCertificate: peer, headers } = request;
      if (peer?.authority !== 'frontProxy') return undefined;
      if (allowedNames.length && !allowedNames.includes(peer.commonName))
        throw new CredentialError(`x509: subject with cn=${peer.commonName} is not in the allowed list`);
      const name = valuesOf(headers['x-remote-user'])[0];
      if (!name) return undefined;
      const uid = valuesOf(headers['x-remote-uid'])[0];
      const extra = extraOf(headers);
      return {
        name,
        ...(uid ? { uid } : {}),
        groups: valuesOf(headers['x-remote-group']),
        ...(extra ? { extra } : {}),
      };
    },
  };
}

const valuesOf = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;

function extraOf(headers: AuthnRequest['headers']): Record<string, readonly string[]> | undefined {
  let extra: Record<string, readonly string[]> | undefined;
  for (const [header, value] of Object.entries(headers)) {
    if (!header.startsWith(extraPrefix)) continue;
    extra ??= {};
    extra[decodeKey(header.slice(extraPrefix.length))] = valuesOf(value);
  }
  return extra;
}

function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
