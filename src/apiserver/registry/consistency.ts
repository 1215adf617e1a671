// Looks now and then whether the caches hold what the store holds (DetectCacheInconsistency): what differs is told in the
// log and counted, so that somebody can be told of it.
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Store } from '../../store/store.ts';
import type { WatchCache } from './watch-cache.ts';

export interface ConsistencyOptions {
  /** As they are when it is looked. */
  readonly caches: () => Iterable<WatchCache>;
  readonly store: Pick<Store, 'list'>;
  /** What the caches have been told of. */
  readonly dispatcher: { readonly revision: number };
  readonly clock: Clock;
  readonly log: Log;
}

export const consistencyEveryMs = 300_000;
const pageSize = 1000;

/** Ends with `signal`. */
export async function watchConsistency(options: ConsistencyOptions, signal: AbortSignal): Promise<void> {
  const { clock, caches } = options;
  while (!signal.aborted) {
    await clock.sleep(consistencyEveryMs, signal).catch(() => {});
    for (const cache of new Set(caches())) {
      if (signal.aborted) return;
      await checkConsistency(cache, options);
    }
  }
}

/** Never rejects. */
export async function checkConsistency(
  cache: WatchCache,
  { store, dispatcher, log }: Omit<ConsistencyOptions, 'caches' | 'clock'>,
): Promise<void> {
  const { prefix, counts } = cache;
  // One that was added may know more than the others have been told of.
  const revision = Math.max(dispatcher.revision, cache.windowStart);
  const held = cache.snapshot();
  try {
    const odd = await difference(held, cache, store, revision);
    if (odd === undefined) counts.consistent++;
    else {
      counts.inconsistent++;
      log.error('cache consistency check failed', { prefix, revision, key: odd });
    }
  } catch (error) {
    counts.uncertain++;
    log.warn('cache consistency check could not be made', { prefix, revision, error: messageOf(error) });
  }
}

/** A key that is not in the store as it is held; undefined when there is none. */
async function difference(
  held: ReturnType<WatchCache['snapshot']>,
  cache: WatchCache,
  store: Pick<Store, 'list'>,
  revision: number,
): Promise<string | undefined> {
  const expected = new Map<string, number>();
  held.scan('', undefined, (stored, key) => {
    expected.set(key, stored.revision);
    return undefined;
  });
  for (let after: string | undefined; ; ) {
    const page = await store.list(cache.prefix, {
      limit: pageSize,
      revision,
      ...(after === undefined ? {} : { after }),
    });
    for (const entry of page.entries) {
      const key = entry.key.slice(cache.prefix.length);
      // What cannot be read is held by nobody, and told elsewhere.
      if (!entry.failure && !cache.unreadableAt(key) && expected.get(key) !== entry.revision) return key;
      expected.delete(key);
    }
    if (!page.more) break;
    after = page.entries.at(-1)!.key;
  }
  return expected.keys().next().value;
}
