import type { StoreValue } from './store.ts';

/** A write that has been decided: its revision is given out, its bytes are known or can be made. */
export interface DecidedWrite {
  readonly type: 'put' | 'delete';
  readonly key: string;
  readonly revision: number;
  readonly previousRevision: number;
  /** Bytes, unless the rows are kept in memory. */
  readonly value: StoreValue;
  /** When the store deletes the key, in milliseconds since the epoch; 0: never. */
  readonly expiresAtMs: number;
}

/** What happens together or not at all. */
export interface Commit {
  readonly writes: readonly DecidedWrite[];
  /** Revisions of rows to remove. */
  readonly removed: readonly number[];
  /** The state of the store afterwards. */
  readonly state: RowsState;
}

export interface RowsState {
  readonly revision: number;
  /** Nothing at or before it may be asked for, except what is still the newest. */
  readonly compacted: number;
  /** Log entries and superseded rows up to here are removed. Behind `compacted` while removal is under way. */
  readonly trimmed: number;
}

/** Where the values of a store lie: one immutable row a revision. */
export interface Rows {
  /** Values may stay unmade until they are read. */
  readonly inMemory?: boolean;
  /** The value written at a revision; undefined when removed. */
  read(revision: number): Uint8Array | undefined;
  /** The same, its bytes valid until the next read. */
  peek(revision: number): Uint8Array | undefined;
  /** Throws StoreFullError when `bytes` more may not be written. */
  admit(bytes: number): void;
  /**
   * Resolves when all of it is durable; only one is under way at a time. Rejects StoreFullError when nothing of it was
   * written and the next may succeed; any other error stops the store.
   */
  commit(commit: Commit): Promise<void>;
  /** Calls `fn` soon: writes decided until then share a commit. */
  defer(fn: () => void): void;
  /** Rows read at a stretch before others get their turn. */
  readonly readsAtOnce: number;
  snapshot(file: string): Promise<void>;
  /** Whether so much was written since the file was mapped that `unmap` is worth while. */
  readonly mapsMuch?: boolean;
  /**
   * Gives back what reads and writes have mapped into memory. Not while a commit or a snapshot is under way; done by the
   * end of the turn it was called in.
   */
  unmap?(): Promise<void>;
  /** Bytes of the file; absent where there is none. */
  sizeBytes?(): Promise<number>;
  close(): Promise<void>;
}
