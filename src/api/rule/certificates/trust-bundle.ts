// The rules of ClusterTrustBundles.
import { isAuthority } from '../../../base/certificate-request.ts';
import { pemBlocks } from '../../../base/pem.ts';
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import { IMMUTABLE, isDns1123Subdomain } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { ClusterTrustBundle } from '../../type/certificates-v1beta1.ts';
import { isCertificate } from './certificate.ts';
import { validateSignerName } from './signer-name.ts';

const MAX_BYTES = 1024 * 1024;
const OMITTED = '<value omitted>';
const NAME = path('metadata.name');
const SPEC = path('spec');

/** Of a signer, its name with colons for slashes begins the bundle's; without one no colon may be there. */
export function trustBundleNameComplaints(name: string, signer: string): readonly string[] {
  if (!signer) {
    if (name.includes(':')) return ['ClusterTrustBundle without signer name must not have ":" in its name'];
    return isDns1123Subdomain(name);
  }
  const prefix = `${signer.replaceAll('/', ':')}:`;
  if (!name.startsWith(prefix))
    return [`ClusterTrustBundle for signerName ${signer} must be named with prefix ${prefix}`];
  return isDns1123Subdomain(name.slice(prefix.length));
}

/** Certificates of authorities and nothing else, none of them twice. */
function validateAnchors(bundle: string, at: FieldPath, errors: FieldErrors): void {
  if (Buffer.byteLength(bundle) > MAX_BYTES) {
    errors.tooLong(at, MAX_BYTES);
    return;
  }
  const indexes = new Map<string, number[]>();
  let faults = 0;
  for (const [i, { type, hasHeaders, der }] of pemBlocks(bundle).entries()) {
    const fault =
      type !== 'CERTIFICATE'
        ? `has bad block type: ${type}`
        : hasHeaders
          ? 'has PEM block headers'
          : !isCertificate(der)
            ? 'does not parse as X.509'
            : !isAuthority(der)
              ? 'does not have the CA bit set'
              : undefined;
    if (fault) {
      faults++;
      errors.invalid(at, OMITTED, `entry ${i} ${fault}`);
    } else indexes.getOrInsertComputed(der.toBase64(), () => []).push(i);
  }
  if (faults > 0) return;
  if (indexes.size === 0) errors.invalid(at, OMITTED, 'at least one trust anchor must be provided');
  for (const same of indexes.values())
    if (same.length > 1) errors.invalid(at, OMITTED, `duplicate trust anchor (indices [${same.join(' ')}])`);
}

export const trustBundleStrategy: Strategy<ClusterTrustBundle> = {
  // Depends on the signer: checked below.
  nameRule: 'any',
  allowUnconditionalUpdate: false,
  validate({ metadata, spec }, errors, { old }) {
    const signer = spec?.signerName ?? '';
    for (const m of trustBundleNameComplaints(metadata.name ?? '', signer)) errors.invalid(NAME, metadata.name, m);
    if (signer) validateSignerName(signer, SPEC.child('signerName'), errors);
    // What is stored was read when it came.
    if (old && (old as ClusterTrustBundle).spec?.trustBundle === spec?.trustBundle) return;
    validateAnchors(spec?.trustBundle ?? '', SPEC.child('trustBundle'), errors);
  },
  validateUpdate(now, old, errors) {
    if ((now.spec?.signerName ?? '') !== (old.spec?.signerName ?? ''))
      errors.invalid(SPEC.child('signerName'), now.spec?.signerName ?? '', IMMUTABLE);
  },
};
