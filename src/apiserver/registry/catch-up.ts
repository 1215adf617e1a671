// A cache that has lost its watch catches up with a list: what differs becomes events, as if it had been watched.
import type { StoreEntry, StoreEvent } from '../../store/store.ts';
import type { WatchCache } from './watch-cache.ts';

/** The events between what `cache` shows and what `entries` say there is at `revision`. */
export function missedEvents(
  cache: Pick<WatchCache, 'snapshot' | 'peek'>,
  prefix: string,
  entries: readonly StoreEntry[],
  revision: number,
): StoreEvent[] {
  const events: StoreEvent[] = [];
  const there = new Set<string>();
  for (const { key, value, revision: changed, failure } of entries) {
    there.add(key);
    const known = cache.peek(key.slice(prefix.length));
    if (known && known.revision === changed) continue;
    events.push({
      type: 'put',
      key,
      value,
      revision: changed,
      previousRevision: known?.revision ?? 0,
      ...(failure ? { failure } : {}),
    });
  }
  cache.snapshot().scan('', undefined, stored => {
    const key = prefix + stored.key;
    if (!there.has(key))
      events.push({ type: 'delete', key, value: stored.json, revision, previousRevision: stored.revision });
    return undefined;
  });
  return events;
}
