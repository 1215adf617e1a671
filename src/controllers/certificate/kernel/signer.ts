// What the built-in signers demand of a certificate request, and what they make of its usages.
import type { CertificateSigningRequest } from '../../../api/type/certificates-v1.ts';

export const clientSigner = 'kubernetes.io/kube-apiserver-client';
export const kubeletClientSigner = 'kubernetes.io/kube-apiserver-client-kubelet';
export const kubeletServingSigner = 'kubernetes.io/kubelet-serving';
export const legacySigner = 'kubernetes.io/legacy-unknown';
export const signers: readonly string[] = [clientSigner, kubeletClientSigner, kubeletServingSigner, legacySigner];

/** What the request itself says. */
export interface RequestNames {
  readonly subject: { readonly commonName: string; readonly organizations: readonly string[] };
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly emailAddresses: readonly string[];
  readonly uris: readonly string[];
}

/** Why the signer refuses; undefined: it does not. */
export function refusal(signer: string, request: RequestNames, usages: readonly string[]): string | undefined {
  switch (signer) {
    case clientSigner:
      return refusedClientUsages(usages);
    case kubeletClientSigner:
      return refusedKubelet(request, usages, 'client auth') ?? refusedNames(request, ['dns', 'email', 'ip', 'uri']);
    case kubeletServingSigner:
      if (request.dnsNames.length === 0 && request.ipAddresses.length === 0)
        return 'DNS or IP subjectAltName is required';
      return refusedKubelet(request, usages, 'server auth') ?? refusedNames(request, ['email', 'uri']);
    default:
      return undefined;
  }
}

function refusedClientUsages(usages: readonly string[]): string | undefined {
  const allowed = new Set(['key encipherment', 'digital signature', 'client auth']);
  const bad = usages.find(u => !allowed.has(u));
  if (bad !== undefined) return `usage "${bad}" is not allowed`;
  return usages.includes('client auth') ? undefined : 'usage "client auth" is required';
}

function refusedKubelet(request: RequestNames, usages: readonly string[], role: string): string | undefined {
  const { commonName, organizations } = request.subject;
  if (organizations.length !== 1 || organizations[0] !== 'system:nodes')
    return 'subject organization is not system:nodes';
  if (!commonName.startsWith('system:node:')) return 'subject common name does not begin with system:node:';
  const rest = new Set(usages);
  if (rest.has('digital signature') && rest.has(role)) {
    for (const usage of ['digital signature', 'key encipherment', role]) rest.delete(usage);
    if (rest.size === 0) return undefined;
  }
  return `usages did not match ["digital signature" "key encipherment" "${role}"]`;
}

type NameKind = 'dns' | 'email' | 'ip' | 'uri';

function refusedNames(r: RequestNames, kinds: readonly NameKind[]): string | undefined {
  const found: Readonly<Record<NameKind, [string, readonly string[]]>> = {
    dns: ['DNS', r.dnsNames],
    email: ['email', r.emailAddresses],
    ip: ['IP', r.ipAddresses],
    uri: ['URI', r.uris],
  };
  const kind = kinds.find(k => found[k][1].length > 0);
  return kind && `${found[kind][0]} subjectAltNames are not allowed`;
}

export const hasCondition = (csr: CertificateSigningRequest, type: string): boolean =>
  csr.status?.conditions?.some(c => c.type === type) ?? false;

const keyUsageBits: Readonly<Record<string, number>> = {
  signing: 1,
  'digital signature': 1,
  'content commitment': 2,
  'key encipherment': 4,
  'data encipherment': 8,
  'key agreement': 16,
  'cert sign': 32,
  'crl sign': 64,
  'encipher only': 128,
  'decipher only': 256,
};

const pkix = '1.3.6.1.5.5.7.3';
const extendedIds: Readonly<Record<string, string>> = {
  any: '2.5.29.37.0',
  'server auth': `${pkix}.1`,
  'client auth': `${pkix}.2`,
  'code signing': `${pkix}.3`,
  'email protection': `${pkix}.4`,
  's/mime': `${pkix}.4`,
  'ipsec end system': `${pkix}.5`,
  'ipsec tunnel': `${pkix}.6`,
  'ipsec user': `${pkix}.7`,
  timestamping: `${pkix}.8`,
  'ocsp signing': `${pkix}.9`,
  'microsoft sgc': '1.3.6.1.4.1.311.10.3.3',
  'netscape sgc': '2.16.840.1.113730.4.1',
};

export function certificateUsages(usages: readonly string[]): {
  keyUsages: number;
  extendedKeyUsages: readonly string[];
} {
  let keyUsages = 0;
  const extended = new Set<string>();
  for (const usage of usages) {
    keyUsages |= keyUsageBits[usage] ?? 0;
    if (extendedIds[usage]) extended.add(extendedIds[usage]);
    if (!keyUsageBits[usage] && !extendedIds[usage]) throw new Error(`unrecognized usage: "${usage}"`);
  }
  return { keyUsages, extendedKeyUsages: [...extended] };
}

const backdateMs = 300_000;
const shortMs = 8 * 3_600_000;
const minMs = 600_000;

/** What has been asked for, within ten minutes and `ttlMs`. Begins a little before now, and a long life ends as much earlier. */
export function lifetime(
  expirationSeconds: number | undefined,
  ttlMs: number,
  nowMs: number,
): { notBeforeMs: number; notAfterMs: number } {
  const asked = expirationSeconds === undefined ? ttlMs : expirationSeconds * 1000;
  const ms = Math.min(Math.max(asked, minMs), ttlMs);
  return { notBeforeMs: nowMs - backdateMs, notAfterMs: nowMs + ms - (ms >= shortMs ? backdateMs : 0) };
}
