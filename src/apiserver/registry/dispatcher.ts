// One watch on the store feeds every resource's cache in order of revision.

import { tooLargeResourceVersion } from '../../api/status.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Store, StoreEvent, StoreWatch } from '../../store/store.ts';
import type { WatchCache } from './watch-cache.ts';

const compactEveryMs = 300_000;

// Changes from before a restart that watches may resume behind: as many as cost the start some 20 ms.
const replayedEvents = 1000;

export class Dispatcher {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #caches = new Map<string, WatchCache>();
  /** Changes below a prefix whose cache is being filled. */
  readonly #filling = new Map<string, StoreEvent[]>();
  #watch: StoreWatch | undefined;
  /** Newest revision every cache has seen. */
  revision = 0;
  /** Lists at older revisions have expired: five to ten minutes go back, as where etcd is compacted. */
  listableFrom = 0;
  #aging: { cancel(): void } | undefined;
  #waiters: { revision: number; resolve(): void }[] = [];
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
    const revision = Math.max(0, this.#store.compactedRevision, newest - replayedEvents);
    for (const [prefix, cache] of caches) {
      const page = revision === 0 ? undefined : await this.#store.list(prefix, { revision });
      cache.load(page?.entries ?? [], revision);
      this.#caches.set(prefix, cache);
    }
    this.revision = revision;
    this.#age(this.listableFrom);
    await this.#follow(newest);
  }

  /** Resolves when everything up to `newest` is in the caches. */
  #follow(newest: number): Promise<void> {
    return new Promise((resolve, reject) => {
      // All keys: the newest revision may be of any.
      this.#watch = this.#store.watch('', this.revision, {
        onEvents: events => this.#take(events),
        onError: error => {
          this.#log.error('the store watch ended', { error });
          reject(error);
          this.#onFailure(error);
        },
      });
      if (this.revision >= newest) resolve();
      else this.#waiters.push({ revision: newest, resolve });
    });
  }

  #age(next: number): void {
    const seen = this.revision;
    this.listableFrom = next;
    this.#aging = this.#clock.after(compactEveryMs, () => this.#age(seen));
  }

  /** Fills one more cache and keeps it current from there. */
  async add(prefix: string, cache: WatchCache): Promise<void> {
    const missed: StoreEvent[] = [];
    this.#filling.set(prefix, missed);
    try {
      const { entries, revision } = await this.#store.list(prefix);
      cache.load(entries, revision);
      for (const event of missed) if (event.revision > revision) cache.apply(event);
      this.#caches.set(prefix, cache);
    } finally {
      this.#filling.delete(prefix);
    }
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
        continue;
      }
      // A cache that was added may know more than has been dispatched.
      if (event.revision <= cache.windowStart) continue;
      try {
        cache.apply(event);
      } catch (error) {
        this.#log.error('applying a stored change failed', { key: event.key, error });
      }
    }
    if (this.#waiters.length) {
      const due = this.#waiters.filter(w => w.revision <= this.revision);
      this.#waiters = this.#waiters.filter(w => w.revision > this.revision);
      for (const w of due) w.resolve();
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

  /** Resolves when `revision` is dispatched; rejects with 504 ResourceVersionTooLarge after 3 seconds. */
  waitFor(revision: number): Promise<void> | undefined {
    if (revision <= this.revision) return undefined;
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
      };
      this.#waiters.push(waiter);
    });
  }

  stop(): void {
    this.#aging?.cancel();
    this.#watch?.stop();
  }
}
