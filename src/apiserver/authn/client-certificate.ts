// Client certificates: common name as user, organizations as groups.
import type { X509Certificate } from 'node:crypto';
import type { BucketCounts } from '../../base/bucket-counts.ts';
import type { Clock } from '../../base/clock.ts';
import { anyUsage, clientAuthUsage, isSignedBy, parseCertificate, parseCertificates } from '../../base/x509.ts';
import { type Authenticator, CredentialError, credentialIdKey, type PeerCertificate, type UserInfo } from './user.ts';

const uidAttribute = '1.3.6.1.4.1.57683.2';

/** The same certificate object gives the same user object. `lifetimes`: seconds the certificate of each request still has. */
export function clientCertificateAuthenticator(clock: Clock, lifetimes?: BucketCounts): Authenticator {
  const users = new WeakMap<PeerCertificate, UserInfo>();
  return {
    authenticate({ peerCertificate: peer }) {
      if (!peer || peer.authority === 'frontProxy') return undefined;
      if (peer.notAfterMs !== undefined && clock.now() > peer.notAfterMs)
        throw new CredentialError('x509: certificate has expired or is not yet valid');
      if (peer.notAfterMs !== undefined) lifetimes?.observe((peer.notAfterMs - clock.now()) / 1000);
      let user = users.get(peer);
      if (!user && peer.commonName) {
        user = userOf(peer);
        users.set(peer, user);
      }
      return user;
    },
  };
}

function userOf(peer: PeerCertificate): UserInfo {
  return {
    name: peer.commonName,
    ...(peer.uid ? { uid: peer.uid } : {}),
    groups: peer.organizations,
    ...(peer.fingerprint ? { extra: { [credentialIdKey]: [`X509SHA256=${peer.fingerprint}`] } } : {}),
  };
}

export interface PeerVerifierOptions {
  /** Bundle of the authorities whose certificates make users. */
  readonly clientCaPem: string;
  /** Bundle of the authorities whose certificates may name users in headers. */
  readonly frontProxyCaPem?: string;
  readonly clock: Clock;
}

/**
 * Tells whose certificate this is, where TLS alone cannot: it accepts both authorities on one port.
 * For certificates that an authority issued directly. Throws CredentialError for any other.
 */
export function peerVerifier(options: PeerVerifierOptions): (certificate: X509Certificate) => PeerCertificate {
  const authorities = [
    ...parseCertificates(options.frontProxyCaPem ?? '').map(ca => ({ ca, authority: 'frontProxy' as const })),
    ...parseCertificates(options.clientCaPem).map(ca => ({ ca, authority: 'client' as const })),
  ];
  return certificate => {
    const parsed = parseCertificate(certificate);
    const nowMs = options.clock.now();
    const issuer = authorities.find(a => isSignedBy(certificate, a.ca.certificate));
    if (!issuer) throw new CredentialError('x509: certificate signed by unknown authority');
    for (const { notBeforeMs, notAfterMs } of [parsed, issuer.ca]) {
      if (nowMs < notBeforeMs || nowMs > notAfterMs)
        throw new CredentialError('x509: certificate has expired or is not yet valid');
    }
    // Without the extension a certificate is good for everything.
    const usages = parsed.extendedKeyUsages;
    if (usages.length && !usages.some(u => u === clientAuthUsage || u === anyUsage))
      throw new CredentialError('x509: certificate specifies an incompatible key usage');
    const subject = (certificate.toLegacyObject() as unknown as { subject?: Record<string, unknown> }).subject;
    const uid = subject?.[uidAttribute];
    return {
      ...parsed.subject,
      fingerprint: parsed.fingerprint,
      ...(typeof uid === 'string' ? { uid } : {}),
      notAfterMs: Math.min(parsed.notAfterMs, issuer.ca.notAfterMs),
      authority: issuer.authority,
    };
  };
}
