import { messageOf } from '../base/assert.ts';
import type { Log } from '../base/log.ts';
import type { LogEntry, RevisionIndex } from './revision-index.ts';
import type { DecidedWrite } from './rows.ts';
import { bytesOf, type StoreEvent, type StoreValue, type StoreWatch, type StoreWatchHandler } from './store.ts';

export interface WatchHubOptions {
  readonly index: RevisionIndex;
  /** The value written at a revision, undefined when it is gone. */
  readonly read: (revision: number) => Uint8Array | undefined;
  readonly defer: (fn: () => void) => void;
  readonly readsAtOnce: number;
  readonly pins: Set<{ revision: number }>;
  readonly log: Log;
}

/** An event whose values are read only when asked for: most watchers have them, and remember the one before. */
class Event implements StoreEvent {
  readonly type: 'put' | 'delete';
  readonly key: string;
  readonly revision: number;
  readonly previousRevision: number;
  readonly #value: StoreValue;
  readonly #read: WatchHubOptions['read'];

  constructor(entry: LogEntry, value: StoreValue, read: WatchHubOptions['read']) {
    this.type = entry.type;
    this.key = entry.key;
    this.revision = entry.revision;
    this.#value = value;
    this.previousRevision = entry.previousRevision;
    this.#read = read;
  }

  get value(): Uint8Array {
    return bytesOf(this.#value);
  }

  get previous(): Uint8Array | undefined {
    return this.previousRevision === 0 ? undefined : this.#read(this.previousRevision);
  }
}

interface Watcher {
  readonly prefix: string;
  readonly handler: StoreWatchHandler;
  /** Everything up to here has been handed over. */
  position: number;
  stopped: boolean;
  /** Set while it reads the log; what lies behind its position stays meanwhile. */
  pin: { revision: number } | undefined;
}

/** Hands durable events to watchers: new ones as they are committed, old ones from the log. */
export class WatchHub {
  readonly #options: WatchHubOptions;
  readonly #watchers = new Set<Watcher>();

  constructor(options: WatchHubOptions) {
    this.#options = options;
  }

  add(prefix: string, after: number, handler: StoreWatchHandler): StoreWatch {
    const watcher: Watcher = { prefix, handler, position: after, stopped: false, pin: undefined };
    this.#watchers.add(watcher);
    if (after < this.#options.index.durable) {
      watcher.pin = { revision: after };
      this.#options.pins.add(watcher.pin);
      this.#catchUpSoon(watcher);
    }
    return { stop: () => this.#remove(watcher) };
  }

  /** Tells of writes just committed. A watcher still reading the log is first brought up to them. */
  deliver(writes: readonly DecidedWrite[]): void {
    if (writes.length === 0 || this.#watchers.size === 0) return;
    const events = writes.map(write => new Event(write, write.value, this.#options.read));
    for (const watcher of [...this.#watchers]) {
      while (watcher.pin) this.#catchUp(watcher, this.#options.readsAtOnce);
      const position = watcher.position;
      const mine = events.filter(event => event.revision > position && event.key.startsWith(watcher.prefix));
      watcher.position = Math.max(position, writes.at(-1)!.revision);
      this.#hand(watcher, mine);
    }
  }

  /** Ends all watches. */
  fail(error: Error): void {
    for (const watcher of [...this.#watchers]) {
      this.#remove(watcher);
      this.#tell(watcher, error);
    }
  }

  #catchUpSoon(watcher: Watcher): void {
    this.#options.defer(() => {
      if (!watcher.pin) return;
      this.#catchUp(watcher, this.#options.readsAtOnce);
      if (watcher.pin) this.#catchUpSoon(watcher);
    });
  }

  #catchUp(watcher: Watcher, count: number): void {
    const entries = this.#options.index.logBehind(watcher.position, count);
    const last = entries.at(-1)?.revision ?? this.#options.index.durable;
    watcher.position = Math.max(watcher.position, last);
    const events: StoreEvent[] = [];
    for (const entry of entries) {
      if (!entry.key.startsWith(watcher.prefix)) continue;
      const value = this.#read(watcher, entry);
      if (!value) return;
      events.push(new Event(entry, value, this.#options.read));
    }
    if (watcher.position >= this.#options.index.durable) this.#unpin(watcher);
    else watcher.pin!.revision = watcher.position;
    this.#hand(watcher, events);
  }

  #read(watcher: Watcher, entry: LogEntry): Uint8Array | undefined {
    try {
      const value = this.#options.read(entry.revision);
      if (value) return value;
      throw new Error(`watching ${JSON.stringify(watcher.prefix)}: no row for revision ${entry.revision}`);
    } catch (error) {
      this.#remove(watcher);
      this.#tell(watcher, error instanceof Error ? error : new Error(messageOf(error)));
      return undefined;
    }
  }

  #hand(watcher: Watcher, events: readonly StoreEvent[]): void {
    if (watcher.stopped || events.length === 0) return;
    try {
      watcher.handler.onEvents(events);
    } catch (error) {
      // A watcher that missed events must not go on as if it had them.
      this.#options.log.error('a watcher failed', { prefix: watcher.prefix, error });
      this.#remove(watcher);
      this.#tell(watcher, error instanceof Error ? error : new Error(messageOf(error)));
    }
  }

  #tell(watcher: Watcher, error: Error): void {
    try {
      watcher.handler.onError(error);
    } catch (failure) {
      this.#options.log.error('a watcher failed', { prefix: watcher.prefix, error: failure });
    }
  }

  #remove(watcher: Watcher): void {
    watcher.stopped = true;
    this.#unpin(watcher);
    this.#watchers.delete(watcher);
  }

  #unpin(watcher: Watcher): void {
    if (watcher.pin) this.#options.pins.delete(watcher.pin);
    watcher.pin = undefined;
  }
}
