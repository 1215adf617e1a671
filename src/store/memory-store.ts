import { writeFile } from 'node:fs/promises';
import { type Clock, systemClock } from '../base/clock.ts';
import { type Log, silentLog } from '../base/log.ts';
import { ExpiryQueue } from './expiry-queue.ts';
import { RevisionIndex } from './revision-index.ts';
import { RevisionStore } from './revision-store.ts';
import type { Commit, DecidedWrite, Rows } from './rows.ts';
import { bytesOf, type Store } from './store.ts';

/** Log entries kept for watches and old lists unless asked otherwise. */
// Twice what caches replay after a start; in between they have windows of their own.
export const defaultLogLength = 2000;

export interface MemoryStoreOptions {
  clock?: Clock;
  log?: Log;
  /** Log entries kept for watches and old lists. */
  logLength?: number;
}

class MemoryRows implements Rows {
  readonly inMemory = true;
  readonly #rows = new Map<number, Pick<DecidedWrite, 'type' | 'key' | 'value'>>();
  #revision = 0;
  readonly readsAtOnce = Number.POSITIVE_INFINITY;

  read(revision: number): Uint8Array | undefined {
    const row = this.#rows.get(revision);
    return row && bytesOf(row.value);
  }

  peek(revision: number): Uint8Array | undefined {
    return this.read(revision);
  }

  admit(): void {}

  async commit({ writes, removed, state }: Commit): Promise<void> {
    for (const { type, key, value, revision } of writes) this.#rows.set(revision, { type, key, value });
    for (const revision of removed) this.#rows.delete(revision);
    this.#revision = state.revision;
  }

  defer(fn: () => void): void {
    queueMicrotask(fn);
  }

  /** One JSON object a line: `{revision}`, then `{key, revision, value}` for each key, the value in base64. */
  async snapshot(file: string): Promise<void> {
    const lines = [JSON.stringify({ revision: this.#revision })];
    // What a row replaces or deletes comes before it, if it is still there.
    const newest = new Map<string, number>();
    for (const [revision, { type, key }] of this.#rows)
      if (type === 'put') newest.set(key, revision);
      else newest.delete(key);
    for (const [key, revision] of newest) {
      const value = Buffer.from(this.read(revision)!).toString('base64');
      lines.push(JSON.stringify({ key, revision, value }));
    }
    await writeFile(file, `${lines.join('\n')}\n`, { mode: 0o600 });
  }

  async close(): Promise<void> {
    this.#rows.clear();
  }
}

/** A store that forgets everything when closed. Writes are answered within the turn they were made in. */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  return new RevisionStore({
    rows: new MemoryRows(),
    index: new RevisionIndex(),
    expiries: new ExpiryQueue(),
    compacted: 0,
    trimmed: 0,
    clock: options.clock ?? systemClock,
    log: options.log ?? silentLog,
    logLength: options.logLength ?? defaultLogLength,
  });
}
