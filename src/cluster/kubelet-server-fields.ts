// The fields of a KubeletConfiguration that concern the kubelet's own ports.
import { readFileSync } from 'node:fs';
import type { AccessSettings } from '../kubelet/server/access.ts';
import type { KubeletServerOptions } from '../kubelet/server/server.ts';
import type { ServingTls } from '../kubelet/server/serving-tls.ts';
import { integer, invalid, isMap, milliseconds, texts, typed } from './kubelet-values.ts';
import { curves, suites, tlsChoice, versions } from './tls-choice.ts';

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
  const tls = { ...tlsChoice(given), ...(Object.keys(files).length ? { files } : {}) };
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
