// One watch on the store feeds every resource's cache in order of revision.

import { StatusError, tooLargeResourceVersion } from '../../api/status.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { WholeNumber } from '../../base/whole-number.ts';
import { type ListPage, type Store, StoreCompactedError, type StoreEvent, type StoreWatch } from '../../store/store.ts';
import type { CacheCounts } from './cache-counts.ts';
import { missedEvents } from './catch-up.ts';
import type { WatchCache } from './watch-cache.ts';

const ageEveryMs = 60_000;
// Of these steps five minutes are kept: pages and watches may take as long to go on as where etcd is compacted.
const stepsKept = 5;
const reloadAfterMs = 1000;
// What could not be read may be once a key is back, or a key service.
const rereadAfterMs = 10_000;
const rereadAtOnce = 100;

// Changes from before a restart that watches may resume behind: as many as cost the start some 20 ms.
const replayedEvents = 1000;
// So long after a start, caches that are added begin where the others began: custom resources are known late.
const homelessForMs = 60_000;
const mostHomeless = 10_000;

export class Dispatcher {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #caches = new Map<string, WatchCache>();
  /** Changes below a prefix whose cache is being filled. */
  readonly #filling = new Map<string, StoreEvent[]>();
  #watch: StoreWatch | undefined;
  #stopped = false;
  /** Changes since the start below no cache; undefined once they are forgotten. */
  #homeless: StoreEvent[] | undefined = [];
  #startedAt = 0;
  #homelessEnd: Timer | undefined;
  /** How often all was listed anew. */
  #reloads = 0;
  #asking: Promise<number> | undefined;
  #asked: Promise<void> | undefined;
  /** How often the store has said how far it is. */
  progressTold = 0;
  /** Newest revision every cache has seen. */
  revision = 0;
  /** Lists at older revisions have expired: five to six minutes go back. */
  listableFrom = 0;
  /** What was newest when the last minutes began. */
  readonly #steps: number[] = [];
  #aging: { cancel(): void } | undefined;
  #rereading: Timer | undefined;
  #waiters: { revision: WholeNumber; resolve(): void; reject(error: Error): void }[] = [];
  #onFailure: (error: Error) => void = () => {};

  constructor(store: Store, clock: Clock, log: Log) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** Fills the caches, keyed by prefix (`/registry/pods/`), and follows the store from there. */
  async start(caches: ReadonlyMap<string, WatchCache>, onFailure: (error: Error) => void): Promise<void> {
    this.#onFailure = onFailure;
    const newest = this.#store.revision;
    // The caches begin a while back and take the rest from the store's log: watches resume across a restart.
    const wanted = Math.max(0, this.#store.compactedRevision, newest - replayedEvents);
    const revision = await this.#load(caches, wanted);
    this.revision = revision;
    this.#startedAt = revision;
    this.#homelessEnd = this.#clock.after(homelessForMs, () => {
      this.#homeless = undefined;
    });
    this.#age();
    this.#rereadLater();
    await this.#follow(newest);
  }

  /** Resolves with the revision loaded: the newest when another server has compacted what was asked for. */
  async #load(caches: ReadonlyMap<string, WatchCache>, wanted: number): Promise<number> {
    if (!this.#store.newestRevision) {
      for (const [prefix, cache] of caches) {
        await this.#fill(prefix, cache, wanted);
        this.#caches.set(prefix, cache);
      }
      return wanted;
    }
    const pages = await this.#pages([...caches.keys()], wanted).catch(async error => {
      if (!(error instanceof StoreCompactedError)) throw error;
      return this.#pages([...caches.keys()], await this.#store.newestRevision!());
    });
    for (const [prefix, cache] of caches) {
      cache.load(pages.entries.get(prefix) ?? [], pages.revision);
      this.#caches.set(prefix, cache);
    }
    return pages.revision;
  }

  async #fill(prefix: string, cache: WatchCache, revision: number): Promise<void> {
    if (revision > 0 && this.#store.scan) await this.#store.scan(prefix, revision, entry => cache.take(entry));
    else if (revision > 0)
      for (const entry of (await this.#store.list(prefix, { revision })).entries) cache.take(entry);
    cache.loaded(revision);
  }

  /** What lies below each prefix at one revision. */
  async #pages(prefixes: readonly string[], revision: number) {
    const entries = new Map<string, ListPage['entries']>();
    for (const prefix of prefixes)
      if (revision > 0) entries.set(prefix, (await this.#store.list(prefix, { revision })).entries);
    return { entries, revision };
  }

  /** What the store has below `prefix` at an old revision; undefined when that is gone. */
  async readAt(prefix: string, revision: number): Promise<ListPage | undefined> {
    try {
      return await this.#store.list(prefix, { revision });
    } catch (error) {
      if (error instanceof StoreCompactedError) return undefined;
      throw error;
    }
  }

  /** Resolves when everything up to `newest` is in the caches. */
  #follow(newest: number): Promise<void> {
    return new Promise((resolve, reject) => {
      // All keys: the newest revision may be of any.
      this.#watch = this.#store.watch('', this.revision, {
        onEvents: events => this.#take(events),
        onProgress: revision => {
          this.progressTold++;
          this.#reach(revision);
        },
        onError: error => {
          if (error instanceof StoreCompactedError && this.#store.newestRevision) {
            this.#log.warn('the store watch fell behind compaction: listing anew', { error });
            this.#reload().then(resolve, reject);
            return;
          }
          this.#log.error('the store watch ended', { error });
          reject(error);
          this.#onFailure(error);
        },
      });
      if (this.revision >= newest) resolve();
      else {
        this.#waiters.push({ revision: newest, resolve, reject });
        // The newest revision may be none of ours: asked for it, the store says when the watch is past it.
        this.#store.newestRevision?.().catch(() => {});
      }
    });
  }

  /** After events were lost: what differs now is told as events, and the watch goes on from there. */
  async #reload(): Promise<void> {
    for (;;) {
      try {
        const pages = await this.#pages([...this.#caches.keys()], await this.#store.newestRevision!());
        if (this.#stopped) return;
        const events = [...this.#caches].flatMap(([prefix, cache]) =>
          missedEvents(cache, prefix, pages.entries.get(prefix) ?? [], pages.revision),
        );
        this.#reloads++;
        this.#take(events.sort((a, b) => a.revision - b.revision));
        this.#reach(pages.revision);
        return await this.#follow(pages.revision);
      } catch (error) {
        if (this.#stopped) return;
        this.#log.warn('listing anew failed', { error });
        await this.#clock.sleep(reloadAfterMs);
      }
    }
  }

  /** Below which prefixes something stored cannot be read, and how much of it. */
  get unreadable(): readonly { readonly prefix: string; readonly count: number }[] {
    const found = [...this.#caches].map(([prefix, cache]) => ({ prefix, count: cache.unreadable.length }));
    return found.filter(f => f.count > 0);
  }

  #rereadLater(): void {
    if (this.#stopped || this.#rereading || [...this.#caches.values()].every(c => c.unreadable.length === 0)) return;
    this.#rereading = this.#clock.after(rereadAfterMs, () => {
      this.#reread()
        .catch(error => this.#log.warn('reading again what could not be read failed', { error }))
        .finally(() => {
          this.#rereading = undefined;
          this.#rereadLater();
        });
    });
  }

  async #reread(): Promise<void> {
    for (const [prefix, cache] of this.#caches)
      for (const key of cache.unreadable.slice(0, rereadAtOnce)) {
        // A get of what cannot be read rejects.
        const entry = await this.#store.get(prefix + key).catch(() => undefined);
        if (entry) cache.restore(entry);
      }
  }

  #age(): void {
    this.#steps.push(this.revision);
    if (this.#steps.length > stepsKept) {
      this.listableFrom = this.#steps.shift()!;
      for (const cache of this.#caches.values()) cache.forget(this.listableFrom);
    }
    this.#aging = this.#clock.after(ageEveryMs, () => this.#age());
  }

  /** Fills one more cache and keeps it current from there. */
  async add(prefix: string, cache: WatchCache): Promise<void> {
    if (await this.#addFromStart(prefix, cache)) return;
    const missed: StoreEvent[] = [];
    this.#filling.set(prefix, missed);
    try {
      let reloads: number;
      let page: ListPage;
      do {
        reloads = this.#reloads;
        page = await this.#store.list(prefix);
      } while (reloads !== this.#reloads);
      const { entries, revision } = page;
      cache.load(entries, revision);
      for (const event of missed) if (event.revision > revision) cache.apply(event);
      this.#caches.set(prefix, cache);
      this.#rereadLater();
    } finally {
      this.#filling.delete(prefix);
    }
  }

  /** With the changes since the start, so that watches from before it can go on; false when these are forgotten. */
  async #addFromStart(prefix: string, cache: WatchCache): Promise<boolean> {
    if (!this.#homeless) return false;
    const page = this.#startedAt > 0 ? await this.readAt(prefix, this.#startedAt) : { entries: [] };
    if (!page || !this.#homeless) return false;
    cache.load(page.entries, this.#startedAt);
    for (const event of this.#homeless) if (event.key.startsWith(prefix)) cache.apply(event);
    this.#homeless = this.#homeless.filter(event => !event.key.startsWith(prefix));
    this.#caches.set(prefix, cache);
    this.#rereadLater();
    return true;
  }

  /** Forgets a cache. */
  remove(prefix: string): void {
    this.#caches.delete(prefix);
  }

  #take(events: readonly StoreEvent[]): void {
    for (const event of events) {
      const cache = this.#cacheOf(event.key);
      this.revision = event.revision;
      if (!cache) {
        if (this.#filling.size) this.#keep(event);
        if (this.#homeless && this.#homeless.push(event) > mostHomeless) this.#homeless = undefined;
        continue;
      }
      // A cache that was added may know more than has been dispatched.
      if (event.revision <= cache.windowStart) continue;
      try {
        cache.apply(event);
        if (event.failure) this.#rereadLater();
      } catch (error) {
        cache.counts.undecodable++;
        this.#log.error('applying a stored change failed', { key: event.key, error });
      }
    }
    this.#wake();
  }

  /** Nothing that the caches have not seen lies before `revision`. */
  #reach(revision: number): void {
    if (revision <= this.revision) return;
    this.revision = revision;
    this.#wake();
  }

  #wake(): void {
    if (!this.#waiters.length) return;
    const due = this.#waiters.filter(w => w.revision <= this.revision);
    this.#waiters = this.#waiters.filter(w => w.revision > this.revision);
    for (const w of due) w.resolve();
  }

  /**
   * Resolves when the caches have everything written before the call, by whichever server; undefined where only this one
   * writes. Rejects when the store cannot be asked. Calls at the same time ask once.
   */
  freshen(): Promise<void> | undefined {
    if (!this.#store.newestRevision) return undefined;
    if (!this.#asking) return this.#ask();
    // The question under way may have been answered before this call.
    this.#asked ??= this.#asking.then(
      () => this.#askNext(),
      () => this.#askNext(),
    );
    return this.#asked;
  }

  #askNext(): Promise<void> {
    this.#asked = undefined;
    return this.#ask();
  }

  async #ask(): Promise<void> {
    const asking = this.#store.newestRevision!();
    this.#asking = asking;
    try {
      const revision = await asking;
      if (this.#asking === asking) this.#asking = undefined;
      await this.waitFor(revision);
    } finally {
      if (this.#asking === asking) this.#asking = undefined;
    }
  }

  #keep(event: StoreEvent): void {
    for (const [prefix, missed] of this.#filling) if (event.key.startsWith(prefix)) missed.push(event);
  }

  // Prefixes have one, two or three segments behind /registry: /registry/pods/, /registry/services/specs/.
  #cacheOf(key: string): WatchCache | undefined {
    let end = key.indexOf('/', 10);
    while (end > 0) {
      const cache = this.#caches.get(key.slice(0, end + 1));
      if (cache) return cache;
      end = key.indexOf('/', end + 1);
    }
    return undefined;
  }

  /**
   * Resolves when `revision` is dispatched; rejects with 504 ResourceVersionTooLarge after 3 seconds, with 503 when the
   * server stops before.
   */
  waitFor(revision: WholeNumber): Promise<void> | undefined {
    if (revision <= this.revision) return undefined;
    if (this.#stopped) return Promise.reject(shuttingDown());
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(3000, () => {
        this.#waiters = this.#waiters.filter(w => w !== waiter);
        reject(tooLargeResourceVersion(revision, this.revision));
      });
      const waiter = {
        revision,
        resolve: () => {
          timer.cancel();
          resolve();
        },
        reject: (error: Error) => {
          timer.cancel();
          reject(error);
        },
      };
      this.#waiters.push(waiter);
    });
  }

  /** Waits for `revision` as waitFor does, and counts how long a reader of a cache waited. */
  reached(revision: WholeNumber, counts: CacheCounts): Promise<void> | undefined {
    if (revision > 0) return this.#timed(this.waitFor(revision), counts);
    return undefined;
  }

  /** Freshens for a reader of a cache, and counts that. */
  readFresh(counts: CacheCounts): Promise<void> | undefined {
    counts.consistentReads++;
    const waiting = this.#timed(this.freshen(), counts);
    waiting?.catch(() => counts.consistentFailures++);
    return waiting;
  }

  #timed(waiting: Promise<void> | undefined, { waits }: CacheCounts): Promise<void> | undefined {
    if (!waiting) {
      waits.observe(0);
      return undefined;
    }
    const startMs = this.#clock.monotonic();
    const done = () => waits.observe((this.#clock.monotonic() - startMs) / 1000);
    waiting.then(done, done);
    return waiting;
  }

  stop(): void {
    this.#stopped = true;
    this.#aging?.cancel();
    this.#rereading?.cancel();
    this.#homelessEnd?.cancel();
    this.#watch?.stop();
    for (const waiter of this.#waiters.splice(0)) waiter.reject(shuttingDown());
  }

  get stopped(): boolean {
    return this.#stopped;
  }
}

const shuttingDown = () => new StatusError(503, 'ServiceUnavailable', 'the API server is shutting down');
