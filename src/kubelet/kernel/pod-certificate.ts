// What came of a PodCertificateRequest, and when a pod's certificate is to be renewed.
import { type Draft, parseTime } from '../../api/meta.ts';
import type { PodCertificateRequest } from '../../api/type/certificates-v1beta1.ts';
import type { Pod, PodCertificateProjection } from '../../api/type/core-v1.ts';
import { pemBlocks, pemText } from '../../base/pem.ts';

export interface Issued {
  readonly keyPem: string;
  /** Without what stood between the certificates. */
  readonly chainPem: string;
  /** When the signer wants it renewed. */
  readonly beginRefreshAtMs: number;
  /** When this kubelet begins with that. */
  readonly refreshAtMs: number;
  readonly notAfterMs: number;
}

export interface Refusal {
  readonly type: 'Denied' | 'Failed';
  readonly reason: string;
  readonly message: string;
}

const maxJitterMs = 5 * 60_000;
/** So long after it should have been renewed, a certificate is overdue. */
export const overdueAfterMs = 10 * 60_000;

/** Undefined: nobody has answered yet. */
export function answerOf(
  { status }: PodCertificateRequest,
  keyPem: string,
  jitter: number,
): Issued | Refusal | undefined {
  for (const { type, status: on, reason = '', message = '' } of status?.conditions ?? []) {
    if (on !== 'True') continue;
    if (type === 'Denied' || type === 'Failed') return { type, reason, message };
    if (type !== 'Issued') continue;
    const chainPem = pemBlocks(status.certificateChain ?? '')
      .map(b => pemText(b.type, b.der))
      .join('');
    const notAfterMs = parseTime(status.notAfter) ?? 0;
    const beginRefreshAtMs = parseTime(status.beginRefreshAt) ?? notAfterMs;
    const spanMs = Math.min(maxJitterMs, Math.max(0, notAfterMs - beginRefreshAtMs) / 2);
    return { keyPem, chainPem, beginRefreshAtMs, refreshAtMs: beginRefreshAtMs + jitter * spanMs, notAfterMs };
  }
  return undefined;
}

export const refusalError = ({ type, reason, message }: Refusal): string =>
  `PodCertificateRequest was permanently ${type.toLowerCase()}: reason=${JSON.stringify(reason)} message=${JSON.stringify(message)}`;

export interface Requester {
  readonly serviceAccountUid: string;
  readonly nodeUid: string;
  /** Of the PKCS#10 request, base64. */
  readonly stub: string;
}

export function certificateRequest(
  pod: Pod,
  source: PodCertificateProjection,
  { serviceAccountUid, nodeUid, stub }: Requester,
): Draft<PodCertificateRequest> {
  const { namespace = '', name = '', uid = '' } = pod.metadata;
  const { signerName, maxExpirationSeconds, userAnnotations } = source;
  return {
    metadata: { namespace, generateName: 'req-', ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name, uid }] },
    spec: {
      ...{ signerName, podName: name, podUID: uid },
      ...{ serviceAccountName: pod.spec.serviceAccountName || 'default', serviceAccountUID: serviceAccountUid },
      ...{ nodeName: pod.spec.nodeName ?? '', nodeUID: nodeUid, stubPKCS10Request: stub },
      ...(maxExpirationSeconds === undefined ? {} : { maxExpirationSeconds }),
      ...(userAnnotations ? { unverifiedUserAnnotations: { ...userAnnotations } } : {}),
    },
  };
}
