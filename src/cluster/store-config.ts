// Flags of `k8ts server`, and where a control plane keeps its objects: a directory of its own, or an etcd that several
// share.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parseFeatureGates } from '../api/feature-gates.ts';
import { builtinResources } from '../api/resource.ts';
import { parseRuntimeConfig } from '../apiserver/runtime-config.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Store } from '../store/store.ts';
import type { ApiServerFiles } from './api-server-fields.ts';
import { apiServerFlags, readApiServerFlags, withTruth } from './api-server-flags.ts';

export interface EtcdStoreConfig {
  readonly type: 'etcd';
  /** `https://10.0.0.1:2379` */
  readonly servers: readonly string[];
  /** Default: `/registry`. */
  readonly prefix?: string;
  /** PEM files: what signed etcd's certificate; the client's certificate and its key. */
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

export interface LmdbStoreConfig {
  readonly type: 'lmdb';
  /** Creates and updates are refused (507) beyond so many bytes. Default: 8 GiB. */
  readonly maxBytes?: number;
}

export type StoreConfig = LmdbStoreConfig | EtcdStoreConfig;

export interface ServerFlags {
  readonly store?: StoreConfig;
  readonly leaderElect?: boolean;
  readonly featureGates?: Readonly<Record<string, boolean>>;
  readonly runtimeConfig?: Readonly<Record<string, boolean>>;
  readonly apiServer?: ApiServerFiles;
}

const text = { type: 'string' } as const;
const flags = {
  ...apiServerFlags,
  'etcd-servers': { type: 'string', multiple: true },
  'etcd-prefix': text,
  'etcd-cafile': text,
  'etcd-certfile': text,
  'etcd-keyfile': text,
  'quota-backend-bytes': text,
  'leader-elect': { type: 'boolean' },
  'feature-gates': { type: 'string', multiple: true },
  'runtime-config': { type: 'string', multiple: true },
} as const;

/** Throws in the words of Go's flags. */
function valuesOf(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: flags, allowNegative: true }).values;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const [flag] = /--?[a-z\d-]+/i.exec(message) ?? [''];
    const why =
      code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION'
        ? `unknown flag: ${flag}`
        : code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE'
          ? `flag needs an argument: ${flag}`
          : message;
    throw new Error(why, { cause: error });
  }
}

/** Flags behind `k8ts server --config FILE`, by kube-apiserver's names; they win over the file. Throws an error to show. */
export function readServerFlags(args: readonly string[]): ServerFlags {
  // As Go's flags have it.
  const plain = args.map(arg =>
    withTruth(arg)
      .replace(/^--leader-elect=true$/, '--leader-elect')
      .replace(/^--leader-elect=false$/, '--no-leader-elect'),
  );
  const values = valuesOf(plain);
  const leaderElect = values['leader-elect'];
  const apiServer = readApiServerFlags(values);
  const switched = {
    ...(leaderElect === undefined ? {} : { leaderElect }),
    ...switches(values['feature-gates'], values['runtime-config']),
    ...(apiServer ? { apiServer } : {}),
  };
  const servers = (values['etcd-servers'] ?? []).flatMap(list => list.split(',')).filter(s => s !== '');
  const given = (name: string, value: string | undefined) => (value ? { [name]: value } : {});
  const others = {
    ...given('prefix', values['etcd-prefix']),
    ...given('caFile', values['etcd-cafile']),
    ...given('certFile', values['etcd-certfile']),
    ...given('keyFile', values['etcd-keyfile']),
  };
  if (servers.length === 0 && Object.keys(others).length > 0)
    throw new Error('--etcd-servers must be specified with the other --etcd- flags');
  const quota = values['quota-backend-bytes'];
  if (quota !== undefined && (servers.length > 0 || !/^[1-9]\d*$/.test(quota)))
    throw new Error(
      `--quota-backend-bytes ${quota}: want a number of bytes, for the store in a directory; etcd has a flag of its own`,
    );
  if (quota !== undefined) return { store: { type: 'lmdb', maxBytes: Number(quota) }, ...switched };
  return {
    ...(servers.length ? { store: { type: 'etcd', servers, ...others } } : {}),
    ...switched,
  };
}

/** Of a gate or an API that both name the flag counts. */
export const withFlags = <C extends ServerFlags>(config: C, flags: ServerFlags): C => ({
  ...config,
  ...flags,
  featureGates: { ...config.featureGates, ...flags.featureGates },
  runtimeConfig: { ...config.runtimeConfig, ...flags.runtimeConfig },
  ...(flags.apiServer ? { apiServer: { ...config.apiServer, ...flags.apiServer } } : {}),
});

function switches(gates: string[] | undefined, kinds: string[] | undefined): ServerFlags {
  const read = <T>(flag: string, values: string[] | undefined, parse: (values: readonly string[]) => T) => {
    try {
      return values && parse(values);
    } catch (error) {
      throw new Error(`--${flag}: ${messageOf(error)}`, { cause: error });
    }
  };
  const featureGates = read('feature-gates', gates, parseFeatureGates);
  const runtimeConfig = read('runtime-config', kinds, v => parseRuntimeConfig(v, builtinResources().resources));
  return { ...(featureGates ? { featureGates } : {}), ...(runtimeConfig ? { runtimeConfig } : {}) };
}

interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** `directory` is where lmdb keeps its files. Throws an error that names what is wrong. */
export async function openStore(
  config: StoreConfig | undefined,
  directory: string,
  { clock, random, log }: Surroundings,
): Promise<Store> {
  if (!config || config.type === 'lmdb') {
    const { openLmdbStore } = await import('../store/lmdb-store.ts');
    const { maxBytes } = config ?? {};
    if (maxBytes !== undefined && !(Number.isSafeInteger(maxBytes) && maxBytes > 0))
      throw new Error(`store: maxBytes is ${maxBytes}: want a number of bytes`);
    return openLmdbStore({ directory, clock, log, ...(maxBytes ? { maxBytes } : {}) });
  }
  if (config.type !== 'etcd')
    throw new Error(`store: there is no type ${JSON.stringify((config as { type: unknown }).type)}: want lmdb or etcd`);
  const { openEtcdStore } = await import('../store/etcd-store.ts');
  const { servers, prefix } = config;
  return openEtcdStore({
    servers,
    ...(prefix ? { prefix } : {}),
    tls: etcdTls(config),
    clock,
    random,
    log,
  });
}

/** What the files named hold. Throws an error that names the file. */
export function etcdTls({ caFile, certFile, keyFile }: EtcdStoreConfig): { ca?: string; cert?: string; key?: string } {
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new Error('store: certFile and keyFile must be given together');
  return { ...pem('ca', caFile), ...pem('cert', certFile), ...pem('key', keyFile) };
}

function pem(name: 'ca' | 'cert' | 'key', file: string | undefined): { [name: string]: string } {
  if (!file) return {};
  try {
    return { [name]: readFileSync(file, 'utf8') };
  } catch (error) {
    throw new Error(`store: reading ${name}File ${file}: ${messageOf(error)}`, { cause: error });
  }
}
