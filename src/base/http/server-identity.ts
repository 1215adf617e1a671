// Whose certificate a server shows, as Go looks at it: names count where they are alternative names only.
import { isIP } from 'node:net';
import { type PeerCertificate, checkServerIdentity as wantsName } from 'node:tls';

/** For Node's option of that name, which takes the common name where there is no other. */
export function checkServerIdentity(host: string, cert: PeerCertificate): Error | undefined {
  const error = wantsName(host, cert);
  if (error || isIP(host) || cert.subjectaltname?.includes('DNS:')) return error;
  return Object.assign(new Error('the certificate has no alternative names'), {
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    host,
    cert,
  });
}

/** Only the common name is the server's: what was enough for a server of long ago. */
export function isLegacyName(error: unknown): boolean {
  const { code, host, cert } = error as { code?: string; host: string; cert: PeerCertificate };
  return code === 'ERR_TLS_CERT_ALTNAME_INVALID' && !cert.subjectaltname && !wantsName(host, cert);
}

/** OpenSSL's words for signatures over SHA-1 and the like. */
export const isWeaklySigned = (error: unknown): boolean =>
  /md too weak|digest.* too weak/i.test((error as Error).message);
