// The contract of a backing store, modelled on etcd's revisions. Implementations: lmdb, memory, etcd.
// All of them run the suite in store-conformance.ts.
import type { BucketCounts } from '../base/bucket-counts.ts';

/** One stored value. Keys are `/registry/...` paths, ordered by UTF-8 bytes. */
export interface StoreEntry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Revision of the write that made this value. */
  readonly revision: number;
  /** Why what lies there cannot be read (see EncryptedStore): then `value` is empty. Lists and watches only. */
  readonly failure?: Error;
}

/** Bytes that are made when they are asked for, the same each time: a store that keeps all in memory may never need them. */
export interface LateBytes {
  readonly bytes: Uint8Array;
}

export type StoreValue = Uint8Array | LateBytes;

export const bytesOf = (value: StoreValue): Uint8Array => (value instanceof Uint8Array ? value : value.bytes);

/**
 * Gives the bytes to store for a write that was decided to happen at `revision`. Embedded stores (lmdb, memory) call it
 * synchronously inside create/update/delete, before those return: whoever passes it learns the revision, and that the
 * write will be next on this key, without waiting for the disk. A store that cannot know the revision beforehand (etcd)
 * passes 0.
 */
export type Encode = (revision: number) => StoreValue;

export interface StoreEvent {
  readonly type: 'put' | 'delete';
  readonly key: string;
  readonly revision: number;
  /**
   * The new value of a put; of a delete the final bytes its `encode` gave (what watchers are told), else the last value.
   * etcd keeps no final bytes: there it is the last value, empty where compaction has removed it.
   */
  readonly value: Uint8Array;
  /** The value before, absent on a create and where compaction has removed it. */
  readonly previous?: Uint8Array;
  /** Revision of the value before; 0 on a create. */
  readonly previousRevision: number;
  /** As that of an entry. */
  readonly failure?: Error;
}

export interface StoreWatch {
  /** Stops it; no event is delivered after this returns. */
  stop(): void;
}

export interface StoreWatchHandler {
  /** Events in order of revision, each durable, each exactly once. */
  onEvents(events: readonly StoreEvent[]): void;
  /** No more events come up to and including `revision`. Only told by stores with `newestRevision`. */
  onProgress?(revision: number): void;
  /** The watch cannot go on (store closed, connection lost): start again from a list. */
  onError(error: Error): void;
}

export interface WriteOptions {
  /** The key is deleted by the store itself after this many milliseconds without another write. */
  ttlMs?: number;
}

export interface ListPage {
  readonly entries: readonly StoreEntry[];
  /** The revision this page shows, the newest durable one unless asked otherwise. */
  readonly revision: number;
  /** More keys follow the last one. */
  readonly more: boolean;
}

export interface Store {
  /** Newest durable revision; 0 on a new store. */
  readonly revision: number;
  /**
   * Only of stores that other processes write too (etcd): the newest revision there is, asked of the store itself. Every
   * watch is told of it, by an event or by onProgress, soon after.
   */
  newestRevision?(): Promise<number>;
  /** Only of stores whose data may lie below another prefix: what the key is called there. */
  placeOf?(key: string): string;
  get(key: string): Promise<StoreEntry | undefined>;
  /** Keys that start with `prefix`, in order, at most `limit`, beginning behind key `after`. Rejects StoreCompactedError for a revision that is gone. */
  list(prefix: string, options?: { limit?: number; after?: string; revision?: number }): Promise<ListPage>;
  /**
   * Only of stores that have their values at hand: shows `take` what a list at `revision` would have, in order, without
   * holding all of it at once. A value is valid until `take` returns. Rejects like `list`.
   */
  scan?(prefix: string, revision: number, take: (entry: StoreEntry) => void): Promise<void>;
  /**
   * Only of stores that map their file into memory: gives back what reads have mapped so far, which counts as memory of
   * this process. Writes wait meanwhile; not to be called while something is read or copied.
   */
  unmap?(): Promise<void>;
  /** Resolves with its revision once durable; rejects StoreConflictError when the key exists. */
  create(key: string, encode: Encode, options?: WriteOptions): Promise<number>;
  /** Rejects StoreConflictError unless the key's newest decided revision is `ifRevision`. */
  update(key: string, ifRevision: number, encode: Encode, options?: WriteOptions): Promise<number>;
  /** Deletes; `encode` gives the object's final bytes for watchers. */
  delete(key: string, ifRevision: number, encode?: Encode): Promise<number>;
  /** Tells of every durable event behind revision `after`; throws StoreCompactedError when those are gone. */
  watch(prefix: string, after: number, handler: StoreWatchHandler): StoreWatch;
  /** Forgets events and superseded values up to and including `revision`. */
  compact(revision: number): Promise<void>;
  /** Oldest revision a watch may start behind and a list may ask for. */
  readonly compactedRevision: number;
  /** Writes a consistent copy to a file. */
  snapshot(file: string): Promise<void>;
  /** Bytes the data takes where it lies; absent where it lies nowhere. */
  sizeBytes?(): Promise<number>;
  /** Of stores with leases: how many keys the leases that are no longer given out were given to. */
  readonly leaseObjects?: BucketCounts;
  /** Waits for what is in flight, then closes. */
  close(): Promise<void>;
}

/**
 * The key's state is not what the write required. Told once the write it lost to can be read, so that reading again and
 * retrying at once makes progress.
 */
export class StoreConflictError extends Error {
  override name = 'StoreConflictError';
  readonly key: string;
  /** Newest decided revision of the key; 0 when it does not exist. */
  readonly currentRevision: number;

  constructor(key: string, currentRevision: number) {
    super(
      `writing ${JSON.stringify(key)}: its revision is ${currentRevision === 0 ? 'none (no such key)' : currentRevision}`,
    );
    this.key = key;
    this.currentRevision = currentRevision;
  }
}

export class StoreCompactedError extends Error {
  override name = 'StoreCompactedError';
  readonly compactedRevision: number;

  constructor(asked: number, compactedRevision: number) {
    super(`reading at revision ${asked}: compacted up to ${compactedRevision}`);
    this.compactedRevision = compactedRevision;
  }
}

/** The store did not answer in time. Of a write nobody knows whether it happened. */
export class StoreUnavailableError extends Error {
  override name = 'StoreUnavailableError';

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}

/** No store takes such a key. */
export class StoreKeyError extends RangeError {
  override name = 'StoreKeyError';
}

/** The disk, the map or the quota is full; nothing was written. */
export class StoreFullError extends Error {
  override name = 'StoreFullError';
}
