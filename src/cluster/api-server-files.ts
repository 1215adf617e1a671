// Files that configure the API server in Kubernetes' own forms: what audit-flags.ts and access-files.ts read.
import type { ApiServerOptions } from '../apiserver/server-options.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { readAccessFiles } from './access-files.ts';
import type { ApiServerFiles } from './api-server-fields.ts';
import { readAudit } from './audit-flags.ts';

export interface ReadFiles {
  readonly options: Pick<ApiServerOptions, 'audit' | (typeof admitting)[number]> & ReturnType<typeof readAccessFiles>;
  /** Writes what is left. */
  close(): Promise<void>;
}

const admitting = ['enablePriorityAndFairness', 'maxRequestsInflight', 'maxMutatingRequestsInflight'] as const;

/** Throws an error that names the file. */
export function readApiServerFiles(files: ApiServerFiles = {}, deps: { clock: Clock; log: Log }): ReadFiles {
  const access = readAccessFiles(files);
  const { audit, close } = readAudit(files, deps);
  const limits = Object.fromEntries(admitting.filter(n => files[n] !== undefined).map(n => [n, files[n]]));
  return { options: { ...(audit ? { audit } : {}), ...limits, ...access }, close };
}
