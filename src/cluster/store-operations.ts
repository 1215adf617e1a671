// What may be done with a store besides serving from it: copies to a file, back, and from one kind to another.
import { resolve } from 'node:path';
import { decodeStored, encodeWithoutRevision } from '../apiserver/registry/stored-form.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { openBackup, verifyBackup, writeBackup } from '../store/backup-file.ts';
import type { EtcdCopyOptions, EtcdStatistics } from '../store/etcd-copy.ts';
import type { LmdbStatistics } from '../store/lmdb-copy.ts';
import { type CopiedEntry, type StoreCopy, StoreCopyError, type StoredForm } from '../store/store-copy.ts';
import { type EtcdStoreConfig, etcdTls } from './store-config.ts';
import { k8tsVersion } from './version.ts';

/** A store that is there: lmdb's directory, or an etcd. */
export type StoreAt =
  | { readonly type: 'lmdb'; readonly directory: string; readonly maxBytes?: number }
  | EtcdStoreConfig;

export interface OperationDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly onProgress?: (done: string) => void;
}

export interface Transfer {
  readonly keys: number;
  /** Of the store that was read. */
  readonly from: number;
  /** Newest revision where it went; watches from before are told to list anew. */
  readonly revision: number;
  /** Where the former data is now, if there was any and it is kept. */
  readonly keptAs?: string;
}

/**
 * So far beyond what is known, a restored store goes on: clients may have seen revisions that were given out after the
 * backup was made, and none of those may come to mean something else.
 */
export const defaultBumpRevision = 10_000_000;
export const defaultMostEmptyWrites = 1_000_000;
/** What the former data file is called after a restore. */
const replacedName = 'data.mdb.before-restore';

const formOf = (at: StoreAt): StoredForm => (at.type === 'lmdb' ? 'embedded' : 'shared');

function etcdOptions(at: EtcdStoreConfig, deps: OperationDeps): EtcdCopyOptions {
  const { clock, random, log } = deps;
  return { servers: at.servers, ...(at.prefix ? { prefix: at.prefix } : {}), tls: etcdTls(at), clock, random, log };
}

async function openCopy(at: StoreAt, deps: OperationDeps): Promise<StoreCopy> {
  if (at.type === 'lmdb') return (await import('../store/lmdb-copy.ts')).openLmdbCopy(at.directory);
  return (await import('../store/etcd-copy.ts')).openEtcdCopy(etcdOptions(at, deps));
}

/** Writes a store to a file, also while servers use it: the state of one moment. Rejects StoreCopyError, StoreOpenError. */
export async function backupStore(
  at: StoreAt,
  file: string,
  deps: OperationDeps,
): Promise<{ keys: number; bytes: number; revision: number }> {
  const copy = await openCopy(at, deps);
  try {
    const made = new Date(deps.clock.now()).toISOString();
    const written = await writeBackup(file, copy, { made, k8ts: k8tsVersion });
    return { ...written, revision: copy.revision };
  } finally {
    await copy.close();
  }
}

/**
 * Puts a backup in the place of an lmdb store's data (the former file is kept as `data.mdb.before-restore`) or into an
 * empty etcd. Nothing is touched when the file is not whole or the store is in use.
 */
export async function restoreStore(
  file: string,
  at: StoreAt,
  options: { bumpRevision?: number; mostEmptyWrites?: number },
  deps: OperationDeps,
): Promise<Transfer> {
  // A write to etcd cannot be taken back; a new data file is thrown away when the end is wrong.
  if (at.type === 'etcd') await verifyBackup(file);
  const backup = await openBackup(file);
  try {
    const { bumpRevision = defaultBumpRevision } = options;
    if (at.type === 'etcd') return await put(backup, at, options, deps);
    const revision = (present: number) => Math.max(backup.revision, present) + bumpRevision;
    return await put(backup, at, { revision, keepAs: replacedName }, deps);
  } finally {
    await backup.close();
  }
}

/** Copies all of a store that nobody uses into another one that is empty. */
export async function migrateStore(
  from: StoreAt,
  to: StoreAt,
  options: { mostEmptyWrites?: number },
  deps: OperationDeps,
): Promise<Transfer> {
  if (from.type === 'lmdb' && to.type === 'lmdb' && resolve(from.directory) === resolve(to.directory))
    throw new StoreCopyError(`the store in ${JSON.stringify(from.directory)} is already there: want another place`);
  const lock =
    from.type === 'lmdb' ? (await import('../store/lmdb-directory.ts')).lockDirectory(from.directory) : undefined;
  try {
    const copy = await openCopy(from, deps);
    try {
      return await put(copy, to, { ...options, mustBeEmpty: true }, deps);
    } finally {
      await copy.close();
    }
  } finally {
    lock?.release();
  }
}

interface PutOptions {
  /** Of a new lmdb store. Default: the copy's. */
  readonly revision?: (present: number) => number;
  readonly keepAs?: string;
  readonly mustBeEmpty?: boolean;
  readonly mostEmptyWrites?: number;
}

async function put(copy: StoreCopy, to: StoreAt, options: PutOptions, deps: OperationDeps): Promise<Transfer> {
  const given = inForm(copy, formOf(to));
  if (to.type === 'lmdb') {
    const { replaceLmdb } = await import('../store/lmdb-copy.ts');
    const { revision = () => copy.revision } = options;
    return { ...(await replaceLmdb(to.directory, given, { ...options, revision })), from: copy.revision };
  }
  const { writeEtcd } = await import('../store/etcd-copy.ts');
  const { mostEmptyWrites = defaultMostEmptyWrites } = options;
  const progress = deps.onProgress ? { onProgress: deps.onProgress } : {};
  const written = await writeEtcd(given, { ...etcdOptions(to, deps), mostEmptyWrites, ...progress });
  return { ...written, from: copy.revision };
}

/** Makes a store forget what is superseded; lmdb's file is written anew, as small as it can be, and must not be in use. */
export async function compactStore(
  at: StoreAt,
  deps: OperationDeps,
): Promise<{ revision: number; bytesBefore?: number; bytesAfter?: number }> {
  if (at.type === 'etcd') {
    const { compactEtcd } = await import('../store/etcd-copy.ts');
    return { revision: await compactEtcd(etcdOptions(at, deps)) };
  }
  return (await import('../store/lmdb-copy.ts')).compactLmdb(at.directory);
}

export type StoreStatistics =
  | ({ readonly type: 'lmdb'; readonly directory: string; readonly maxBytes: number } & LmdbStatistics)
  | ({ readonly type: 'etcd'; readonly servers: readonly string[] } & EtcdStatistics);

export async function storeStatistics(at: StoreAt, deps: OperationDeps): Promise<StoreStatistics> {
  if (at.type === 'etcd') {
    const { etcdStatistics } = await import('../store/etcd-copy.ts');
    return { type: 'etcd', servers: at.servers, ...(await etcdStatistics(etcdOptions(at, deps))) };
  }
  const [{ openLmdbCopy }, { defaultMaxBytes }] = await Promise.all([
    import('../store/lmdb-copy.ts'),
    import('../store/lmdb-store.ts'),
  ]);
  const copy = await openLmdbCopy(at.directory);
  try {
    const { directory, maxBytes = defaultMaxBytes } = at;
    return { type: 'lmdb', directory, maxBytes, ...copy.statistics() };
  } finally {
    await copy.close();
  }
}

// What servers of a shared store keep among themselves, and make anew.
const sharedOnly = ['/registry/masterleases/', '/registry/ranges/', '/registry/k8ts.dev/'];
const encrypted = Buffer.from('k8s:enc:');

/** The same copy in the other kind of store's form. */
export function inForm(copy: StoreCopy, form: StoredForm): StoreCopy {
  if (copy.form === form) return copy;
  return { revision: copy.revision, form, entries: () => convert(copy, form), close: () => copy.close() };
}

async function* convert(copy: StoreCopy, form: StoredForm): AsyncIterable<CopiedEntry> {
  for await (const entry of copy.entries()) {
    if (sharedOnly.some(prefix => entry.key.startsWith(prefix))) continue;
    yield { ...entry, value: reencode(entry, form) };
  }
}

function reencode({ key, value, revision }: CopiedEntry, form: StoredForm): Uint8Array {
  if (encrypted.equals(value.subarray(0, encrypted.length)))
    throw new StoreCopyError(
      `${key} is encrypted: name identity first in the EncryptionConfiguration, write all objects again, then copy, then encrypt again`,
    );
  try {
    const object = decodeStored(value, revision);
    return form === 'shared' ? encodeWithoutRevision(object) : Buffer.from(JSON.stringify(object));
  } catch (error) {
    throw new StoreCopyError(`reading ${key}: ${messageOf(error)}`, { cause: error });
  }
}
