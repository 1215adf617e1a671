// Does a secret's key fit its certificate? Told in the words of Go's crypto/tls, as Kubernetes does.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { type PemBlock, pemBlocks, pemText } from '../../../base/pem.ts';

const CERTIFICATE = 'CERTIFICATE';

/** What is wrong with a certificate and its key, both base64 of PEM. */
export function keyPairFault(certificate: string | undefined, key: string | undefined): string | undefined {
  const certificates = blocksOf(certificate);
  const leaf = certificates.find(b => b.type === CERTIFICATE);
  if (!leaf) return certificateMissing(certificates.map(b => b.type));
  const keys = blocksOf(key);
  const at = keys.findIndex(b => b.type === 'PRIVATE KEY' || b.type.endsWith(' PRIVATE KEY'));
  if (at < 0) return keyMissing(keys.map(b => b.type));
  const own = attempt(() => new X509Certificate(leaf.der));
  if (!own) return 'x509: malformed certificate';
  const secret = attempt(() => createPrivateKey(pemText(keys[at]!.type, keys[at]!.der)));
  if (!secret) return 'tls: failed to parse private key';
  if (own.checkPrivateKey(secret)) return undefined;
  return sameType(own.publicKey, secret)
    ? 'tls: private key does not match public key'
    : 'tls: private key type does not match public key type';
}

const blocksOf = (base64: string | undefined): PemBlock[] =>
  pemBlocks(Buffer.from(base64 ?? '', 'base64').toString('latin1'));

const sameType = (a: KeyObject, b: KeyObject): boolean => a.asymmetricKeyType === b.asymmetricKeyType;

function certificateMissing(skipped: readonly string[]): string {
  if (skipped.length === 0) return 'tls: failed to find any PEM data in certificate input';
  if (skipped.length === 1 && skipped[0]!.endsWith('PRIVATE KEY'))
    return 'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched';
  return `tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [${skipped.join(' ')}]`;
}

function keyMissing(skipped: readonly string[]): string {
  if (skipped.length === 0) return 'tls: failed to find any PEM data in key input';
  if (skipped.length === 1 && skipped[0] === CERTIFICATE)
    return 'tls: found a certificate rather than a key in the PEM for the private key';
  return `tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [${skipped.join(' ')}]`;
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    // Whatever the library says of bytes that are no such thing, they are none.
    return undefined;
  }
}
