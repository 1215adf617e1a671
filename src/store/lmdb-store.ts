import { join } from 'node:path';
import { messageOf } from '../base/assert.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { type Log, silentLog } from '../base/log.ts';
import { ExpiryQueue } from './expiry-queue.ts';
import { dataFile, findDamage, lockDirectory } from './lmdb-directory.ts';
import { format, formatMessage, LmdbRows } from './lmdb-rows.ts';
import { defaultLogLength } from './memory-store.ts';
import { RevisionIndex } from './revision-index.ts';
import { RevisionStore } from './revision-store.ts';
import type { Store } from './store.ts';
import { StoreOpenError } from './store-error.ts';

/** Bytes of data a store takes unless told otherwise: etcd's recommended maximum. */
export const defaultMaxBytes = 8 * 2 ** 30;

// Of what is written a quarter lies mapped afterwards; giving it back costs a busy store some 0.1 s.
const defaultUnmapBytes = 256 << 20;

export interface LmdbStoreOptions {
  /** Made when missing, with mode 0700. One process at a time. */
  directory: string;
  clock?: Clock;
  /** Creates and updates are refused with StoreFullError beyond so many bytes of pages in use; deletes go on. */
  maxBytes?: number;
  /** Log entries kept for watches and old lists. */
  logLength?: number;
  /** Mapped pages, which count as memory of this process, are given back when so much was written and nobody writes. */
  unmapBytes?: number;
  log?: Log;
}

/**
 * Opens or makes the store in a directory. Rejects StoreOpenError, which names the directory and what to do, when it is
 * in use, damaged, from a newer release or cannot be reached. Every answered write is on disk and survives kill -9.
 */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<Store> {
  const { directory, clock = systemClock, log = silentLog, maxBytes = defaultMaxBytes } = options;
  const { unmapBytes = defaultUnmapBytes } = options;
  const lock = lockDirectory(directory);
  let rows: LmdbRows | undefined;
  try {
    const damage = findDamage(join(directory, dataFile));
    if (damage) throw damaged(directory, damage);
    rows = new LmdbRows(directory, maxBytes, () => lock.release(), unmapBytes);
    await checkFormat(directory, rows);
    return load(rows, { clock, log, logLength: options.logLength ?? defaultLogLength });
  } catch (error) {
    if (rows) await rows.close();
    else lock.release();
    throw error instanceof StoreOpenError ? error : explain(directory, error);
  }
}

async function checkFormat(directory: string, rows: LmdbRows): Promise<void> {
  const found = rows.readFormat();
  if (found === format) return;
  if (found !== undefined) throw new StoreOpenError('newer', directory, formatMessage(found));
  if (rows.isForeign()) throw damaged(directory, 'it is some other program’s LMDB file');
  await rows.initialize();
}

function load(rows: LmdbRows, options: { clock: Clock; log: Log; logLength: number }): Store {
  const { revision, compacted, trimmed } = rows.readState();
  const index = new RevisionIndex();
  const expiries = new ExpiryQueue();
  index.durable = revision;
  index.decided = revision;
  for (const entry of rows.readKeys()) {
    index.load(entry.key, entry.revision);
    if (entry.expiresAtMs !== 0) {
      expiries.push({ atMs: entry.expiresAtMs, key: entry.key, revision: entry.revision });
    }
  }
  for (const { type, key, revision, previousRevision } of rows.readRowsBehind(trimmed)) {
    index.loadLog({ type, key, revision, previousRevision });
  }
  return new RevisionStore({ ...options, rows, index, expiries, compacted, trimmed });
}

function damaged(directory: string, what: string, cause?: unknown): StoreOpenError {
  const message =
    `${dataFile} is damaged: ${what}; put a snapshot in its place, ` +
    'or move the directory away to start with nothing';
  return new StoreOpenError('damaged', directory, message, cause);
}

// LMDB's own codes are below -30000; the rest are the system's.
function explain(directory: string, error: unknown): StoreOpenError {
  const code = (error as { code?: unknown }).code;
  if (typeof code !== 'number' || code < -30000) return damaged(directory, messageOf(error), error);
  const hint = 'check that it can be written and that the disk has room';
  return new StoreOpenError('unusable', directory, `${messageOf(error)}; ${hint}`, error);
}
