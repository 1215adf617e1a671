// Credentials from a plugin: a command that prints an ExecCredential (client.authentication.k8s.io).
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { parseTime } from '../api/meta.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { HttpClientOptions } from './http-client.ts';

export interface ExecConfig {
  apiVersion: string;
  command: string;
  args?: string[] | null;
  env?: { name: string; value: string }[] | null;
  installHint?: string;
  interactiveMode?: string;
  provideClusterInfo?: boolean;
}

interface ExecCredential {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly status?: {
    readonly token?: string;
    readonly clientCertificateData?: string;
    readonly clientKeyData?: string;
    readonly expirationTimestamp?: string;
  };
}

const run = promisify(execFile);
const timeoutMs = 60_000;

/**
 * Asks the plugin at once, because a certificate must be known before the first connection; a token is asked for again
 * when it has expired, or is no longer accepted.
 */
export function execCredentials(
  config: ExecConfig,
  clock: Clock,
  cluster: { server: string; ca?: string },
): Partial<HttpClientOptions> {
  const args = [...(config.args ?? [])];
  const options = { encoding: 'utf8', timeout: timeoutMs, env: environment(config, cluster) } as const;
  let first: string;
  try {
    first = execFileSync(config.command, args, { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
  } catch (error) {
    throw failure(config, error);
  }
  const status = parseCredential(config, first);
  const out: Partial<HttpClientOptions> = {};
  if (status.clientCertificateData && status.clientKeyData) {
    out.cert = status.clientCertificateData;
    out.key = status.clientKeyData;
  }
  if (status.token === undefined) return out;
  let token = status.token;
  let untilMs = parseTime(status.expirationTimestamp);
  let asking: Promise<string> | undefined;
  const ask = async () => {
    try {
      const fresh = parseCredential(config, (await run(config.command, args, options)).stdout);
      token = fresh.token ?? token;
      untilMs = parseTime(fresh.expirationTimestamp);
      return token;
    } catch (error) {
      throw failure(config, error);
    } finally {
      asking = undefined;
    }
  };
  out.token = refused => {
    if (refused !== token && (untilMs === undefined || clock.now() < untilMs)) return token;
    asking ??= ask();
    return asking;
  };
  return out;
}

function environment(config: ExecConfig, { server, ca }: { server: string; ca?: string }): NodeJS.ProcessEnv {
  const info = {
    kind: 'ExecCredential',
    apiVersion: config.apiVersion,
    spec: {
      interactive: false,
      ...(config.provideClusterInfo
        ? { cluster: { server, ...(ca ? { 'certificate-authority-data': Buffer.from(ca).toString('base64') } : {}) } }
        : {}),
    },
  };
  const own = Object.fromEntries((config.env ?? []).map(e => [e.name, e.value]));
  return { ...process.env, ...own, KUBERNETES_EXEC_INFO: JSON.stringify(info) };
}

function parseCredential(config: ExecConfig, text: string): NonNullable<ExecCredential['status']> {
  let credential: ExecCredential;
  try {
    credential = JSON.parse(text) as ExecCredential;
  } catch (error) {
    throw new Error(`decoding stdout: ${messageOf(error)}`);
  }
  if (credential.apiVersion !== config.apiVersion)
    throw new Error(
      `exec plugin is configured to use API version ${config.apiVersion}, plugin returned version ${credential.apiVersion}`,
    );
  const { status } = credential;
  if (!status) throw new Error("exec plugin didn't return a status field");
  if (!status.token && !status.clientCertificateData && !status.clientKeyData)
    throw new Error("exec plugin didn't return a token or cert/key pair");
  if (!status.clientCertificateData !== !status.clientKeyData)
    throw new Error('exec plugin returned only certificate or key, not both');
  return status;
}

function failure(config: ExecConfig, error: unknown): Error {
  const missing = (error as { code?: string }).code === 'ENOENT';
  const what = missing ? `executable ${config.command} not found` : messageOf(error);
  const hint = missing && config.installHint ? `\n\n${config.installHint}` : '';
  return new Error(`getting credentials: exec: ${what}${hint}`, { cause: error });
}
