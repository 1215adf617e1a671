// Versions, cipher suites and curves of TLS by the names and numbers that Go's crypto/tls has for them.
import type { SecureVersion } from 'node:tls';

export const versions: Readonly<Record<string, SecureVersion>> = {
  ...{ VersionTLS10: 'TLSv1', VersionTLS11: 'TLSv1.1', VersionTLS12: 'TLSv1.2', VersionTLS13: 'TLSv1.3' },
};

// Those of Go that OpenSSL has, by its names. Suites of TLS 1.3 cannot be chosen.
export const suites: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
};
const newest = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];

// By Go's numbers of crypto/tls.
export const curves: Readonly<Record<number, string>> = {
  ...{ 23: 'P-256', 24: 'P-384', 25: 'P-521', 29: 'X25519', 4588: 'X25519MLKEM768' },
};

export interface TlsGiven {
  readonly tlsMinVersion?: string;
  readonly tlsCipherSuites?: readonly string[];
  readonly tlsCurvePreferences?: readonly number[];
}

export interface TlsChoice {
  readonly minVersion?: SecureVersion;
  readonly ciphers?: string;
  readonly curves?: string;
}

/** Of what is known; nothing for what is not given. */
export function tlsChoice(given: TlsGiven): TlsChoice {
  const { tlsMinVersion, tlsCipherSuites: chosen, tlsCurvePreferences: preferred } = given;
  const minVersion = tlsMinVersion ? versions[tlsMinVersion] : undefined;
  const older = chosen?.flatMap(suite => suites[suite] ?? []);
  return {
    ...(minVersion ? { minVersion } : {}),
    ...(chosen?.length ? { ciphers: [...newest, ...older!].join(':') } : {}),
    ...(preferred?.length ? { curves: preferred.map(id => curves[id]).join(':') } : {}),
  };
}

/** In kube-apiserver's words. */
export function checkTls({ tlsMinVersion, tlsCipherSuites = [] }: TlsGiven): void {
  if (tlsMinVersion && !Object.hasOwn(versions, tlsMinVersion))
    throw new Error(`unknown tls version ${JSON.stringify(tlsMinVersion)}`);
  const unknown = tlsCipherSuites.find(suite => !Object.hasOwn(suites, suite) && !newest.includes(suite));
  if (unknown !== undefined) throw new Error(`Cipher suite ${unknown} not supported or doesn't exist`);
}
