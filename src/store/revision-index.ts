import { compareUtf8, SortedKeys } from './sorted-keys.ts';

/** Where a key stands: what the disk has and what has been decided on top of it. 0: no such key. */
export interface KeyState {
  durable: number;
  decided: number;
}

/** One write, as the log remembers it: everything but the values. */
export interface LogEntry {
  readonly revision: number;
  readonly key: string;
  readonly previousRevision: number;
  readonly type: 'put' | 'delete';
}

export interface Found {
  readonly key: string;
  readonly revision: number;
}

/**
 * Keys, revisions and the log of a store, without the values: who may write, what a list shows at a revision, which
 * values nothing refers to any more. Values are immutable rows, one a revision, so that whoever holds a revision's list
 * of (key, revision) reads them in any order at any time until compaction passes.
 */
export class RevisionIndex {
  readonly #states = new Map<string, KeyState>();
  readonly #keys = new SortedKeys();
  #log: LogEntry[] = [];
  #logStart = 0;
  /** Newest durable revision. */
  durable = 0;
  /** Newest revision given out. */
  decided = 0;

  get keyCount(): number {
    return this.#keys.size;
  }

  get logLength(): number {
    return this.#log.length - this.#logStart;
  }

  /** The newest decided revision of a key, 0 when it does not exist. */
  decidedRevision(key: string): number {
    return this.#states.get(key)?.decided ?? 0;
  }

  /** The newest durable revision of a key, 0 when it does not exist. */
  durableRevision(key: string): number {
    return this.#states.get(key)?.durable ?? 0;
  }

  /** Fills in a durable key while loading. */
  load(key: string, revision: number): void {
    this.#states.set(key, { durable: revision, decided: revision });
    this.#keys.add(key);
  }

  /** Fills in the log while loading, in order. */
  loadLog(entry: LogEntry): void {
    this.#log.push(entry);
  }

  /** The write happens at `revision`, which is the next one. */
  decide(key: string, type: 'put' | 'delete', revision: number): void {
    this.decided = revision;
    this.#stateOf(key).decided = type === 'put' ? revision : 0;
  }

  #stateOf(key: string): KeyState {
    let state = this.#states.get(key);
    if (!state) {
      state = { durable: 0, decided: 0 };
      this.#states.set(key, state);
      this.#keys.add(key);
    }
    return state;
  }

  /** A decided write is on disk. In order of revision. */
  commit(entry: LogEntry): void {
    this.durable = entry.revision;
    this.#log.push(entry);
    // Forgotten by now when the key was deleted, made and deleted again before the first delete was durable.
    const state = this.#stateOf(entry.key);
    state.durable = entry.type === 'put' ? entry.revision : 0;
    this.#forgetIfGone(entry.key, state);
  }

  /** No decided write of this key will be on disk. */
  rollback(key: string): void {
    const state = this.#states.get(key);
    if (!state) return;
    state.decided = state.durable;
    this.#forgetIfGone(key, state);
  }

  #forgetIfGone(key: string, state: KeyState): void {
    if (state.durable !== 0 || state.decided !== 0) return;
    this.#states.delete(key);
    this.#keys.delete(key);
  }

  /** What a list shows at `revision`, at most `limit` entries. */
  find(prefix: string, after: string | undefined, revision: number, limit: number): Found[] {
    const then = revision < this.durable ? this.#since(revision, prefix) : undefined;
    const found: Found[] = [];
    const gone = then ? this.#goneSince(then, after) : [];
    let nextGone = 0;
    this.#keys.visit(prefix, after, key => {
      for (; nextGone < gone.length && compareUtf8(gone[nextGone]!.key, key) < 0; nextGone++) {
        if (found.length < limit) found.push(gone[nextGone]!);
      }
      const at = then?.get(key) ?? this.#states.get(key)!.durable;
      if (at !== 0 && found.length < limit) found.push({ key, revision: at });
      return found.length < limit;
    });
    for (; nextGone < gone.length && found.length < limit; nextGone++) found.push(gone[nextGone]!);
    return found;
  }

  // The revision each key written since then had at `revision`: of several writes the oldest one's previous counts.
  #since(revision: number, prefix: string): Map<string, number> {
    const then = new Map<string, number>();
    for (let i = this.#log.length - 1; i >= this.#logStart; i--) {
      const entry = this.#log[i]!;
      if (entry.revision <= revision) break;
      if (entry.key.startsWith(prefix)) then.set(entry.key, entry.previousRevision);
    }
    return then;
  }

  #goneSince(then: ReadonlyMap<string, number>, after: string | undefined): Found[] {
    const gone: Found[] = [];
    for (const [key, revision] of then) {
      if (revision === 0 || this.#states.has(key)) continue;
      if (after === undefined || compareUtf8(key, after) > 0) gone.push({ key, revision });
    }
    return gone.sort((a, b) => compareUtf8(a.key, b.key));
  }

  /** Up to `limit` log entries behind `revision`, oldest first. */
  logBehind(revision: number, limit: number): LogEntry[] {
    let low = this.#logStart;
    let high = this.#log.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#log[middle]!.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#log.slice(low, low + limit);
  }

  /** The revision to compact up to so that at most `length` log entries stay; 0 when they are not too many. */
  excess(length: number): number {
    const over = this.logLength - length;
    return over > 0 ? this.#log[this.#logStart + over - 1]!.revision : 0;
  }

  /** The oldest log entries, at most `limit`, up to and including `revision`. */
  oldest(revision: number, limit: number): LogEntry[] {
    const end = Math.min(this.#logStart + limit, this.#log.length);
    let i = this.#logStart;
    while (i < end && this.#log[i]!.revision <= revision) i++;
    return this.#log.slice(this.#logStart, i);
  }

  /** Forgets the `count` oldest log entries. */
  trim(count: number): void {
    this.#logStart += count;
    if (this.#logStart < 1024 || this.#logStart < this.#log.length / 2) return;
    this.#log = this.#log.slice(this.#logStart);
    this.#logStart = 0;
  }
}

/** Revisions of rows that nothing refers to once these oldest log entries are forgotten. */
export function unreferencedRows(entries: readonly LogEntry[]): number[] {
  const rows: number[] = [];
  for (const entry of entries) {
    if (entry.previousRevision !== 0) rows.push(entry.previousRevision);
    if (entry.type === 'delete') rows.push(entry.revision);
  }
  return rows;
}
