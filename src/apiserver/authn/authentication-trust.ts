// What aggregated API servers need to know to believe this one: kube-system/extension-apiserver-authentication.
import { coreV1 } from '../../api/refs.ts';
import { isAlreadyExists, isNotFound } from '../../api/status.ts';
import { parseCertificates } from '../../base/x509.ts';
import type { Client } from '../../client/client.ts';
import type { FrontProxyOptions } from './front-proxy.ts';

export interface AuthenticationTrust {
  /** PEM of the authorities whose client certificates are believed. */
  readonly clientCa: string;
  /** PEM of the authorities of front proxies. */
  readonly frontProxyCa?: string | undefined;
  /** How a proxy in front names users. */
  readonly requestHeader?: FrontProxyOptions | undefined;
  /** Authorities that have ended are left out. */
  readonly nowMs: number;
}

type Data = Readonly<Record<string, string>>;

export const trustKey = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };

/** Adds what is missing: what other servers of the cluster believe stays, and what this one believed before. */
export async function ensureAuthenticationTrust(client: Client, trust: AuthenticationTrust): Promise<void> {
  for (;;) {
    let data: Data | undefined;
    try {
      data = (await client.get(coreV1.configmaps, trustKey)).data ?? {};
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    const wanted = merged(data ?? {}, trust);
    if (data) {
      if (Object.entries(wanted).some(([name, value]) => data[name] !== value))
        await client.patch(coreV1.configmaps, trustKey, { type: 'merge', body: { data: wanted } });
      return;
    }
    try {
      await client.create(coreV1.configmaps, { metadata: trustKey, data: wanted });
      return;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
}

function merged(data: Data, { clientCa, frontProxyCa, requestHeader = {}, nowMs }: AuthenticationTrust): Data {
  const bundle = (name: string, more: string) => ({ [name]: bundleOf([data[name] ?? '', more], nowMs) });
  const list = (name: string, more: readonly string[]) => ({
    [name]: JSON.stringify([...new Set([...listIn(data[name]), ...more])]),
  });
  if (!frontProxyCa) return bundle('client-ca-file', clientCa);
  return {
    ...bundle('client-ca-file', clientCa),
    ...list('requestheader-allowed-names', requestHeader.allowedNames ?? ['front-proxy-client']),
    ...bundle('requestheader-client-ca-file', frontProxyCa),
    ...list('requestheader-extra-headers-prefix', requestHeader.extraHeadersPrefixes ?? ['X-Remote-Extra-']),
    ...list('requestheader-group-headers', requestHeader.groupHeaders ?? ['X-Remote-Group']),
    ...list('requestheader-uid-headers', requestHeader.uidHeaders ?? ['X-Remote-Uid']),
    ...list('requestheader-username-headers', requestHeader.usernameHeaders ?? ['X-Remote-User']),
  };
}

function bundleOf(texts: readonly string[], nowMs: number): string {
  const byFingerprint = new Map<string, string>();
  for (const { fingerprint, certificate, notAfterMs } of texts.flatMap(certificatesIn))
    if (notAfterMs >= nowMs) byFingerprint.set(fingerprint, certificate.toString());
  return [...byFingerprint.values()].join('');
}

/** None in what somebody has damaged. */
function certificatesIn(pem: string) {
  try {
    return parseCertificates(pem);
  } catch {
    return [];
  }
}

function listIn(text = '[]'): readonly string[] {
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? list.filter(item => typeof item === 'string') : [];
  } catch {
    return [];
  }
}
