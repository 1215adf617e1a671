// An lmdb store's data as others see it: read beside a running server, which LMDB allows, and replaced when nothing runs.
import { copyFileSync, existsSync, linkSync, rmSync, statfsSync, statSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type Database, open as openLmdb, type RootDatabase, type Transaction } from 'lmdb';
import { messageOf } from '../base/assert.ts';
import { dataFile, findDamage, holderOf, lockDirectory } from './lmdb-directory.ts';
import { format, formatMessage, LmdbRows, pageBytes, stateKey, syncPath } from './lmdb-rows.ts';
import { decodeRowValue } from './row-codec.ts';
import { type CopiedEntry, inGroups, type StoreCopy, StoreCopyError } from './store-copy.ts';
import { StoreOpenError } from './store-error.ts';

type Table = Database<Buffer, Buffer>;

export interface LmdbStatistics {
  readonly format: string;
  readonly revision: number;
  readonly compactedRevision: number;
  readonly keys: number;
  /** Keys and bytes of values below each resource's prefix, most bytes first. */
  readonly resources: readonly { readonly prefix: string; readonly keys: number; readonly bytes: number }[];
  /** Pages in use, which the limit counts; the file is as large as it ever was. */
  readonly usedBytes: number;
  readonly fileBytes: number;
  readonly diskFreeBytes: number;
  /** The process that has it open. */
  readonly holder: string | undefined;
}

const binary = { encoding: 'binary', keyEncoding: 'binary' } as const;
const rowsAtOnce = 200;

/**
 * The store as it is on disk at this moment, also while a server writes to it: one read transaction, which neither waits
 * nor is waited for. Pages it needs are not reused until it is closed. Rejects StoreOpenError.
 */
export async function openLmdbCopy(directory: string): Promise<LmdbCopy> {
  const file = join(directory, dataFile);
  if (!existsSync(file)) throw new StoreOpenError('unusable', directory, `there is no ${dataFile}`);
  const damage = findDamage(file);
  if (damage) throw new StoreOpenError('damaged', directory, damage);
  let root: RootDatabase<Buffer, Buffer>;
  try {
    root = openLmdb<Buffer, Buffer>({ ...binary, path: file, noSubdir: true, readOnly: true });
  } catch (error) {
    throw new StoreOpenError('unusable', directory, messageOf(error), error);
  }
  try {
    return new LmdbCopy(directory, root);
  } catch (error) {
    await root.close();
    throw error;
  }
}

export class LmdbCopy implements StoreCopy {
  readonly form = 'embedded';
  readonly revision: number;
  readonly #compacted: number;
  readonly #directory: string;
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly #revisions: Table;
  readonly #keys: Table;
  readonly #at: { transaction: Transaction };

  constructor(directory: string, root: RootDatabase<Buffer, Buffer>) {
    this.#directory = directory;
    this.#root = root;
    const table = (name: string) => root.openDB<Buffer, Buffer>(name, binary);
    const meta = table('meta');
    const found = (meta as Table | undefined)?.get(Buffer.from('format'))?.toString();
    if (found !== format) throw wrongFormat(directory, found);
    this.#revisions = table('revision');
    this.#keys = table('key');
    this.#at = { transaction: root.useReadTransaction() };
    const state = meta.get(stateKey, this.#at)!;
    this.revision = state.readDoubleLE(0);
    this.#compacted = state.readDoubleLE(8);
  }

  async *entries(): AsyncIterable<CopiedEntry> {
    let n = 0;
    for (const { key, revision, expiresAtMs } of this.#all()) {
      if (++n % rowsAtOnce === 0) await new Promise(resolve => setImmediate(resolve));
      yield { key, value: Buffer.from(this.#value(revision)), revision, expiresAtMs };
    }
  }

  *#all(): Iterable<{ key: string; revision: number; expiresAtMs: number }> {
    for (const { key, value } of this.#keys.getRange({ start: Buffer.of(0), ...this.#at }))
      yield { key: key.toString(), revision: value.readDoubleLE(0), expiresAtMs: value.readDoubleLE(8) };
  }

  #value(revision: number): Uint8Array {
    const at = Buffer.alloc(8);
    at.writeBigUInt64BE(BigInt(revision));
    const row = this.#revisions.get(at, this.#at);
    const value = row && decodeRowValue(row);
    if (!value)
      throw new StoreOpenError('damaged', this.#directory, `the row of revision ${revision} is not what was written`);
    return value;
  }

  statistics(): LmdbStatistics {
    const resources = new Map<string, { prefix: string; keys: number; bytes: number }>();
    let keys = 0;
    for (const { key, revision } of this.#all()) {
      const prefix = resourceOf(key);
      const sum = resources.get(prefix) ?? { prefix, keys: 0, bytes: 0 };
      resources.set(prefix, sum);
      sum.keys++;
      sum.bytes += this.#value(revision).byteLength;
      keys++;
    }
    const disk = statfsSync(this.#directory);
    return {
      format,
      revision: this.revision,
      compactedRevision: this.#compacted,
      keys,
      resources: [...resources.values()].sort((a, b) => b.bytes - a.bytes),
      usedBytes: pagesOf(this.#revisions) + pagesOf(this.#keys),
      fileBytes: this.fileBytes(),
      diskFreeBytes: disk.bavail * disk.bsize,
      holder: holderOf(this.#directory),
    };
  }

  /** As it is noted: counting goes through pages, and one that is damaged ends the process. */
  keyCount(): number {
    return (this.#keys.getStats() as { entryCount: number }).entryCount;
  }

  fileBytes(): number {
    return statSync(join(this.#directory, dataFile)).size;
  }

  async close(): Promise<void> {
    this.#at.transaction.done();
    await this.#root.close();
  }
}

function wrongFormat(directory: string, found: string | undefined): StoreOpenError {
  if (found === undefined) return new StoreOpenError('damaged', directory, 'it is no k8ts store');
  return new StoreOpenError('newer', directory, formatMessage(found));
}

function pagesOf(table: Table): number {
  const stats = table.getStats() as Record<string, number>;
  return (stats.treeBranchPageCount! + stats.treeLeafPageCount! + stats.overflowPages!) * pageBytes;
}

// /registry/pods/…, /registry/services/specs/…, /registry/example.com/widgets/…
function resourceOf(key: string): string {
  const parts = key.split('/');
  const two = parts[2] === 'services' || parts[2]?.includes('.');
  return parts.slice(0, two ? 4 : 3).join('/');
}

export interface ReplaceOptions {
  /**
   * Newest revision of the new store: from there watches begin, what is older has expired. Told the one of the data in
   * place, 0 when there is none or it cannot be read.
   */
  revision(present: number): number;
  /** What the former data file is called afterwards; absent: it is removed. */
  readonly keepAs?: string;
  /** Refuse data that holds any key. */
  readonly mustBeEmpty?: boolean;
}

/**
 * Puts what `copy` holds in the place of a directory's data, all of it or nothing: the new file takes the name when it is
 * complete and on disk. `keptAs`: where the former data is now. Rejects StoreOpenError when the directory is in use.
 */
export async function replaceLmdb(
  directory: string,
  copy: StoreCopy,
  options: ReplaceOptions,
): Promise<{ keys: number; revision: number; keptAs?: string }> {
  return locked(directory, () => replace(directory, copy, options));
}

/** Writes the data anew, without history and holes. Rejects StoreOpenError when the directory is in use. */
export async function compactLmdb(
  directory: string,
): Promise<{ revision: number; bytesBefore: number; bytesAfter: number }> {
  return locked(directory, async () => {
    const copy = await openLmdbCopy(directory);
    const bytesBefore = copy.fileBytes();
    try {
      await replace(directory, copy, { revision: present => present });
    } finally {
      await copy.close();
    }
    return { revision: copy.revision, bytesBefore, bytesAfter: statSync(join(directory, dataFile)).size };
  });
}

async function locked<T>(directory: string, act: () => Promise<T>): Promise<T> {
  const lock = lockDirectory(directory);
  try {
    return await act();
  } finally {
    lock.release();
  }
}

async function replace(directory: string, copy: StoreCopy, options: ReplaceOptions) {
  const scratch = join(directory, 'new');
  const file = join(directory, dataFile);
  try {
    const present = await presentState(directory);
    if (options.mustBeEmpty && present.keys > 0)
      throw new StoreCopyError(
        `the store in ${JSON.stringify(directory)} holds ${present.keys} keys: want an empty one`,
      );
    const revision = options.revision(present.revision);
    rmSync(scratch, { recursive: true, force: true });
    const keys = await fill(scratch, copy, revision);
    const keptAs = options.keepAs && existsSync(file) ? join(directory, options.keepAs) : undefined;
    if (keptAs) keep(file, keptAs);
    await rename(join(scratch, dataFile), file);
    // Readers of the former file have their own still; it says nothing of the new one.
    rmSync(`${file}-lock`, { force: true });
    await syncPath(directory);
    return { keys, revision, ...(keptAs ? { keptAs } : {}) };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function fill(directory: string, copy: StoreCopy, revision: number): Promise<number> {
  const scratchLock = lockDirectory(directory);
  const rows = new LmdbRows(directory, 2 ** 35, () => scratchLock.release());
  let keys = 0;
  try {
    await rows.initialize();
    const state = { revision, compacted: revision, trimmed: revision };
    for await (const group of inGroups(copy.entries(), { count: 2000, bytes: 8 << 20 })) {
      const writes = group.map(entry => ({ ...entry, type: 'put' as const, previousRevision: 0 }));
      await rows.commit({ writes, removed: [], state });
      keys += group.length;
    }
    await rows.commit({ writes: [], removed: [], state });
  } finally {
    await rows.close();
  }
  return keys;
}

async function presentState(directory: string): Promise<{ revision: number; keys: number }> {
  if (!existsSync(join(directory, dataFile))) return { revision: 0, keys: 0 };
  try {
    const there = await openLmdbCopy(directory);
    const state = { revision: there.revision, keys: there.keyCount() };
    await there.close();
    return state;
  } catch {
    // Damaged: what is restored is to take its place.
    return { revision: 0, keys: 1 };
  }
}

// At every moment there is data under its name: a crash in between must not look like a new store.
function keep(file: string, as: string): void {
  rmSync(as, { force: true });
  try {
    linkSync(file, as);
  } catch {
    copyFileSync(file, as);
  }
}
