// Client certificates: common name as user, organizations as groups.
import type { X509Certificate } from 'node:crypto';
import type { BucketCounts } from '../../base/bucket-counts.ts';
import type { Clock } from '../../base/clock.ts';
import {
  anyUsage,
  clientAuthUsage,
  type ParsedCertificate,
  parseCertificate,
  parseCertificates,
} from '../../base/x509.ts';
import { type Extension, extensionsOf, pathLengthOf } from '../../base/x509-extension.ts';
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

/** `intermediates`: what the client showed besides its own certificate, in any order. */
export type VerifyPeer = (certificate: X509Certificate, intermediates?: readonly X509Certificate[]) => PeerCertificate;

/**
 * Tells whose certificate this is, where TLS alone cannot: it accepts both authorities on one port.
 * Throws CredentialError for one that no authority stands behind.
 */
export function peerVerifier(options: PeerVerifierOptions): VerifyPeer {
  const authorities = [
    ...parseCertificates(options.frontProxyCaPem ?? '').map(ca => ({ ca, authority: 'frontProxy' as const })),
    ...parseCertificates(options.clientCaPem).map(ca => ({ ca, authority: 'client' as const })),
  ];
  return (certificate, intermediates = []) => {
    const leaf = parseCertificate(certificate);
    const between = intermediates.slice(0, mostIntermediates).map(c => parseCertificate(c));
    const { authority, notAfterMs } = new PathSearch(authorities, between, options.clock.now()).from(leaf, []);
    const uid = uidOf(certificate);
    return {
      ...leaf.subject,
      fingerprint: leaf.fingerprint,
      ...(uid === undefined ? {} : { uid }),
      notAfterMs,
      authority,
    };
  };
}

const mostIntermediates = 10;
/** As in Go: certificates that all sign each other lead on in countless ways, and anybody may show them. */
const mostSignatureChecks = 100;

class SearchTooLong extends CredentialError {
  constructor() {
    super('x509: signature check attempts limit reached while verifying certificate chain');
  }
}

interface Authority {
  readonly ca: ParsedCertificate;
  readonly authority: 'client' | 'frontProxy';
}

interface Path {
  readonly authority: Authority['authority'];
  /** When the first of its certificates ends. */
  readonly notAfterMs: number;
}

// Extensions that are looked at, or say nothing a check of clients is about; another critical one may mean anything.
const handled = new Set([14, 15, 17, 19, 30, 31, 32, 33, 35, 36, 37, 54].map(n => `2.5.29.${n}`));

/** From a certificate to an authority, every certificate on the way valid and for clients. */
class PathSearch {
  readonly #authorities: readonly Authority[];
  readonly #between: readonly ParsedCertificate[];
  readonly #nowMs: number;
  #signatureChecks = 0;

  constructor(authorities: readonly Authority[], between: readonly ParsedCertificate[], nowMs: number) {
    this.#authorities = authorities;
    this.#between = between;
    this.#nowMs = nowMs;
  }

  /** `below`: those that lead to this one. Throws CredentialError. */
  from(certificate: ParsedCertificate, below: readonly ParsedCertificate[]): Path {
    this.#check(certificate, below.length - 1);
    let refusal: unknown;
    const attempt = (find: () => Path): Path | undefined => {
      try {
        return find();
      } catch (error) {
        if (!(error instanceof CredentialError) || error instanceof SearchTooLong) throw error;
        refusal ??= error;
        return undefined;
      }
    };
    const path = [...below, certificate];
    const issued = (by: ParsedCertificate) => this.#isSigned(certificate.certificate, by.certificate);
    for (const { ca, authority } of this.#authorities) {
      const found = issued(ca)
        ? attempt(() => {
            this.#check(ca, path.length - 1);
            return { authority, notAfterMs: ca.notAfterMs };
          })
        : undefined;
      if (found) return { ...found, notAfterMs: Math.min(found.notAfterMs, certificate.notAfterMs) };
    }
    for (const next of this.#between) {
      if (!next.isCa || path.some(c => c.fingerprint === next.fingerprint) || !issued(next)) continue;
      const found = attempt(() => this.from(next, path));
      if (found) return { ...found, notAfterMs: Math.min(found.notAfterMs, certificate.notAfterMs) };
    }
    throw refusal ?? new CredentialError('x509: certificate signed by unknown authority');
  }

  #isSigned(certificate: X509Certificate, by: X509Certificate): boolean {
    if (!certificate.checkIssued(by)) return false;
    if (++this.#signatureChecks > mostSignatureChecks) throw new SearchTooLong();
    return certificate.verify(by.publicKey);
  }

  /** `between`: how many authorities stand between this one and the client's certificate; -1 for that itself. */
  #check(
    { certificate, notBeforeMs, notAfterMs, extendedKeyUsages: usages }: ParsedCertificate,
    between: number,
  ): void {
    if (this.#nowMs < notBeforeMs || this.#nowMs > notAfterMs)
      throw new CredentialError('x509: certificate has expired or is not yet valid');
    // Without the extension a certificate is good for everything.
    if (usages.length && !usages.some(u => u === clientAuthUsage || u === anyUsage))
      throw new CredentialError('x509: certificate specifies an incompatible key usage');
    const extensions = readExtensions(certificate);
    if (extensions.some(e => e.critical && !handled.has(e.id)))
      throw new CredentialError('x509: unhandled critical extension');
    if (between > (pathLengthOf(extensions) ?? between))
      throw new CredentialError('x509: too many intermediates for path length constraint');
  }
}

/** Throws CredentialError: other readers are not as strict. */
function readExtensions(certificate: X509Certificate): readonly Extension[] {
  try {
    return extensionsOf(certificate.raw);
  } catch {
    throw new CredentialError('x509: malformed certificate');
  }
}

/** Throws CredentialError unless there is one, or none. */
function uidOf(certificate: X509Certificate): string | undefined {
  const { subject } = certificate.toLegacyObject() as unknown as { subject?: Record<string, string | string[]> };
  const uid = subject?.[uidAttribute];
  if (Array.isArray(uid)) throw new CredentialError(`expected 1 UID, but found multiple: [${uid.join(' ')}]`);
  if (uid === '') throw new CredentialError('UID cannot be an empty string');
  return uid;
}
