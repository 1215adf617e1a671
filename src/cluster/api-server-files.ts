// Files that configure the API server in Kubernetes' own forms: what audit-flags.ts and access-files.ts read.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { ApiServerOptions } from '../apiserver/server-options.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { readAccessFiles } from './access-files.ts';
import { readAdmissionFile } from './admission-file.ts';
import type { ApiServerFiles } from './api-server-fields.ts';
import { readAudit } from './audit-flags.ts';
import { readTracingFile } from './tracing-file.ts';

export interface ReadFiles {
  readonly options: Pick<
    ApiServerOptions,
    'audit' | 'podSecurity' | 'admission' | 'tracing' | 'flags' | (typeof taken)[number]
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
] as const;

/** Throws an error that names the file. */
export function readApiServerFiles(files: ApiServerFiles = {}, deps: { clock: Clock; log: Log }): ReadFiles {
  const access = readAccessFiles(files);
  const { audit, close } = readAudit(files, deps);
  const same = Object.fromEntries(taken.filter(n => files[n] !== undefined).map(n => [n, files[n]]));
  const tracing = files.tracingConfigFile ? { tracing: readTracingFile(files.tracingConfigFile) } : {};
  const admission = files.admissionControlConfigFile ? readAdmissionFile(files.admissionControlConfigFile) : {};
  const flags = flagsOf(files);
  const shown = Object.keys(flags).length ? { flags } : {};
  return { options: { ...(audit ? { audit } : {}), ...same, ...admission, ...tracing, ...shown, ...access }, close };
}

/** As kube-apiserver has them on its command line, for /flagz. */
function flagsOf(files: ApiServerFiles): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).map(([name, value]) => [
      name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`),
      Array.isArray(value) ? `[${value.join(',')}]` : String(value),
    ]),
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
