// Reads kubeconfig files and says how to reach a cluster from them.
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { type ExecConfig, execCredentials } from './exec-credential.ts';
import type { HttpClientOptions } from './http-client.ts';
import { followTlsFiles, type TlsFiles, type TlsMaterial } from './tls-files.ts';

export interface KubeconfigCluster {
  server: string;
  'certificate-authority'?: string;
  /** Base64 of PEM, as all `-data`. */
  'certificate-authority-data'?: string;
  'insecure-skip-tls-verify'?: boolean;
  'tls-server-name'?: string;
  'proxy-url'?: string;
}

export interface KubeconfigUser {
  'client-certificate'?: string;
  'client-certificate-data'?: string;
  'client-key'?: string;
  'client-key-data'?: string;
  token?: string;
  tokenFile?: string;
  username?: string;
  password?: string;
  as?: string;
  'as-uid'?: string;
  'as-groups'?: string[];
  exec?: ExecConfig;
}

export interface KubeconfigContext {
  cluster: string;
  user?: string;
  namespace?: string;
}

/** As the files say it, with paths made absolute. */
export interface Kubeconfig {
  kind?: string;
  apiVersion?: string;
  'current-context'?: string;
  preferences?: object;
  clusters: { name: string; cluster: KubeconfigCluster }[];
  users: { name: string; user: KubeconfigUser }[];
  contexts: { name: string; context: KubeconfigContext }[];
}

export interface LoadOptions {
  /** --kubeconfig: only this file, which must exist. */
  path?: string;
  /** Default: process.env. */
  env?: Readonly<Record<string, string | undefined>>;
}

export interface ContextOverrides {
  context?: string;
  cluster?: string;
  user?: string;
  server?: string;
  namespace?: string;
}

/** How to reach a cluster; what httpClient takes, and the namespace to use when none is named. */
export interface ClusterAccess extends HttpClientOptions {
  namespace: string;
}

const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';
const tokenFileTtlMs = 60_000;

/** From --kubeconfig, else the files in KUBECONFIG (the first to say something wins), else ~/.kube/config. */
export function loadKubeconfig(options: LoadOptions = {}): Kubeconfig {
  const { path, env = process.env } = options;
  if (path) return readKubeconfig(path);
  const listed = (env.KUBECONFIG ?? '').split(delimiter).filter(Boolean);
  const files = listed.length > 0 ? listed : [join(env.HOME ?? '/', '.kube', 'config')];
  return mergeKubeconfigs(files.filter(f => existsSync(f)).map(readKubeconfig));
}

/** Paths inside are taken from the file's folder. */
export function readKubeconfig(file: string): Kubeconfig {
  try {
    return parseKubeconfig(readFileSync(file, 'utf8'), dirname(resolve(file)));
  } catch (error) {
    throw new Error(`error loading config file "${file}": ${messageOf(error)}`, { cause: error });
  }
}

export function parseKubeconfig(text: string, folder: string): Kubeconfig {
  const raw = (parse(text) ?? {}) as Partial<Kubeconfig>;
  const absolute = <T extends object>(holder: T, ...fields: (keyof T)[]): T => {
    const out = { ...holder };
    for (const f of fields) if (typeof out[f] === 'string' && out[f]) out[f] = resolve(folder, out[f]) as T[keyof T];
    return out;
  };
  return {
    ...raw,
    clusters: (raw.clusters ?? []).map(c => ({ ...c, cluster: absolute(c.cluster, 'certificate-authority') })),
    users: (raw.users ?? []).map(u => ({
      ...u,
      user: withExecFolder(absolute(u.user ?? {}, 'client-certificate', 'client-key', 'tokenFile'), folder),
    })),
    contexts: raw.contexts ?? [],
  };
}

/** A command with a slash in it is taken from the file's folder, another is looked for in PATH. */
function withExecFolder(user: KubeconfigUser, folder: string): KubeconfigUser {
  const { exec } = user;
  if (!exec?.command.includes('/')) return user;
  return { ...user, exec: { ...exec, command: resolve(folder, exec.command) } };
}

/** Where two define the same name, the first is taken. */
export function mergeKubeconfigs(configs: readonly Kubeconfig[]): Kubeconfig {
  const merged: Kubeconfig = { kind: 'Config', apiVersion: 'v1', clusters: [], users: [], contexts: [] };
  const addNew = <T extends { name: string }>(into: T[], from: readonly T[]) => {
    for (const item of from) if (!into.some(i => i.name === item.name)) into.push(item);
  };
  for (const c of configs) {
    addNew(merged.clusters, c.clusters);
    addNew(merged.users, c.users);
    addNew(merged.contexts, c.contexts);
    if (!merged['current-context'] && c['current-context']) merged['current-context'] = c['current-context'];
  }
  return merged;
}

/** Resolves files and data; `clock` dates the reading of token files and the credentials of plugins. */
export function accessTo(config: Kubeconfig, clock: Clock, overrides: ContextOverrides = {}): ClusterAccess {
  const name = overrides.context ?? config['current-context'];
  const context = name ? config.contexts.find(c => c.name === name)?.context : undefined;
  if (overrides.context && !context) throw new Error(`context "${overrides.context}" does not exist`);
  const clusterName = overrides.cluster ?? context?.cluster;
  const cluster = config.clusters.find(c => c.name === clusterName)?.cluster;
  if (overrides.cluster && !cluster) throw new Error(`cluster "${overrides.cluster}" does not exist`);
  const server = overrides.server ?? cluster?.server;
  if (!server) throw new Error('invalid configuration: no configuration has been provided');
  if (cluster?.['proxy-url']) throw new Error('proxy-url is not supported');
  const userName = overrides.user ?? context?.user;
  const user = config.users.find(u => u.name === userName)?.user;
  if (overrides.user && !user) throw new Error(`auth info "${overrides.user}" does not exist`);
  const ca = pem(cluster?.['certificate-authority-data'], cluster?.['certificate-authority']);
  const given = user ? credentials(user, clock, { server, ...(ca ? { ca } : {}) }) : {};
  const first = { ...(ca ? { ca } : {}), ...pairOf(given) };
  return {
    server,
    namespace: overrides.namespace ?? (context?.namespace || 'default'),
    ...(ca ? { ca } : {}),
    ...(cluster?.['insecure-skip-tls-verify'] ? { insecureSkipTlsVerify: true } : {}),
    ...(cluster?.['tls-server-name'] ? { serverName: cluster['tls-server-name'] } : {}),
    ...given,
    ...followed(filesOf(cluster, user), first, clock),
  };
}

const pairOf = ({ cert, key }: HttpClientOptions | Partial<HttpClientOptions>): TlsMaterial =>
  cert && key ? { cert, key } : {};

/** What is not written in the kubeconfig itself. */
function filesOf(cluster: KubeconfigCluster | undefined, user: KubeconfigUser | undefined): TlsFiles {
  const { 'certificate-authority': ca, 'certificate-authority-data': caData } = cluster ?? {};
  const { 'client-certificate': cert, 'client-certificate-data': certData } = user ?? {};
  const { 'client-key': key, 'client-key-data': keyData } = user ?? {};
  return { ...(ca && !caData ? { ca } : {}), ...(cert && key && !certData && !keyData ? { cert, key } : {}) };
}

const followed = (files: TlsFiles, first: TlsMaterial, clock: Clock): Pick<HttpClientOptions, 'tls'> =>
  files.ca || files.cert ? { tls: followTlsFiles(files, first, clock) } : {};

function credentials(
  user: KubeconfigUser,
  clock: Clock,
  cluster: { server: string; ca?: string },
): Partial<HttpClientOptions> {
  const cert = pem(user['client-certificate-data'], user['client-certificate']);
  const key = pem(user['client-key-data'], user['client-key']);
  // A file may be renewed and counts before a token that is given; a plugin is asked when there is neither.
  const token = user.tokenFile ? tokenFromFile(user.tokenFile, clock) : user.token;
  return {
    ...(cert && key ? { cert, key } : {}),
    ...(token ? { token } : {}),
    ...(!cert && !token && user.exec ? execCredentials(user.exec, clock, cluster) : {}),
    ...(user.username ? { basic: { username: user.username, password: user.password ?? '' } } : {}),
    ...(user.as
      ? {
          impersonate: {
            user: user.as,
            ...(user['as-uid'] ? { uid: user['as-uid'] } : {}),
            ...(user['as-groups'] ? { groups: user['as-groups'] } : {}),
          },
        }
      : {}),
  };
}

/** From inside a pod; undefined outside of one. */
export function inClusterAccess(
  clock: Clock,
  env: Readonly<Record<string, string | undefined>> = process.env,
  folder: string = serviceAccountFolder,
): ClusterAccess | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (!host || !port || !existsSync(join(folder, 'token'))) return undefined;
  const caFile = join(folder, 'ca.crt');
  const ca = pem(undefined, caFile);
  const namespace = existsSync(join(folder, 'namespace')) ? readFileSync(join(folder, 'namespace'), 'utf8').trim() : '';
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ...(ca ? { ca, ...followed({ ca: caFile }, { ca }, clock) } : {}),
    token: tokenFromFile(join(folder, 'token'), clock),
    namespace: namespace || 'default',
  };
}

/** Kubelets renew these files: they are read again after a minute, or when what they held is no longer accepted. */
function tokenFromFile(file: string, clock: Clock): (refused?: string) => string {
  let token = '';
  let readMs = Number.NEGATIVE_INFINITY;
  return refused => {
    if (refused !== token && clock.monotonic() - readMs < tokenFileTtlMs) return token;
    try {
      token = readFileSync(file, 'utf8').trim();
      readMs = clock.monotonic();
    } catch (error) {
      // The one read before may still do.
      if (!token) throw new Error(`read token file "${file}": ${messageOf(error)}`, { cause: error });
    }
    return token;
  };
}

function pem(data: string | undefined, file: string | undefined): string | undefined {
  if (data) return Buffer.from(data, 'base64').toString('utf8');
  return file ? readFileSync(file, 'utf8') : undefined;
}
