// Files that configure the API server in Kubernetes' own forms: audit policy and log, AuthenticationConfiguration.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { Policy } from '../api/type/audit-v1.ts';
import { checkPolicy } from '../apiserver/audit/kernel/policy.ts';
import { AuditLogFile } from '../apiserver/audit/log-file.ts';
import { compileAuthenticators, type JwtAuthenticator } from '../apiserver/authn/oidc/configuration.ts';
import { defaultIssuer } from '../apiserver/authn/user.ts';
import type { ApiServerOptions } from '../apiserver/server-options.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';

/** Named as the flags of kube-apiserver. Absolute paths. */
export interface ApiServerFiles {
  readonly auditPolicyFile?: string;
  readonly auditLogPath?: string;
  /** Days. */
  readonly auditLogMaxAge?: number;
  readonly auditLogMaxBackup?: number;
  /** Megabytes. */
  readonly auditLogMaxSize?: number;
  readonly authenticationConfig?: string;
}

export interface ReadFiles {
  readonly options: Pick<ApiServerOptions, 'audit' | 'authentication'>;
  /** Writes what is left. */
  close(): Promise<void>;
}

/** Throws an error that names the file. */
export function readApiServerFiles(files: ApiServerFiles | undefined, deps: { clock: Clock; log: Log }): ReadFiles {
  const { auditPolicyFile, auditLogPath, authenticationConfig } = files ?? {};
  const policy = auditPolicyFile ? read(auditPolicyFile, value => checkPolicy(value as Policy)) : undefined;
  const authentication = authenticationConfig ? read(authenticationConfig, authenticationOf) : undefined;
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
      ...(authentication ? { authentication } : {}),
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

const groupVersions = ['apiserver.config.k8s.io/v1', 'apiserver.config.k8s.io/v1beta1'];

interface AuthenticationConfiguration {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly jwt?: readonly JwtAuthenticator[];
  readonly anonymous?: { readonly enabled?: boolean; readonly conditions?: readonly { readonly path: string }[] };
}

function authenticationOf(value: unknown): NonNullable<ApiServerOptions['authentication']> {
  const { apiVersion = '', kind, jwt = [], anonymous } = (value ?? {}) as AuthenticationConfiguration;
  if (kind !== 'AuthenticationConfiguration' || !groupVersions.includes(apiVersion))
    throw new Error(`an AuthenticationConfiguration of ${groupVersions[0]} is needed`);
  compileAuthenticators(jwt, [defaultIssuer]);
  if (!anonymous) return { jwt };
  if (!anonymous.enabled && anonymous.conditions?.length)
    throw new Error('anonymous.conditions: Invalid value: enabled should be set to true when conditions are defined');
  const paths = anonymous.conditions?.map(c => c.path) ?? ['*'];
  return { jwt, anonymousPaths: anonymous.enabled ? paths : [] };
}
