// Files that configure the API server in Kubernetes' own forms: what audit-flags.ts and access-files.ts read.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { parseDuration } from '../api/scalar.ts';
import { crossOrigin } from '../apiserver/cross-origin.ts';
import { type EgressProxies, readEgressProxies } from '../apiserver/egress/proxy-settings.ts';
import type { ApiServerOptions } from '../apiserver/server-options.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { readAccessFiles } from './access-files.ts';
import { readAdmissionFile } from './admission-file.ts';
import type { ApiServerFiles } from './api-server-fields.ts';
import { flagOf } from './api-server-flags.ts';
import { readAudit } from './audit-flags.ts';
import { checkTls, tlsChoice } from './tls-choice.ts';
import { readTracingFile } from './tracing-file.ts';

export interface ReadFiles {
  readonly options: Pick<
    ApiServerOptions,
    | 'audit'
    | 'podSecurity'
    | 'admission'
    | 'tracing'
    | 'egress'
    | 'flags'
    | 'requestTimeoutMs'
    | 'eventTtlMs'
    | 'shutdownDelayMs'
    | 'serving'
    | (typeof taken)[number]
  > &
    ReturnType<typeof readAccessFiles>;
  /** Writes what is left. */
  close(): Promise<void>;
}

const taken = [
  'enableAdmissionPlugins',
  'disableAdmissionPlugins',
  'defaultNotReadyTolerationSeconds',
  'defaultUnreachableTolerationSeconds',
  'enablePriorityAndFairness',
  'maxRequestsInflight',
  'maxMutatingRequestsInflight',
  'profiling',
  'minRequestTimeout',
  'goawayChance',
  'strictTransportSecurityDirectives',
  'corsAllowedOrigins',
] as const;

/** Throws an error that names the file. */
export function readApiServerFiles(files: ApiServerFiles = {}, deps: { clock: Clock; log: Log }): ReadFiles {
  checkRequestFlags(files);
  const access = readAccessFiles(files);
  const { audit, close } = readAudit(files, deps);
  const same = Object.fromEntries(taken.filter(n => files[n] !== undefined).map(n => [n, files[n]]));
  const tracing = files.tracingConfigFile ? { tracing: readTracingFile(files.tracingConfigFile) } : {};
  const egress = files.egressSelectorConfigFile ? { egress: readEgress(files.egressSelectorConfigFile) } : {};
  const admission = files.admissionControlConfigFile ? readAdmissionFile(files.admissionControlConfigFile) : {};
  const { requestTimeout, eventTtl, shutdownDelayDuration: delay } = files;
  const times = {
    ...(requestTimeout ? { requestTimeoutMs: parseDuration(requestTimeout) / nsAMs } : {}),
    ...(delay ? { shutdownDelayMs: parseDuration(delay) / nsAMs } : {}),
    ...(eventTtl ? { eventTtlMs: parseDuration(eventTtl) / nsAMs } : {}),
  };
  const flags = flagsOf(files);
  const shown = Object.keys(flags).length ? { flags } : {};
  return {
    options: {
      ...(audit ? { audit } : {}),
      ...same,
      ...times,
      ...servingOf(files),
      ...admission,
      ...tracing,
      ...egress,
      ...shown,
      ...access,
    },
    close,
  };
}

/** Throws an error that names the file. */
function readEgress(file: string): EgressProxies {
  try {
    const proxies = readEgressProxies(readFileSync(file, 'utf8'));
    if (proxies.etcd) throw new Error('egress selections of etcd are direct here');
    return proxies;
  } catch (error) {
    throw new Error(`reading ${file}: ${messageOf(error)}`, { cause: error });
  }
}

const goawayMost = 0.02;
const nsAMs = 1e6;

/** In kube-apiserver's words. */
function checkRequestFlags(files: ApiServerFiles): void {
  if (files.corsAllowedOrigins) crossOrigin(files.corsAllowedOrigins);
  const { goawayChance = 0, minRequestTimeout = 0, requestTimeout = '0s', strictTransportSecurityDirectives } = files;
  const { maxRequestsInflight = 0, maxMutatingRequestsInflight = 0 } = files;
  if (maxRequestsInflight < 0) throw new Error('--max-requests-inflight can not be negative value');
  if (maxMutatingRequestsInflight < 0) throw new Error('--max-mutating-requests-inflight can not be negative value');
  if (goawayChance < 0 || goawayChance > goawayMost)
    throw new Error(`--goaway-chance can not be less than 0 or greater than ${goawayMost}`);
  if (minRequestTimeout < 0) throw new Error('--min-request-timeout can not be negative value');
  if (parseDuration(files.shutdownDelayDuration ?? '0s') < 0)
    throw new Error('--shutdown-delay-duration can not be negative value');
  if (parseDuration(requestTimeout) < 0) throw new Error('--request-timeout can not be negative value');
  if (strictTransportSecurityDirectives?.some(d => !/^(max-age=.*|includeSubDomains|preload)$/.test(d)))
    throw new Error(
      '--strict-transport-security-directives invalid, allowed values: max-age=expireTime, includeSubDomains, preload. see https://tools.ietf.org/html/rfc6797#section-6.1 for more information',
    );
}

function servingOf(files: ApiServerFiles): Pick<ApiServerOptions, 'serving'> {
  checkTls(files);
  const { disableHttp2Serving, http2MaxStreamsPerConnection: maxStreams } = files;
  const { minVersion, ciphers } = tlsChoice(files);
  const serving = {
    ...(minVersion ? { minVersion } : {}),
    ...(ciphers ? { ciphers } : {}),
    ...(disableHttp2Serving ? { http2: false } : {}),
    ...(maxStreams ? { maxStreams } : {}),
  };
  return Object.keys(serving).length ? { serving } : {};
}

/** As kube-apiserver has them on its command line, for /flagz. */
function flagsOf(files: ApiServerFiles): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [flagOf(name), Array.isArray(value) ? `[${value.join(',')}]` : String(value)]),
  );
}

/** Other servers of the store ask this one where its clients do, unless told otherwise. */
export function readPeer(
  { peerCaFile, peerAdvertiseIp, peerAdvertisePort }: ApiServerFiles = {},
  advertise: { readonly address: string; readonly port: number },
): Pick<ApiServerOptions, 'peer'> {
  if (!peerCaFile) {
    if (peerAdvertiseIp || peerAdvertisePort)
      throw new Error('peerAdvertiseIp and peerAdvertisePort: peerCaFile must be set with them');
    return {};
  }
  if (peerAdvertiseIp && !isIP(peerAdvertiseIp))
    throw new Error(`peerAdvertiseIp ${JSON.stringify(peerAdvertiseIp)} is not an IP address`);
  const { address, port } = {
    address: peerAdvertiseIp ?? advertise.address,
    port: peerAdvertisePort ?? advertise.port,
  };
  try {
    return { peer: { ca: readFileSync(peerCaFile, 'utf8'), address, port } };
  } catch (error) {
    throw new Error(`reading ${peerCaFile}: ${messageOf(error)}`, { cause: error });
  }
}
