// A store whose values are changed on the way in and out, by what their key says they are.
import {
  bytesOf,
  type Encode,
  type ListPage,
  type Store,
  type StoreEntry,
  type StoreEvent,
  type StoreWatch,
  type StoreWatchHandler,
  type WriteOptions,
} from '../../store/store.ts';
import type { Transformed, Transformer } from './transformer.ts';

/** The transformer for what lies at a key; undefined where values stay as they are. */
export type TransformerFor = (key: string) => Transformer | undefined;

/**
 * Opens `inner`'s values as `transformerFor` says. The transformer of a key may be another one later. What cannot be
 * opened fails a get; in lists and watches it stands for itself, with its failure, so that others can be read.
 */
export class EncryptedStore implements Store {
  readonly #inner: Store;
  readonly #for: TransformerFor;
  readonly #own: Own = new WeakMap();
  readonly #onUnreadable: (key: string, error: Error) => void;
  readonly #placeOf: PlaceOf;
  readonly newestRevision?: () => Promise<number>;

  constructor(
    inner: Store,
    transformerFor: TransformerFor,
    onUnreadable: (key: string, error: Error) => void = () => {},
  ) {
    this.#onUnreadable = onUnreadable;
    this.#inner = inner;
    this.#for = transformerFor;
    this.#placeOf = inner.placeOf ? key => inner.placeOf!(key) : key => key;
    if (inner.newestRevision) this.newestRevision = () => inner.newestRevision!();
  }

  get revision(): number {
    return this.#inner.revision;
  }

  get compactedRevision(): number {
    return this.#inner.compactedRevision;
  }

  async get(key: string): Promise<StoreEntry | undefined> {
    const entry = await this.#inner.get(key);
    return entry && this.#read(entry);
  }

  /** Whether the value at the key would be written otherwise today. */
  async isStale(key: string): Promise<boolean> {
    const transformer = this.#for(key);
    const entry = transformer && (await this.#inner.get(key));
    if (!entry) return false;
    await transformer.prepare?.(entry.value);
    return opened(transformer, key, this.#placeOf(key), entry.value).stale;
  }

  async list(prefix: string, options?: { limit?: number; after?: string; revision?: number }): Promise<ListPage> {
    const page = await this.#inner.list(prefix, options);
    const entries: StoreEntry[] = [];
    for (const entry of page.entries) {
      try {
        const read = this.#read(entry);
        entries.push(read instanceof Promise ? await read : read);
      } catch (error) {
        this.#onUnreadable(entry.key, error as Error);
        entries.push({ ...entry, value: nothing, failure: error as Error });
      }
    }
    return { ...page, entries };
  }

  create(key: string, encode: Encode, options?: WriteOptions): Promise<number> {
    return this.#inner.create(key, this.#encode(key, encode), options);
  }

  update(key: string, ifRevision: number, encode: Encode, options?: WriteOptions): Promise<number> {
    return this.#inner.update(key, ifRevision, this.#encode(key, encode), options);
  }

  delete(key: string, ifRevision: number, encode?: Encode): Promise<number> {
    return this.#inner.delete(key, ifRevision, encode && this.#encode(key, encode));
  }

  watch(prefix: string, after: number, handler: StoreWatchHandler): StoreWatch {
    return new OpeningWatch(this.#for, this.#placeOf, this.#own, handler, this.#onUnreadable).start(h =>
      this.#inner.watch(prefix, after, h),
    );
  }

  async unmap(): Promise<void> {
    await this.#inner.unmap?.();
  }

  compact(revision: number): Promise<void> {
    return this.#inner.compact(revision);
  }

  /** As they lie there: encrypted. */
  snapshot(file: string): Promise<void> {
    return this.#inner.snapshot(file);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #encode(key: string, encode: Encode): Encode {
    const transformer = this.#for(key);
    if (!transformer) return encode;
    return revision => {
      const value = bytesOf(encode(revision));
      // Nothing is what a store that keeps no final bytes is given.
      if (!value.length) return value;
      const stored = transformer.toStorage(value, this.#placeOf(key));
      this.#own.set(stored, value);
      return stored;
    };
  }

  #read(entry: StoreEntry): StoreEntry | Promise<StoreEntry> {
    const transformer = this.#for(entry.key);
    if (!transformer) return entry;
    const at = this.#placeOf(entry.key);
    const read = () => ({ ...entry, value: opened(transformer, entry.key, at, entry.value).value });
    const waiting = transformer.prepare?.(entry.value);
    return waiting ? waiting.then(read, error => Promise.reject(failure(at, error))) : read();
  }
}

/** Values are bound to where they lie, which is not what the key is called here when the store has another prefix. */
type PlaceOf = (key: string) => string;

const nothing = new Uint8Array(0);

const failure = (key: string, error: unknown) =>
  new Error(`unable to transform key ${JSON.stringify(key)}: ${(error as Error).message}`, { cause: error });

function opened(transformer: Transformer, key: string, at: string, stored: Uint8Array): Transformed {
  if (!stored.length) return { value: stored, stale: false };
  try {
    return transformer.fromStorage(stored, at);
  } catch (error) {
    // Bound to the key's name below `/registry`: copied from there, or written when that was so everywhere.
    const other = at === key ? undefined : ifOpened(transformer, key, stored);
    if (other) return { value: other.value, stale: true };
    throw failure(at, error);
  }
}

function ifOpened(transformer: Transformer, key: string, stored: Uint8Array): Transformed | undefined {
  try {
    return transformer.fromStorage(stored, key);
  } catch {
    return undefined;
  }
}

/** An event with its value opened; the one before is opened when asked for. */
class OpenedEvent implements StoreEvent {
  readonly type: StoreEvent['type'];
  readonly key: string;
  readonly revision: number;
  readonly previousRevision: number;
  readonly value: Uint8Array;
  readonly failure?: Error;
  readonly #stored: Uint8Array | undefined;
  readonly #transformer: Transformer;
  readonly #at: string;

  constructor(event: StoreEvent, transformer: Transformer, at: string, value: Uint8Array | Error) {
    this.#at = at;
    this.type = event.type;
    this.key = event.key;
    this.revision = event.revision;
    this.previousRevision = event.previousRevision;
    if (value instanceof Error) {
      this.value = nothing;
      this.failure = value;
    } else this.value = value;
    this.#stored = event.previous;
    this.#transformer = transformer;
  }

  get previous(): Uint8Array | undefined {
    return this.#stored && opened(this.#transformer, this.key, this.#at, this.#stored).value;
  }
}

/** What was encrypted here, by what came of it: who wrote something need not open it. */
type Own = WeakMap<Uint8Array, Uint8Array>;

/** Hands events on in their order, also where some must be waited for. */
class OpeningWatch {
  readonly #for: TransformerFor;
  readonly #placeOf: PlaceOf;
  readonly #own: Own;
  readonly #handler: StoreWatchHandler;
  readonly #onUnreadable: (key: string, error: Error) => void;
  #behind: Promise<void> | undefined;
  #inner: StoreWatch | undefined;
  #stopped = false;

  constructor(
    transformerFor: TransformerFor,
    placeOf: PlaceOf,
    own: Own,
    handler: StoreWatchHandler,
    onUnreadable: (key: string, error: Error) => void,
  ) {
    this.#onUnreadable = onUnreadable;
    this.#for = transformerFor;
    this.#placeOf = placeOf;
    this.#own = own;
    this.#handler = handler;
  }

  start(watch: (handler: StoreWatchHandler) => StoreWatch): StoreWatch {
    const { onProgress } = this.#handler;
    this.#inner = watch({
      onEvents: events => this.#events(events),
      ...(onProgress
        ? { onProgress: revision => this.#inOrder(() => this.#handler.onProgress?.(revision), undefined) }
        : {}),
      onError: error => this.#inOrder(() => this.#handler.onError(error), undefined),
    });
    // It may have been ended within the call.
    if (this.#stopped) this.#inner.stop();
    return { stop: () => this.#stop() };
  }

  #stop(): void {
    this.#stopped = true;
    this.#inner?.stop();
  }

  #events(events: readonly StoreEvent[]): void {
    const waits: Promise<void>[] = [];
    for (const event of events) {
      const transformer = this.#for(event.key);
      if (!transformer?.prepare) continue;
      for (const stored of [event.value, event.previous]) {
        // What cannot be opened fails when it is.
        const wait =
          stored?.length && !this.#own.has(stored) ? transformer.prepare(stored)?.catch(() => {}) : undefined;
        if (wait) waits.push(wait);
      }
    }
    const give = () => this.#handler.onEvents(events.map(event => this.#open(event)));
    this.#inOrder(give, waits.length ? Promise.all(waits) : undefined);
  }

  #open(event: StoreEvent): StoreEvent {
    const transformer = this.#for(event.key);
    if (!transformer) return event;
    const at = this.#placeOf(event.key);
    return new OpenedEvent(event, transformer, at, this.#own.get(event.value) ?? this.#valueOf(event, transformer, at));
  }

  #valueOf({ key, value }: StoreEvent, transformer: Transformer, at: string): Uint8Array | Error {
    try {
      return opened(transformer, key, at, value).value;
    } catch (error) {
      this.#onUnreadable(key, error as Error);
      return error as Error;
    }
  }

  #inOrder(give: () => void, wait: Promise<unknown> | undefined): void {
    if (this.#stopped) return;
    if (!wait && !this.#behind) {
      give();
      return;
    }
    const mine = Promise.all([this.#behind, wait]).then(() => {
      if (this.#behind === mine) this.#behind = undefined;
      if (this.#stopped) return;
      try {
        give();
      } catch (error) {
        this.#stop();
        this.#handler.onError(error as Error);
      }
    });
    this.#behind = mine;
  }
}
