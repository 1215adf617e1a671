// Reads of a registry's version of its objects: a webhook may have to convert them first.
import type { ObjectKey } from '../../api/meta.ts';
import { notFound } from '../../api/status.ts';
import type { Dispatcher } from './dispatcher.ts';
import { checkRevision, type ListRequest, type ListResult, listCache, revisionOf } from './listing.ts';
import type { Registry } from './registry.ts';
import type { Stored } from './stored.ts';
import type { WatchSink } from './watcher.ts';

/** Throws 404, and what a failing conversion throws. `anyRevision`: an answer that may be old will do. */
export async function readObject(registry: Registry, key: ObjectKey, anyRevision = false): Promise<Stored> {
  const behind = anyRevision ? undefined : registry.freshen();
  if (behind) await behind;
  const stored = registry.cache.get(registry.keyOf(key));
  if (!stored) throw notFound(registry.resource, key.name);
  const unseen = registry.prepare([stored]);
  if (unseen) await unseen;
  return registry.show(stored);
}

/** As `resourceVersion` of a get asks: not older than that, of any age for 0. Throws 500 for what is no version. */
export async function readNotOlderThan(registry: Registry, key: ObjectKey, resourceVersion: string): Promise<Stored> {
  checkRevision(resourceVersion);
  const { dispatcher } = registry.options;
  const behind = resourceVersion ? dispatcher.reached(revisionOf(resourceVersion), registry.cache.counts) : undefined;
  if (behind) await behind;
  return readObject(registry, key, resourceVersion === '0');
}

/** Everything there is, in one namespace or in all. Undefined: nothing to wait for. */
export function prepareAll(registry: Registry, namespace: string): Promise<void> | undefined {
  if (!registry.resource.custom) return undefined;
  const all: Stored[] = [];
  registry.cache.snapshot().scan(namespace ? `${namespace}/` : '', undefined, stored => {
    all.push(stored);
    return undefined;
  });
  return registry.prepare(all);
}

export async function listObjects(
  registry: Registry,
  dispatcher: Dispatcher,
  request: ListRequest,
): Promise<ListResult> {
  const behind = request.resourceVersion === '' ? dispatcher.readFresh(registry.cache.counts) : undefined;
  if (behind) await behind;
  // Selectors look at the version that is asked for.
  const unseen = request.selection.everything ? undefined : prepareAll(registry, request.namespace);
  if (unseen) await unseen;
  const result = await listCache(registry.cache, dispatcher, request);
  const late = registry.prepare(result.items);
  if (late) await late;
  return result;
}

/** Holds events back, in order, until what they show is converted. */
export function orderedSink(registry: Registry, sink: WatchSink, onFailure: (error: Error) => void): WatchSink {
  if (!registry.resource.custom) return sink;
  let queue: Promise<void> | undefined;
  const inOrder = (unseen: Promise<void> | undefined, tell: () => void | Promise<void>) => {
    const told = queue || unseen ? (queue ?? Promise.resolve()).then(() => unseen).then(tell) : tell();
    if (!told) return;
    const turn: Promise<void> = told.catch(onFailure).finally(() => {
      if (queue === turn) queue = undefined;
    });
    queue = turn;
    unseen?.catch(() => {});
  };
  const onBookmark: WatchSink['onBookmark'] = (revision, initial) =>
    inOrder(undefined, () => sink.onBookmark(revision, initial));
  return {
    onEvent: (type, stored) => inOrder(registry.prepare([stored]), () => sink.onEvent(type, stored)),
    onInitial: stored => inOrder(registry.prepare([stored]), () => sink.onInitial(stored)),
    onBookmark,
    whenSeen: (items, tell) =>
      inOrder(registry.prepare(items), () => {
        // What leaves a selection is told of by a copy, to be converted as well before the next turn.
        let late: Promise<void> | undefined;
        const onEvent: WatchSink['onEvent'] = (type, stored) => {
          late = registry.prepare([stored])?.then(() => sink.onEvent(type, stored));
          if (!late) sink.onEvent(type, stored);
        };
        tell({ onEvent, onInitial: stored => sink.onInitial(stored), onBookmark });
        return late;
      }),
  };
}
