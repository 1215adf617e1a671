// How often the lifetime that was asked of a certificate was given, by Kubernetes' names.
import type { CertificateSigningRequest } from '../../api/type/certificates-v1.ts';
import { parseCertificates } from '../../base/x509.ts';
import type { RegistryHooks } from '../registry/registry.ts';
import type { ServerCounts } from './server-counts.ts';

/** Signers date certificates back a little. */
const toleranceMs = 600_000;

/** Hooks of certificatesigningrequests. */
export function csrCounts(counts: Pick<ServerCounts, 'csr'>): RegistryHooks {
  return {
    afterUpdate(object, old) {
      const { spec, status } = object as CertificateSigningRequest;
      const { status: before } = old as CertificateSigningRequest;
      if (spec.expirationSeconds === undefined || !status?.certificate || before?.certificate) return;
      counts.csr(spec.signerName, isHonored(status.certificate, spec.expirationSeconds * 1000));
    },
  };
}

function isHonored(certificate: string, askedMs: number): boolean {
  try {
    const [issued] = parseCertificates(Buffer.from(certificate, 'base64').toString());
    if (!issued) return false;
    return Math.abs(issued.notAfterMs - issued.notBeforeMs - askedMs) < toleranceMs;
  } catch {
    return false;
  }
}
