import { statfsSync } from 'node:fs';
import { open as openFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ABORT, type Database, open as openLmdb, type RootDatabase } from 'lmdb';
import { messageOf } from '../base/assert.ts';
import { dataFile } from './lmdb-directory.ts';
import { decodeRow, decodeRowValue, encodeRow, type Row } from './row-codec.ts';
import type { Commit, Rows, RowsState } from './rows.ts';
import { bytesOf, StoreFullError } from './store.ts';
import { StoreDamagedError } from './store-error.ts';

type Table = Database<Buffer, Buffer>;

export const pageBytes = 8192;
// A row of 4 KB takes a page of its own, its share of the trees and pages of transactions readers still see.
const overhead = 1.1;
const binary = { encoding: 'binary', keyEncoding: 'binary' } as const;
const formatKey = Buffer.from('format');
export const stateKey = Buffer.from('state');

/** What this release writes; it opens what has the same name. */
export const format = 'k8ts-store 1';

/** Why data of another format is not opened, and what to do. */
export function formatMessage(found: string): string {
  const numberOf = (name: string) => Number(/^k8ts-store (\d+)$/.exec(name)?.[1]);
  const advice =
    numberOf(found) < numberOf(format)
      ? 'older: make a backup with the release that wrote it (k8ts store backup) and restore that'
      : 'newer: use the release that wrote it, or a later one';
  return `its format is ${JSON.stringify(found)}, this release reads ${JSON.stringify(format)}; it is ${advice}`;
}

// ENOSPC, EDQUOT, EFBIG, MDB_MAP_FULL.
const fullCodes = new Set<unknown>([28, 122, 27, -30792]);
const ioError = 5;

/**
 * LMDB tables: `revision` holds a row for each revision, `key` each key's newest revision (and expiry), `meta` the format
 * and the state. A commit is one transaction, written by LMDB's own thread and on disk when it resolves.
 */
export class LmdbRows implements Rows {
  readonly readsAtOnce = 500;
  readonly #directory: string;
  readonly #maxBytes: number;
  #root!: RootDatabase<Buffer, Buffer>;
  #revisions!: Table;
  #keys!: Table;
  #meta!: Table;
  readonly #release: () => void;
  // Reused: LMDB copies keys when it is called.
  readonly #rowKey = Buffer.alloc(8);
  // Bytes in use when last asked, an upper bound of what was committed since, and of what is admitted, not committed.
  #measuredBytes = 0;
  #addedBytes = 0;
  #undurableBytes = 0;
  // Something was committed since.
  #stale = false;
  readonly #unmapBytes: number;
  #mappedBytes = 0;

  constructor(directory: string, maxBytes: number, release: () => void, unmapBytes = Number.POSITIVE_INFINITY) {
    this.#directory = directory;
    this.#maxBytes = maxBytes;
    this.#unmapBytes = unmapBytes;
    this.#release = release;
    this.#open();
    this.#measure();
  }

  #open(): void {
    this.#mappedBytes = 0;
    this.#root = openLmdb<Buffer, Buffer>({
      ...binary,
      path: join(this.#directory, dataFile),
      noSubdir: true,
      pageSize: pageBytes,
      // Address space only. LMDB grows the map by itself, but keeps every former mapping.
      mapSize: Math.max(2 * this.#maxBytes, 1 << 30),
      // Otherwise a commit resolves before it is on disk.
      overlappingSync: false,
      // Groups are formed by the store; each is one batch, started when complete.
      eventTurnBatching: false,
      commitDelay: 0,
      ...{ permissionsMode: 0o600 },
    });
    this.#revisions = this.#root.openDB<Buffer, Buffer>('revision', binary);
    this.#keys = this.#root.openDB<Buffer, Buffer>('key', binary);
    this.#meta = this.#root.openDB<Buffer, Buffer>('meta', binary);
  }

  async sizeBytes(): Promise<number> {
    return (await stat(join(this.#directory, dataFile))).size;
  }

  /** The format the data was written in; undefined in a new store. */
  readFormat(): string | undefined {
    return this.#meta.get(formatKey)?.toString();
  }

  /** Whether other tables lie beside ours: this is somebody else's file. */
  isForeign(): boolean {
    for (const name of this.#root.getKeys()) {
      if (!['revision', 'key', 'meta'].includes(name.toString().replace(/\0$/, ''))) return true;
    }
    return false;
  }

  async initialize(): Promise<void> {
    await this.#batch(() => {
      void this.#meta.put(formatKey, Buffer.from(format));
      this.#putState({ revision: 0, compacted: 0, trimmed: 0 });
    });
  }

  readState(): RowsState {
    const state = this.#meta.get(stateKey);
    if (state?.byteLength !== 24) throw new StoreDamagedError('it has no record of its revision');
    return { revision: state.readDoubleLE(0), compacted: state.readDoubleLE(8), trimmed: state.readDoubleLE(16) };
  }

  *readKeys(): Iterable<{ key: string; revision: number; expiresAtMs: number }> {
    for (const { key, value } of this.#keys.getRange({ start: Buffer.of(0) })) {
      if (value.byteLength !== 16)
        throw new StoreDamagedError(`the entry of key ${JSON.stringify(key.toString())} has ${value.byteLength} bytes`);
      yield { key: key.toString(), revision: value.readDoubleLE(0), expiresAtMs: value.readDoubleLE(8) };
    }
  }

  *readRowsBehind(revision: number): Iterable<Row & { revision: number }> {
    for (const { key, value } of this.#revisions.getRange({ start: Buffer.from(this.#key(revision + 1)) })) {
      const at = Number(key.readBigUInt64BE());
      yield { ...(decodeRow(value) ?? this.#damaged(at)), revision: at };
    }
  }

  read(revision: number): Uint8Array | undefined {
    const row = this.#revisions.getBinary(this.#key(revision));
    return row && (decodeRowValue(row) ?? this.#damaged(revision));
  }

  peek(revision: number): Uint8Array | undefined {
    const row: Buffer | undefined = this.#revisions.getBinaryFast(this.#key(revision));
    // LMDB's binding reads all rows into one buffer, and says no more than how much of it is this one.
    return row && (decodeRowValue(row.subarray(0, row.length)) ?? this.#damaged(revision));
  }

  #damaged(revision: number): never {
    throw new StoreDamagedError(
      `reading revision ${revision} in ${JSON.stringify(this.#directory)}: the bytes are not those written; ` +
        'check the disk and put a snapshot in the place of the data',
    );
  }

  admit(bytes: number): void {
    const cost = bytes === 0 ? 0 : costOf(bytes);
    if (this.#usedBytes() + Math.max(cost, pageBytes) > this.#maxBytes && this.#stale) this.#measure();
    if (this.#usedBytes() + cost > this.#maxBytes) {
      throw new StoreFullError(
        `writing to the store in ${JSON.stringify(this.#directory)}: it holds ${this.#usedBytes()} bytes ` +
          `of at most ${this.#maxBytes}; delete objects and compact, or start with a higher maximum`,
      );
    }
    this.#undurableBytes += cost;
  }

  #usedBytes(): number {
    return this.#measuredBytes + this.#addedBytes + this.#undurableBytes;
  }

  // Pages in use by the tables; pages free for reuse do not count.
  #measure(): void {
    this.#measuredBytes = 0;
    for (const table of [this.#revisions, this.#keys]) {
      const stats = table.getStats() as Record<string, number>;
      const pages = stats.treeBranchPageCount! + stats.treeLeafPageCount! + stats.overflowPages!;
      this.#measuredBytes += pages * pageBytes;
    }
    this.#addedBytes = 0;
    this.#stale = false;
  }

  async commit({ writes, removed, state }: Commit): Promise<void> {
    let cost = 0;
    const committed = this.#batch(() => {
      for (const write of writes) {
        const row = encodeRow(write);
        if (write.type === 'put') cost += costOf(bytesOf(write.value).byteLength + write.key.length);
        void this.#revisions.put(this.#key(write.revision), row);
        const key = Buffer.from(write.key);
        if (write.type === 'delete') void this.#keys.remove(key);
        else void this.#keys.put(key, encodeKeyEntry(write.revision, write.expiresAtMs));
      }
      for (const revision of removed) void this.#revisions.remove(this.#key(revision));
      this.#putState(state);
    });
    try {
      await committed;
    } catch (error) {
      // What waited for this commit is given up with it.
      this.#undurableBytes = 0;
      throw error;
    }
    this.#undurableBytes -= cost;
    this.#addedBytes += cost;
    this.#mappedBytes += cost;
    this.#stale = true;
  }

  #putState(state: RowsState): void {
    const bytes = Buffer.allocUnsafe(24);
    bytes.writeDoubleLE(state.revision, 0);
    bytes.writeDoubleLE(state.compacted, 8);
    bytes.writeDoubleLE(state.trimmed, 16);
    void this.#meta.put(stateKey, bytes);
  }

  async #batch(puts: () => void): Promise<void> {
    try {
      await this.#root.batch(puts);
    } catch (error) {
      throw this.#explain(await causeOf(error));
    }
  }

  #explain(cause: unknown): Error {
    const name = JSON.stringify(this.#directory);
    const { code } = cause as { code?: unknown };
    // LMDB tells of a write cut short by a full disk as an I/O error.
    const full = fullCodes.has(code) || (code === ioError && this.#diskFreeBytes() < 1 << 20);
    if (!full || !this.#isUsable()) {
      const message = `writing to the store in ${name}: ${messageOf(cause)}; nothing more is written: check the disk, then start again`;
      return new StoreDamagedError(message, { cause });
    }
    return new StoreFullError(
      `writing to the store in ${name}: its disk is full (${messageOf(cause)}); make room there, then write again`,
      { cause },
    );
  }

  // LMDB gives up for good when it could not write its meta page; lmdb would then never answer another write.
  #isUsable(): boolean {
    try {
      this.#root.transactionSync(() => ABORT);
      return true;
    } catch {
      return false;
    }
  }

  #diskFreeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#directory);
    return bavail * bsize;
  }

  defer(fn: () => void): void {
    setImmediate(fn);
  }

  get mapsMuch(): boolean {
    return this.#mappedBytes > this.#unmapBytes;
  }

  async unmap(): Promise<void> {
    await this.#root.close();
    this.#open();
  }

  /** A compact copy, on disk under its name only when complete. Opens as `data.mdb` in a directory of its own. */
  async snapshot(file: string): Promise<void> {
    const partial = `${file}.partial`;
    await rm(partial, { force: true });
    try {
      await this.#root.backup(partial, true);
      await syncPath(partial);
      await rename(partial, file);
      await syncPath(dirname(file));
    } catch (error) {
      await rm(partial, { force: true });
      throw new Error(`writing a snapshot to ${JSON.stringify(file)}: ${messageOf(error)}`, { cause: error });
    }
  }

  async close(): Promise<void> {
    await this.#root.close();
    this.#release();
  }

  #key(revision: number): Buffer {
    this.#rowKey.writeUInt32BE(Math.floor(revision / 2 ** 32), 0);
    this.#rowKey.writeUInt32BE(revision % 2 ** 32, 4);
    return this.#rowKey;
  }
}

function costOf(bytes: number): number {
  return Math.ceil(Math.ceil((bytes + 64) / pageBytes) * pageBytes * overhead);
}

function encodeKeyEntry(revision: number, expiresAtMs: number): Buffer {
  const entry = Buffer.allocUnsafe(16);
  entry.writeDoubleLE(revision, 0);
  entry.writeDoubleLE(expiresAtMs, 8);
  return entry;
}

// lmdb rejects a write with an error that holds a promise rejected with the reason.
async function causeOf(error: unknown): Promise<unknown> {
  const reason = (error as { commitError?: Promise<unknown> }).commitError;
  if (!reason) return error;
  return reason.catch(cause => cause);
}

export async function syncPath(path: string): Promise<void> {
  const file = await openFile(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
