// The fields of a KubeletConfiguration that concern the kubelet's own ports.
import { readFileSync } from 'node:fs';
import type { AccessSettings } from '../kubelet/server/access.ts';
import type { KubeletServerOptions } from '../kubelet/server/server.ts';
import type { ServingTls } from '../kubelet/server/serving-tls.ts';
import { integer, invalid, isMap, milliseconds, texts, typed } from './kubelet-values.ts';

export type ServerSettings = Partial<
  Pick<
    KubeletServerOptions,
    'profiling' | 'debugging' | 'systemLogs' | 'logQueries' | 'host' | 'access' | 'healthz' | 'readOnly'
  >
> & {
  /** Default true. */
  readonly enabled?: boolean;
  readonly tls?: Pick<ServingTls, 'files' | 'minVersion' | 'ciphers' | 'curves'>;
};

export type ServerGiven = Readonly<{
  address?: string;
  enableServer?: boolean;
  readOnlyPort?: number;
  healthzPort?: number;
  healthzBindAddress?: string;
  tlsCertFile?: string;
  tlsPrivateKeyFile?: string;
  tlsMinVersion?: string;
  tlsCipherSuites?: readonly string[];
  tlsCurvePreferences?: readonly number[];
  authentication?: {
    readonly x509?: { readonly clientCAFile?: string };
    readonly webhook?: { readonly enabled?: boolean; readonly cacheTTL?: string };
    readonly anonymous?: { readonly enabled?: boolean };
  };
  authorization?: {
    readonly mode?: string;
    readonly webhook?: { readonly cacheAuthorizedTTL?: string; readonly cacheUnauthorizedTTL?: string };
  };
}>;

type Check = (value: unknown, name: string) => unknown;
const bool: Check = (value, name) => typed<boolean>(value, name, 'boolean');
const text: Check = (value, name) => typed<string>(value, name, 'string');
const port: Check = (value, name) => integer(value, name, 0, 65_535);

/** A map with these fields and no others. */
const map =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value, name) => {
    if (!isMap(value)) throw invalid(name, value, 'must be a map');
    for (const [key, own] of Object.entries(value)) {
      if (!Object.hasOwn(fields, key)) throw new Error(`strict decoding error: unknown field "${name}.${key}"`);
      if (own !== null) fields[key]!(own, `${name}.${key}`);
    }
  };

const versions: Readonly<Record<string, NonNullable<ServingTls['minVersion']>>> = {
  ...{ VersionTLS10: 'TLSv1', VersionTLS11: 'TLSv1.1', VersionTLS12: 'TLSv1.2', VersionTLS13: 'TLSv1.3' },
};

// Those of Go that OpenSSL has, by its names. Suites of TLS 1.3 cannot be chosen.
const suites: Readonly<Record<string, string>> = {
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
const newest = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';

// By Go's numbers of crypto/tls.
const curves: Readonly<Record<number, string>> = {
  ...{ 23: 'P-256', 24: 'P-384', 25: 'P-521', 29: 'X25519', 4588: 'X25519MLKEM768' },
};

export const serverFields: Readonly<Record<string, Check>> = {
  address: text,
  authentication: map({
    x509: map({ clientCAFile: text }),
    webhook: map({ enabled: bool, cacheTTL: milliseconds }),
    anonymous: map({ enabled: bool }),
  }),
  authorization: map({
    mode(value, name) {
      if (value !== '' && value !== 'Webhook' && value !== 'AlwaysAllow')
        throw invalid(name, value, 'must be one of "AlwaysAllow", "Webhook"');
    },
    webhook: map({ cacheAuthorizedTTL: milliseconds, cacheUnauthorizedTTL: milliseconds }),
  }),
  enableServer: bool,
  healthzBindAddress: text,
  healthzPort: port,
  readOnlyPort: port,
  tlsCertFile: text,
  tlsCipherSuites(value, name) {
    for (const suite of texts(value, name))
      if (!Object.hasOwn(suites, suite)) throw invalid(name, suite, `must be of ${Object.keys(suites).join(', ')}`);
  },
  tlsCurvePreferences(value, name) {
    const known = Array.isArray(value) && value.every(id => Object.hasOwn(curves, String(id)));
    if (!known) throw invalid(name, value, `must be a list of ${Object.keys(curves).join(', ')}`);
  },
  tlsMinVersion(value, name) {
    if (value !== '' && !Object.hasOwn(versions, typed<string>(value, name, 'string')))
      throw invalid(name, value, `must be one of ${Object.keys(versions).join(', ')}`);
  },
  tlsPrivateKeyFile: text,
};

/** Throws what does not go together. */
export function serverSettings(given: ServerGiven): ServerSettings {
  const { tlsCertFile: cert = '', tlsPrivateKeyFile: key = '', authentication, address } = given;
  if (!cert !== !key) throw new Error('tlsCertFile and tlsPrivateKeyFile must be given together');
  const ca = authentication?.x509?.clientCAFile;
  const files = { ...(cert ? { cert, key } : {}), ...(ca ? { ca } : {}) };
  for (const file of Object.values(files)) readFileSync(file);
  const tls = { ...tlsOf(given), ...(Object.keys(files).length ? { files } : {}) };
  const access = accessOf(given);
  return {
    ...(address && address !== '0.0.0.0' && address !== '::' ? { host: address } : {}),
    ...(given.enableServer === false ? { enabled: false } : {}),
    ...(Object.keys(tls).length ? { tls } : {}),
    ...(Object.keys(access).length ? { access } : {}),
    ...(given.healthzPort
      ? { healthz: { host: given.healthzBindAddress || '127.0.0.1', port: given.healthzPort } }
      : {}),
    ...(given.readOnlyPort ? { readOnly: { port: given.readOnlyPort, ...(address ? { host: address } : {}) } } : {}),
  };
}

function tlsOf({ tlsMinVersion, tlsCipherSuites: chosen, tlsCurvePreferences: preferred }: ServerGiven) {
  const minVersion = tlsMinVersion ? versions[tlsMinVersion] : undefined;
  return {
    ...(minVersion ? { minVersion } : {}),
    ...(chosen?.length ? { ciphers: [newest, ...chosen.map(suite => suites[suite])].join(':') } : {}),
    ...(preferred?.length ? { curves: preferred.map(id => curves[id]).join(':') } : {}),
  };
}

function accessOf({ authentication: who, authorization: what }: ServerGiven): AccessSettings {
  const ms = (key: keyof AccessSettings, time: string | undefined): AccessSettings =>
    time ? { [key]: milliseconds(time, key) } : {};
  return {
    ...(who?.anonymous?.enabled ? { anonymous: true } : {}),
    ...(who?.webhook?.enabled === false ? { webhook: false } : {}),
    ...ms('tokenMs', who?.webhook?.cacheTTL),
    ...(what?.mode === 'AlwaysAllow' ? { authorize: what.mode } : {}),
    ...ms('allowedMs', what?.webhook?.cacheAuthorizedTTL),
    ...ms('deniedMs', what?.webhook?.cacheUnauthorizedTTL),
  };
}
