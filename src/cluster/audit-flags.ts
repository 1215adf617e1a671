// The flags of kube-apiserver about audit, and what they come to: a policy, a log, a webhook.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { parseDuration } from '../api/scalar.ts';
import type { Policy } from '../api/type/audit-v1.ts';
import { type BatchOptions, DeliveringSink } from '../apiserver/audit/delivering-sink.ts';
import { checkPolicy } from '../apiserver/audit/kernel/policy.ts';
import { AuditLogFile, appendTo } from '../apiserver/audit/log-file.ts';
import { type AuditMode, auditModes } from '../apiserver/audit/sink.ts';
import type { AuditWebhookOptions } from '../apiserver/audit/webhook-sink.ts';
import type { ApiServerOptions } from '../apiserver/server-options.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { accessTo, readKubeconfig } from '../client/kubeconfig.ts';

/** By name, and what kind of value each takes. */
export const auditFields = {
  auditPolicyFile: 'file',
  auditLogPath: 'output',
  /** Days. */
  auditLogMaxAge: 'integer',
  auditLogMaxBackup: 'integer',
  /** Megabytes. */
  auditLogMaxSize: 'integer',
  auditLogCompress: 'boolean',
  auditLogFormat: 'text',
  auditLogVersion: 'text',
  auditLogMode: 'text',
  auditLogBatchBufferSize: 'integer',
  auditLogBatchMaxSize: 'integer',
  auditLogBatchMaxWait: 'duration',
  auditLogBatchThrottleEnable: 'boolean',
  auditLogBatchThrottleQps: 'number',
  auditLogBatchThrottleBurst: 'integer',
  auditLogTruncateEnabled: 'boolean',
  /** Bytes, as the next. */
  auditLogTruncateMaxEventSize: 'integer',
  auditLogTruncateMaxBatchSize: 'integer',
  auditWebhookConfigFile: 'file',
  auditWebhookInitialBackoff: 'duration',
  auditWebhookVersion: 'text',
  auditWebhookMode: 'text',
  auditWebhookBatchBufferSize: 'integer',
  auditWebhookBatchMaxSize: 'integer',
  auditWebhookBatchMaxWait: 'duration',
  auditWebhookBatchThrottleEnable: 'boolean',
  auditWebhookBatchThrottleQps: 'number',
  auditWebhookBatchThrottleBurst: 'integer',
  auditWebhookTruncateEnabled: 'boolean',
  auditWebhookTruncateMaxEventSize: 'integer',
  auditWebhookTruncateMaxBatchSize: 'integer',
} as const;

type ValueOf<K> = K extends 'integer' | 'number' ? number : K extends 'boolean' ? boolean : string;
export type AuditFlags = { readonly [F in keyof typeof auditFields]?: ValueOf<(typeof auditFields)[F]> };

interface Deps {
  readonly clock: Clock;
  readonly log: Log;
}

export interface ReadAudit {
  readonly audit?: NonNullable<ApiServerOptions['audit']>;
  /** Writes what is left. */
  close(): Promise<void>;
}

/** As with kube-apiserver: without a policy nothing is recorded, without a path or webhook nothing kept. */
export function readAudit(flags: AuditFlags, deps: Deps): ReadAudit {
  const { auditPolicyFile, auditLogPath, auditWebhookConfigFile } = flags;
  // What is not to be used is not looked at.
  const log = auditLogPath ? pluginOf(flags, 'auditLog') : undefined;
  const webhook = auditWebhookConfigFile ? pluginOf(flags, 'auditWebhook') : undefined;
  const policy = auditPolicyFile ? readPolicy(auditPolicyFile) : undefined;
  const file = log && policy ? logSink(flags, auditLogPath!, log, deps) : undefined;
  if (!policy || !(file || webhook)) return { close: async () => {} };
  return {
    audit: {
      policy,
      sinks: file ? [file] : [],
      ...(webhook ? { webhook: webhookOf(flags, auditWebhookConfigFile!, webhook, deps) } : {}),
    },
    close: async () => file?.close(),
  };
}

function readPolicy(file: string): Policy {
  try {
    return checkPolicy(parse(readFileSync(file, 'utf8')) as Policy);
  } catch (error) {
    throw new Error(`loading audit policy file: ${messageOf(error)}: from file ${file}`, { cause: error });
  }
}

type Plugin = Pick<AuditWebhookOptions, 'mode' | 'batch' | 'truncate'>;

interface Defaults extends BatchOptions {
  readonly mode: AuditMode;
  readonly name: string;
  readonly throttled: boolean;
}

const defaults: Readonly<Record<'auditLog' | 'auditWebhook', Defaults>> = {
  auditLog: { name: 'log', mode: 'blocking', bufferSize: 10_000, maxSize: 1, maxWaitMs: 0, throttled: false },
  auditWebhook: {
    name: 'webhook',
    mode: 'batch',
    bufferSize: 10_000,
    maxSize: 400,
    maxWaitMs: 30_000,
    throttled: true,
    throttle: { qps: 10, burst: 15 },
  },
};

/** What log and webhook have in common. Throws an error that names the flag. */
function pluginOf(flags: AuditFlags, prefix: 'auditLog' | 'auditWebhook'): Plugin {
  const flag = <T>(name: string) => (flags as Readonly<Record<string, unknown>>)[prefix + name] as T | undefined;
  const { name, throttled, throttle: usual, ...base } = defaults[prefix];
  const mode = flag<AuditMode>('Mode') ?? base.mode;
  if (!auditModes.includes(mode))
    throw new Error(`invalid audit ${name} mode ${mode}, allowed modes are "${auditModes.join(',')}"`);
  const version = flag<string>('Version') ?? 'audit.k8s.io/v1';
  if (version !== 'audit.k8s.io/v1') throw new Error('invalid group version, allowed versions are ["audit.k8s.io/v1"]');
  const positive = (what: string, value: number): number => {
    if (value > 0 || mode !== 'batch') return value;
    throw new Error(`invalid audit batch ${name} ${what} ${value}, must be a positive number`);
  };
  const wait = flag<string>('BatchMaxWait');
  const batch: BatchOptions = {
    bufferSize: positive('buffer size', flag<number>('BatchBufferSize') ?? base.bufferSize),
    maxSize: positive('max batch size', flag<number>('BatchMaxSize') ?? base.maxSize),
    maxWaitMs: wait === undefined ? base.maxWaitMs : parseDuration(wait) / 1e6,
    ...((flag<boolean>('BatchThrottleEnable') ?? throttled)
      ? {
          throttle: {
            qps: positive('throttle QPS', flag<number>('BatchThrottleQps') ?? usual?.qps ?? 0),
            burst: positive('throttle burst', flag<number>('BatchThrottleBurst') ?? usual?.burst ?? 0),
          },
        }
      : {}),
  };
  const maxEventBytes = flag<number>('TruncateMaxEventSize') ?? 102_400;
  const maxBatchBytes = flag<number>('TruncateMaxBatchSize') ?? 10 << 20;
  if (maxEventBytes <= 0)
    throw new Error(`invalid audit truncate ${name} max event size ${maxEventBytes}, must be a positive number`);
  if (maxBatchBytes < maxEventBytes)
    throw new Error(
      `invalid audit truncate ${name} max batch size ${maxBatchBytes}, must be greater than max event size (${maxEventBytes})`,
    );
  return { mode, batch, ...(flag<boolean>('TruncateEnabled') ? { truncate: { maxEventBytes, maxBatchBytes } } : {}) };
}

const formats = ['legacy', 'json'];

function logSink(flags: AuditFlags, path: string, plugin: Plugin, deps: Deps): DeliveringSink {
  const { auditLogFormat: given = 'json' } = flags;
  if (!formats.includes(given))
    throw new Error(`invalid audit log format ${given}, allowed formats are "${formats.join(',')}"`);
  const format = given as 'json' | 'legacy';
  const common = { ...plugin, ...deps, plugin: 'log' };
  if (path === '-') return new DeliveringSink({ ...common, write: events => appendTo(process.stdout, events, format) });
  const file = new AuditLogFile({
    path,
    format,
    maxAgeDays: flags.auditLogMaxAge ?? 366,
    maxBackups: flags.auditLogMaxBackup ?? 100,
    maxSizeMb: flags.auditLogMaxSize ?? 100,
    ...(flags.auditLogCompress ? { compress: true } : {}),
    ...deps,
  });
  return new DeliveringSink({ ...common, write: events => file.append(events), close: () => file.close() });
}

function webhookOf(flags: AuditFlags, file: string, plugin: Plugin, { clock }: Deps): AuditWebhookOptions {
  const backoff = flags.auditWebhookInitialBackoff;
  return {
    ...plugin,
    access: accessTo(readKubeconfig(file), clock),
    initialBackoffMs: backoff === undefined ? 10_000 : parseDuration(backoff) / 1e6,
  };
}
