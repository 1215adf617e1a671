// Why a server's certificate is not believed, in Go's words: people and programs look for them.
import { isIP } from 'node:net';
import type { PeerCertificate } from 'node:tls';
import { isLegacyName, isWeaklySigned } from './server-identity.ts';

const prefix = 'tls: failed to verify certificate: x509: ';
const unknownAuthority = 'certificate signed by unknown authority';
const weak = `${unknownAuthority} (possibly because of "x509: cannot verify signature: insecure algorithm")`;
const notNow = 'certificate has expired or is not yet valid';

const words: Readonly<Record<string, string>> = {
  CERT_SIGNATURE_FAILURE: unknownAuthority,
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  CERT_HAS_EXPIRED: notNow,
  CERT_NOT_YET_VALID: notNow,
  INVALID_PURPOSE: 'certificate specifies an incompatible key usage',
};

/** Undefined when `error`, one of Node's, is about something else. */
export function certificateError(error: unknown): string | undefined {
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (isWeaklySigned(error)) return `${prefix}${weak}`;
  const said =
    code === 'ERR_TLS_CERT_ALTNAME_INVALID'
      ? nameError(error as { host: string; cert: PeerCertificate })
      : (words[code] ?? (/CERT|SIGNATURE|ISSUER/.test(code) ? message : undefined));
  return said && `${prefix}${said}`;
}

function nameError(error: { host: string; cert: PeerCertificate }): string {
  if (isLegacyName(error)) return 'certificate relies on legacy Common Name field, use SANs instead';
  const { host, cert } = error;
  const kind = isIP(host) ? 'IP Address:' : 'DNS:';
  const all = cert.subjectaltname?.split(', ') ?? [];
  const names = all.filter(n => n.startsWith(kind)).map(n => n.slice(kind.length));
  if (names.length > 0) return `certificate is valid for ${names.join(', ')}, not ${host}`;
  return isIP(host)
    ? `cannot validate certificate for ${host} because it doesn't contain any IP SANs`
    : `certificate is not valid for any names, but wanted to match ${host}`;
}
