import { assert, messageOf } from '../base/assert.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { ExpiryQueue } from './expiry-queue.ts';
import { type Found, type RevisionIndex, unreferencedRows } from './revision-index.ts';
import type { Commit, DecidedWrite, Rows } from './rows.ts';
import {
  bytesOf,
  type Encode,
  type ListPage,
  type Store,
  StoreCompactedError,
  StoreConflictError,
  type StoreEntry,
  StoreFullError,
  StoreKeyError,
  type StoreValue,
  type StoreWatch,
  type StoreWatchHandler,
  type WriteOptions,
} from './store.ts';
import { StoreClosedError, StoreDamagedError } from './store-error.ts';
import { WatchHub } from './watch-hub.ts';

/** Keys must fit LMDB's limit for 8 KB pages with room to spare. */
export const longestKeyBytes = 2048;
// A commit is one transaction: bounded so that its latency and memory are.
const commitWrites = 2000;
const commitBytes = 16 << 20;
// Superseded rows removed by a commit beyond as many as it writes.
const trimExtra = 512;
const expiryRetryMs = 10_000;
// What no key ever has: an update or delete that requires "no such key" is a conflict.
const noRevision = -1;

interface PendingWrite extends DecidedWrite {
  readonly resolve: (revision: number) => void;
  readonly reject: (error: unknown) => void;
}

interface PendingCompaction {
  readonly revision: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface PendingConflict {
  /** Answered once this revision is durable or lost. */
  readonly revision: number;
  readonly reject: () => void;
}

export interface RevisionStoreOptions {
  readonly rows: Rows;
  readonly index: RevisionIndex;
  readonly expiries: ExpiryQueue;
  readonly compacted: number;
  readonly trimmed: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Log entries kept for watches and old lists. */
  readonly logLength: number;
}

/**
 * The store over any rows: decides compare-and-swap and revisions in memory at once, commits in groups, then moves the
 * durable state on, hands the events to watchers and answers the writers, in this order.
 *
 * When a commit fails for want of room, every write that is not yet durable is rejected and the state in memory goes back
 * to the durable one; revisions given out meanwhile are never used again. Any other failure stops the store for good.
 */
export class RevisionStore implements Store {
  readonly #rows: Rows;
  readonly #index: RevisionIndex;
  readonly #expiries: ExpiryQueue;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #logLength: number;
  readonly #watches: WatchHub;
  #compacted: number;
  #trimmed: number;
  #pending: PendingWrite[] = [];
  #compactions: PendingCompaction[] = [];
  #conflicts: PendingConflict[] = [];
  // Values of writes that are decided, not durable.
  readonly #undurable = new Map<number, StoreValue>();
  // Revisions that reads under way still show: rows they need stay.
  readonly #pins = new Set<{ revision: number }>();
  #flushing = false;
  #snapshots = 0;
  #failure: Error | undefined;
  #closing: Promise<void> | undefined;
  #idle: (() => void) | undefined;
  #expiryTimer: Timer | undefined;
  #expiryTimerAtMs = Number.POSITIVE_INFINITY;

  constructor(options: RevisionStoreOptions) {
    this.#rows = options.rows;
    this.#index = options.index;
    this.#expiries = options.expiries;
    this.#compacted = options.compacted;
    this.#trimmed = options.trimmed;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#logLength = options.logLength;
    this.#watches = new WatchHub({
      index: this.#index,
      read: revision => (this.#failure ? undefined : this.#rows.read(revision)),
      defer: fn => this.#rows.defer(fn),
      readsAtOnce: this.#rows.readsAtOnce,
      pins: this.#pins,
      log: this.#log,
    });
    this.#armExpiry();
  }

  get revision(): number {
    return this.#index.durable;
  }

  get compactedRevision(): number {
    return this.#compacted;
  }

  async get(key: string): Promise<StoreEntry | undefined> {
    this.#check();
    const revision = this.#index.durableRevision(key);
    return revision === 0 ? undefined : { key, revision, value: this.#read({ key, revision }) };
  }

  async list(prefix: string, options: { limit?: number; after?: string; revision?: number } = {}): Promise<ListPage> {
    this.#check();
    const revision = options.revision || this.#index.durable;
    this.#checkRevision(revision);
    const limit = options.limit || Number.POSITIVE_INFINITY;
    const found = this.#index.find(prefix, options.after, revision, limit + 1);
    const more = found.length > limit;
    if (more) found.pop();
    const entries: StoreEntry[] = [];
    await this.#each(found, revision, f => entries.push({ ...f, value: this.#read(f) }));
    return { entries, revision, more };
  }

  async scan(prefix: string, revision: number, take: (entry: StoreEntry) => void): Promise<void> {
    this.#check();
    this.#checkRevision(revision);
    const found = this.#index.find(prefix, undefined, revision, Number.POSITIVE_INFINITY);
    await this.#each(found, revision, f => take({ ...f, value: this.#whole(f, this.#rows.peek(f.revision)) }));
  }

  #checkRevision(revision: number): void {
    if (revision < this.#compacted) throw new StoreCompactedError(revision, this.#compacted);
    if (revision <= this.#index.durable) return;
    throw new RangeError(`reading at revision ${revision}: the newest is ${this.#index.durable}`);
  }

  // Rows never change, so others may run in between: the page stays what was found.
  async #each(found: readonly Found[], revision: number, read: (found: Found) => void): Promise<void> {
    const pin = { revision };
    this.#pins.add(pin);
    try {
      for (const [i, each] of found.entries()) {
        if (i > 0 && i % this.#rows.readsAtOnce === 0) {
          await this.#turn();
          this.#check();
        }
        read(each);
      }
    } finally {
      this.#pins.delete(pin);
    }
  }

  #read(found: Found): Uint8Array {
    return this.#whole(found, this.#rows.read(found.revision));
  }

  #whole({ key, revision }: Found, value: Uint8Array | undefined): Uint8Array {
    if (!value) throw new StoreDamagedError(`reading ${JSON.stringify(key)}: no row for revision ${revision}`);
    return value;
  }

  create(key: string, encode: Encode, options?: WriteOptions): Promise<number> {
    return this.#write('put', key, 0, encode, options?.ttlMs);
  }

  update(key: string, ifRevision: number, encode: Encode, options?: WriteOptions): Promise<number> {
    if (ifRevision === 0) ifRevision = noRevision;
    return this.#write('put', key, ifRevision, encode, options?.ttlMs);
  }

  delete(key: string, ifRevision: number, encode?: Encode): Promise<number> {
    if (ifRevision === 0) ifRevision = noRevision;
    const last = () => this.#undurable.get(ifRevision) ?? this.#read({ key, revision: ifRevision });
    return this.#write('delete', key, ifRevision, encode ?? last);
  }

  // Told once the write it lost to is durable: who reads again and retries at once then sees that write, instead of
  // spinning until it is.
  #conflict(key: string): Promise<number> {
    const current = this.#index.decidedRevision(key);
    const error = new StoreConflictError(key, current);
    if (current === this.#index.durableRevision(key)) return Promise.reject(error);
    return new Promise((_, reject) => {
      this.#conflicts.push({ revision: this.#index.decided, reject: () => reject(error) });
    });
  }

  #write(type: 'put' | 'delete', key: string, ifRevision: number, encode: Encode, ttlMs?: number): Promise<number> {
    try {
      this.#check();
      checkKey(key);
      assert(ttlMs === undefined || ttlMs > 0, `writing ${JSON.stringify(key)}: ttlMs is ${ttlMs}`);
      const current = this.#index.decidedRevision(key);
      if (current !== ifRevision) return this.#conflict(key);
      if (type === 'put') this.#rows.admit(0);
      const revision = this.#index.decided + 1;
      const given = encode(revision);
      const value = this.#rows.inMemory ? given : bytesOf(given);
      assert(this.#index.decided === revision - 1, `writing ${JSON.stringify(key)}: encode wrote to the store`);
      if (type === 'put') this.#rows.admit(sizeOf(value) + key.length);
      this.#index.decide(key, type, revision);
      this.#undurable.set(revision, value);
      const expiresAtMs = ttlMs === undefined ? 0 : this.#clock.now() + ttlMs;
      return new Promise((resolve, reject) => {
        this.#pending.push({ type, key, revision, previousRevision: current, value, expiresAtMs, resolve, reject });
        this.#flushSoon();
      });
    } catch (error) {
      if (error instanceof StoreFullError) this.#makeRoom();
      return Promise.reject(error);
    }
  }

  // Room is worth more than history: what was deleted would else lie there until the log has passed it.
  #makeRoom(): void {
    if (this.#compacted >= this.#index.durable || this.#compactions.length > 0) return;
    this.#log.warn('the store is full: forgetting its history', { revision: this.#index.durable });
    this.compact(this.#index.durable).catch(error => this.#log.warn('forgetting history failed', { error }));
  }

  watch(prefix: string, after: number, handler: StoreWatchHandler): StoreWatch {
    this.#check();
    if (after < this.#compacted) throw new StoreCompactedError(after, this.#compacted);
    return this.#watches.add(prefix, after, handler);
  }

  async compact(revision: number): Promise<void> {
    this.#check();
    if (revision > this.#index.durable) {
      throw new RangeError(`compacting up to revision ${revision}: the newest is ${this.#index.durable}`);
    }
    if (revision <= this.#compacted) return;
    this.#compacted = revision;
    await new Promise<void>((resolve, reject) => {
      this.#compactions.push({ revision, resolve, reject });
      this.#flushSoon();
    });
  }

  async sizeBytes(): Promise<number> {
    return (await this.#rows.sizeBytes?.()) ?? 0;
  }

  async snapshot(file: string): Promise<void> {
    this.#check();
    this.#snapshots++;
    try {
      await this.#rows.snapshot(file);
    } finally {
      this.#snapshots--;
    }
  }

  async unmap(): Promise<void> {
    while (this.#flushing) await this.#turn();
    this.#check();
    if (this.#snapshots === 0) await this.#unmap();
  }

  /** Writes wait; in a turn of its own, so that nobody reads before the map is there again. */
  async #unmap(): Promise<void> {
    this.#flushing = true;
    await this.#turn();
    try {
      await this.#rows.unmap?.();
    } catch (error) {
      this.#rollback([], error instanceof Error ? error : new Error(messageOf(error)));
    }
    this.#flushed();
  }

  #turn(): Promise<void> {
    return new Promise(resolve => this.#rows.defer(resolve));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#expiryTimer?.cancel();
    if (this.#flushing) await new Promise<void>(resolve => (this.#idle = resolve));
    this.#failure ??= new StoreClosedError();
    this.#watches.fail(this.#failure);
    await this.#rows.close();
  }

  #check(): void {
    if (this.#failure) throw this.#failure;
    if (this.#closing) throw new StoreClosedError();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#rows.defer(() => void this.#flush());
  }

  async #flush(): Promise<void> {
    const writes = this.#takeWrites();
    const commit = this.#plan(writes);
    try {
      await this.#rows.commit(commit.commit);
    } catch (error) {
      this.#rollback(writes, error instanceof Error ? error : new Error(messageOf(error)));
      return this.#flushed();
    }
    this.#index.trim(commit.trimCount);
    this.#trimmed = commit.commit.state.trimmed;
    this.#apply(writes);
    this.#watches.deliver(writes);
    for (const write of writes) write.resolve(write.revision);
    this.#settleConflicts(this.#index.durable);
    this.#settleCompactions();
    this.#flushed();
  }

  #flushed(): void {
    this.#flushing = false;
    const goesOn = !this.#failure;
    if (goesOn && (this.#pending.length > 0 || this.#compactions.length > 0)) this.#flushSoon();
    else if (goesOn && !this.#closing && this.#snapshots === 0 && this.#rows.mapsMuch) void this.#unmap();
    else this.#idle?.();
  }

  #takeWrites(): PendingWrite[] {
    let count = 0;
    for (let bytes = 0; count < this.#pending.length && count < commitWrites && bytes < commitBytes; count++) {
      bytes += sizeOf(this.#pending[count]!.value);
    }
    return this.#pending.splice(0, count);
  }

  #plan(writes: readonly PendingWrite[]): { commit: Commit; trimCount: number } {
    this.#compacted = Math.max(this.#compacted, this.#index.excess(Math.max(0, this.#logLength - writes.length)));
    let upTo = this.#compacted;
    for (const pin of this.#pins) upTo = Math.min(upTo, pin.revision);
    const old = this.#index.oldest(upTo, writes.length + trimExtra);
    const state = {
      revision: writes.at(-1)?.revision ?? this.#index.durable,
      compacted: this.#compacted,
      trimmed: old.at(-1)?.revision ?? this.#trimmed,
    };
    return { commit: { writes, removed: unreferencedRows(old), state }, trimCount: old.length };
  }

  #apply(writes: readonly PendingWrite[]): void {
    for (const write of writes) {
      this.#index.commit({
        revision: write.revision,
        key: write.key,
        previousRevision: write.previousRevision,
        type: write.type,
      });
      this.#undurable.delete(write.revision);
      if (write.expiresAtMs !== 0) {
        this.#expiries.push({ atMs: write.expiresAtMs, key: write.key, revision: write.revision });
      }
    }
    this.#armExpiry();
  }

  #settleConflicts(revision: number): void {
    const count = this.#conflicts.findIndex(conflict => conflict.revision > revision);
    for (const conflict of this.#conflicts.splice(0, count < 0 ? this.#conflicts.length : count)) conflict.reject();
  }

  #settleCompactions(): void {
    if (this.#compactions.length === 0) return;
    const oldest = this.#index.logBehind(0, 1)[0]?.revision ?? Number.POSITIVE_INFINITY;
    this.#compactions = this.#compactions.filter(compaction => {
      if (oldest <= compaction.revision) return true;
      compaction.resolve();
      return false;
    });
  }

  #rollback(taken: readonly PendingWrite[], error: Error): void {
    if (!(error instanceof StoreFullError)) {
      this.#failure = error;
      this.#log.error('the store has stopped', { error });
    }
    // What was decided later stands on what failed.
    const lost = [...taken, ...this.#pending];
    this.#pending = [];
    for (const write of lost) {
      this.#index.rollback(write.key);
      this.#undurable.delete(write.revision);
    }
    for (const waiting of [...lost, ...this.#compactions.splice(0)]) waiting.reject(error);
    this.#settleConflicts(Number.POSITIVE_INFINITY);
    if (this.#failure) this.#watches.fail(this.#failure);
  }

  // Only the first timer matters; a nearer expiry replaces it.
  #armExpiry(): void {
    const atMs = this.#expiries.nextMs;
    if (atMs === undefined || atMs >= this.#expiryTimerAtMs || this.#closing) return;
    this.#expiryTimer?.cancel();
    this.#expiryTimerAtMs = atMs;
    this.#expiryTimer = this.#clock.after(Math.max(0, atMs - this.#clock.now()), () => this.#expire());
  }

  #expire(): void {
    this.#expiryTimerAtMs = Number.POSITIVE_INFINITY;
    if (this.#failure || this.#closing) return;
    const nowMs = this.#clock.now();
    for (let due = this.#expiries.takeDue(nowMs); due; due = this.#expiries.takeDue(nowMs)) {
      const { key, revision } = due;
      if (this.#index.decidedRevision(key) !== revision) {
        // A newer write may yet be rolled back; then this value still has its end.
        if (this.#index.durableRevision(key) === revision) this.#retryExpiry(key, revision);
        continue;
      }
      this.delete(key, revision).catch(() => this.#retryExpiry(key, revision));
    }
    this.#armExpiry();
  }

  #retryExpiry(key: string, revision: number): void {
    if (this.#failure || this.#closing) return;
    this.#expiries.push({ atMs: this.#clock.now() + expiryRetryMs, key, revision });
    this.#armExpiry();
  }
}

/** Of bytes that are to be made, nothing: only what is written somewhere is bounded. */
const sizeOf = (value: StoreValue): number => (value instanceof Uint8Array ? value.byteLength : 0);

/** Throws StoreKeyError for what no store takes as a key. */
export function checkKey(key: string): void {
  // Three bytes a code unit at most: short keys need no exact count.
  if (key.length === 0 || (key.length * 3 > longestKeyBytes && Buffer.byteLength(key) > longestKeyBytes)) {
    throw new StoreKeyError(`writing ${JSON.stringify(key)}: a key has 1 to ${longestKeyBytes} bytes`);
  }
  if (!key.isWellFormed()) throw new StoreKeyError(`writing ${JSON.stringify(key)}: the key is not valid Unicode`);
}
