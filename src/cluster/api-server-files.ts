// Files that configure the API server in Kubernetes' own forms: audit policy and log, and what access-files.ts reads.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { Policy } from '../api/type/audit-v1.ts';
import { checkPolicy } from '../apiserver/audit/kernel/policy.ts';
import { AuditLogFile } from '../apiserver/audit/log-file.ts';
import type { ApiServerOptions } from '../apiserver/server-options.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { readAccessFiles } from './access-files.ts';
import type { ApiServerFiles } from './api-server-fields.ts';

export interface ReadFiles {
  readonly options: Pick<ApiServerOptions, 'audit'> & ReturnType<typeof readAccessFiles>;
  /** Writes what is left. */
  close(): Promise<void>;
}

/** Throws an error that names the file. */
export function readApiServerFiles(files: ApiServerFiles | undefined, deps: { clock: Clock; log: Log }): ReadFiles {
  const { auditPolicyFile, auditLogPath } = files ?? {};
  const policy = auditPolicyFile ? read(auditPolicyFile, value => checkPolicy(value as Policy)) : undefined;
  // As with kube-apiserver: without a policy nothing is recorded, without a path nothing kept.
  const file =
    policy && auditLogPath
      ? new AuditLogFile({
          path: auditLogPath,
          ...(files?.auditLogMaxAge ? { maxAgeDays: files.auditLogMaxAge } : {}),
          ...(files?.auditLogMaxBackup ? { maxBackups: files.auditLogMaxBackup } : {}),
          ...(files?.auditLogMaxSize ? { maxSizeMb: files.auditLogMaxSize } : {}),
          ...deps,
        })
      : undefined;
  return {
    options: {
      ...(policy && file ? { audit: { policy, sinks: [file] } } : {}),
      ...readAccessFiles(files ?? {}),
    },
    close: async () => file?.close(),
  };
}

function read<T>(file: string, make: (value: unknown) => T): T {
  try {
    return make(parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new Error(`reading ${file}: ${messageOf(error)}`, { cause: error });
  }
}
