// k8ts store: backup, restore, migrate, compact, status.
import { existsSync } from 'node:fs';
import { messageOf } from '../../base/assert.ts';
import { silentLog } from '../../base/log.ts';
import { StoreCopyError } from '../../store/store-copy.ts';
import { StoreOpenError } from '../../store/store-error.ts';
import { readRoleConfig, type ServerConfig } from '../role.ts';
import type { EtcdStoreConfig } from '../store-config.ts';
import type { OperationDeps, StoreAt, StoreStatistics, Transfer } from '../store-operations.ts';
import { type CliContext, mustState, pathsOf } from './context.ts';
import { CliError, exitCode } from './exit.ts';
import { isRunning, withLock } from './lifecycle.ts';
import { table } from './status.ts';

export interface StoreOptions {
  readonly name?: string;
  readonly config?: string;
  readonly directory?: string;
  readonly etcdServers?: string;
  readonly etcdPrefix?: string;
  readonly etcdCafile?: string;
  readonly etcdCertfile?: string;
  readonly etcdKeyfile?: string;
  readonly output?: string;
}

interface RestoreOptions extends StoreOptions {
  readonly bumpRevision?: string;
  readonly mostEmptyWrites?: string;
}

interface MigrateOptions extends StoreOptions {
  readonly from: string;
  readonly to: string;
  readonly mostEmptyWrites?: string;
}

export async function backup(context: CliContext, file: string, options: StoreOptions): Promise<void> {
  const at = storeOf(context, options);
  await acting(context, options, `writing a backup to ${file}`, async deps => {
    const { backupStore } = await import('../store-operations.ts');
    const done = await backupStore(at, file, deps);
    return {
      data: { file, ...done },
      text: `${file}: ${done.keys} keys, ${bytes(done.bytes)}, revision ${done.revision}`,
    };
  });
}

export async function restore(context: CliContext, file: string, options: RestoreOptions): Promise<void> {
  const at = storeOf(context, options);
  if (!existsSync(file)) throw new CliError(`${file}: no such file`, exitCode.usage);
  const numbers = {
    ...count('--bump-revision', 'bumpRevision', options.bumpRevision),
    ...count('--most-empty-writes', 'mostEmptyWrites', options.mostEmptyWrites),
  };
  await stopped(context, options, at, () =>
    acting(context, options, `restoring ${file}`, async deps => {
      const { restoreStore } = await import('../store-operations.ts');
      const done = await restoreStore(file, at, numbers, deps);
      const kept = done.keptAs ? `; the former data is ${done.keptAs}` : '';
      return { data: { file, ...done }, text: `${toldOf(done)}${kept}` };
    }),
  );
}

export async function migrate(context: CliContext, options: MigrateOptions): Promise<void> {
  const from = addressed('--from', options.from, options);
  const to = addressed('--to', options.to, options);
  const most = count('--most-empty-writes', 'mostEmptyWrites', options.mostEmptyWrites);
  await acting(context, options, `copying ${options.from} to ${options.to}`, async deps => {
    const { migrateStore } = await import('../store-operations.ts');
    const done = await migrateStore(from, to, most, deps);
    return { data: { ...done }, text: toldOf(done) };
  });
}

export async function compact(context: CliContext, options: StoreOptions): Promise<void> {
  const at = storeOf(context, options);
  await stopped(context, options, at, () =>
    acting(context, options, 'compacting', async deps => {
      const { compactStore } = await import('../store-operations.ts');
      const { revision, bytesBefore, bytesAfter } = await compactStore(at, deps);
      const sizes = bytesAfter === undefined ? '' : `, ${bytes(bytesBefore!)} before, ${bytes(bytesAfter)} now`;
      return { data: { revision, bytesBefore, bytesAfter }, text: `compacted at revision ${revision}${sizes}` };
    }),
  );
}

export async function status(context: CliContext, options: StoreOptions): Promise<void> {
  const { storeStatistics } = await import('../store-operations.ts');
  const statistics = await explained(() => storeStatistics(storeOf(context, options), depsOf(context)));
  context.print(options.output === 'json' ? `${JSON.stringify(statistics, undefined, 2)}\n` : render(statistics));
}

function render(s: StoreStatistics): string {
  const common = [
    ['revision', String(s.revision)],
    ['keys', String(s.keys)],
    ['in use', s.type === 'lmdb' ? `${bytes(s.usedBytes)} of at most ${bytes(s.maxBytes)}` : bytes(s.usedBytes)],
    ['file', bytes(s.fileBytes)],
  ];
  if (s.type === 'etcd') return table([['etcd', s.servers.join(', ')], ['version', s.version], ...common]);
  const head = [
    ['lmdb', s.directory],
    ['format', s.format],
    ['used by', s.holder === undefined ? 'nobody' : `process ${s.holder}`],
    ...common,
    ['watches from', String(s.compactedRevision)],
    ['disk free', bytes(s.diskFreeBytes)],
  ];
  const resources = s.resources.slice(0, 10).map(r => [r.prefix, String(r.keys), bytes(r.bytes)]);
  return `${table(head)}\n${table([['LARGEST', 'KEYS', 'BYTES'], ...resources])}`;
}

// ---- which store

function storeOf(context: CliContext, options: StoreOptions): StoreAt {
  const { directory, etcdServers, config } = options;
  if (directory && etcdServers) throw new CliError('--directory and --etcd-servers name two stores', exitCode.usage);
  if (directory) return { type: 'lmdb', directory };
  if (etcdServers) return etcdAt(etcdServers, options);
  if (config) return configured(config);
  const paths = pathsOf(options.name, context.env);
  mustState(paths, context.env);
  return { type: 'lmdb', directory: paths.store };
}

function configured(file: string): StoreAt {
  let read: ServerConfig;
  try {
    read = readRoleConfig<ServerConfig>(file);
  } catch (error) {
    throw new CliError((error as Error).message, exitCode.usage);
  }
  return read.store?.type === 'etcd' ? read.store : { type: 'lmdb', ...read.store, directory: read.storeDirectory };
}

function addressed(flag: string, text: string, options: StoreOptions): StoreAt {
  if (/^https?:\/\//.test(text)) return etcdAt(text, options);
  const [, directory] = /^(?:lmdb:)?(.+)$/.exec(text) ?? [];
  if (!directory || /^\w+:/.test(directory))
    throw new CliError(`${flag} ${text}: want a store's directory, or etcd's https://HOST:PORT[,…]`, exitCode.usage);
  return { type: 'lmdb', directory };
}

function etcdAt(servers: string, o: StoreOptions): EtcdStoreConfig {
  return {
    type: 'etcd',
    servers: servers.split(',').filter(s => s !== ''),
    ...(o.etcdPrefix ? { prefix: o.etcdPrefix } : {}),
    ...(o.etcdCafile ? { caFile: o.etcdCafile } : {}),
    ...(o.etcdCertfile ? { certFile: o.etcdCertfile } : {}),
    ...(o.etcdKeyfile ? { keyFile: o.etcdKeyfile } : {}),
  };
}

/** Keeps a cluster of this machine stopped meanwhile; other stores guard themselves. */
async function stopped(
  context: CliContext,
  options: StoreOptions,
  at: StoreAt,
  act: () => Promise<void>,
): Promise<void> {
  if (at.type !== 'lmdb' || options.directory || options.config) return act();
  const paths = pathsOf(options.name, context.env);
  await withLock(paths, 'k8ts store', async () => {
    if (isRunning(mustState(paths, context.env)))
      throw new CliError(`cluster ${paths.name} is running`, exitCode.failure, `k8ts stop --name ${paths.name}`);
    await act();
  });
}

// ---- words

const depsOf = (context: CliContext): OperationDeps => ({
  clock: context.clock,
  random: context.random,
  log: silentLog,
});

async function acting(
  context: CliContext,
  options: StoreOptions,
  what: string,
  act: (deps: OperationDeps) => Promise<{ data: object; text: string }>,
): Promise<void> {
  const phase = context.talk.phase(what);
  try {
    const { data, text } = await explained(() => act(depsOf(context)));
    phase.done(text);
    if (options.output === 'json') context.print(`${JSON.stringify(data)}\n`);
  } catch (error) {
    phase.failed();
    throw error;
  }
}

async function explained<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof StoreCopyError) throw new CliError(error.message);
    // LMDB's own, where a page is not what it was.
    if (Number((error as { code?: unknown }).code) < -30000)
      throw new CliError(
        `the store's data is damaged: ${messageOf(error)}`,
        exitCode.failure,
        'k8ts store restore FILE',
      );
    if (error instanceof StoreOpenError)
      throw new CliError(error.message, error.reason === 'unusable' ? exitCode.notFound : exitCode.failure);
    throw error;
  }
}

const toldOf = ({ keys, from, revision }: Transfer): string =>
  `${keys} keys of revision ${from}; the store goes on from ${revision}, earlier watches list anew`;

function count(flag: string, name: string, text: string | undefined): Record<string, number> {
  if (text === undefined) return {};
  if (!/^\d{1,15}$/.test(text)) throw new CliError(`${flag} ${text}: want a number`, exitCode.usage);
  return { [name]: Number(text) };
}

function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${i === 0 ? n : n.toFixed(1)} ${units[i]}`;
}
