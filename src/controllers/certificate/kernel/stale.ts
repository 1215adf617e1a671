import { parseTime } from '../../../api/meta.ts';
import type { CertificateSigningRequest } from '../../../api/type/certificates-v1.ts';

const hourMs = 3_600_000;
const pendingMs = 24 * hourMs;

/** Nobody needs the request any more. `certificateEndMs`: when the certificate issued for it ends. */
export function isStale(csr: CertificateSigningRequest, certificateEndMs: number | undefined, nowMs: number): boolean {
  const conditions = csr.status?.conditions ?? [];
  const old = (time: string | undefined, ms: number) => nowMs - (parseTime(time) ?? nowMs) > ms;
  if (conditions.length === 0) return old(csr.metadata.creationTimestamp, pendingMs);
  const issued = !!csr.status?.certificate;
  return conditions.some(c => {
    if (c.type === 'Denied' || c.type === 'Failed') return old(c.lastUpdateTime, hourMs);
    if (c.type !== 'Approved' || !issued) return false;
    return old(c.lastUpdateTime, hourMs) || (certificateEndMs !== undefined && certificateEndMs < nowMs);
  });
}
