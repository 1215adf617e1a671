// One watch: turns cache events into what this watcher's selection sees.
import type { Dispatcher } from './dispatcher.ts';
import type { Selection } from './selection.ts';
import { Stored } from './stored.ts';
import type { CacheEvent, WatchCache } from './watch-cache.ts';

/** Where a watch's events go. Neither call may throw. */
export interface WatchSink {
  onEvent(type: 'ADDED' | 'MODIFIED' | 'DELETED', stored: Stored): void;
  /** What exists at the start, as ADDED: read by this watch alone. */
  onInitial(stored: Stored): void;
  /** `initial`: everything that existed at the start has been told. */
  onBookmark(revision: number, initial: boolean): void;
  /** Where these have to be converted before a selection can look at them: calls back when they are, in order. */
  whenSeen?(items: readonly Stored[], tell: (sink: WatchSink) => void): void;
}

export interface WatchRequest {
  readonly namespace: string;
  readonly selection: Selection;
  /** '' and nought: begin with what exists. */
  readonly resourceVersion: string;
  readonly sendInitialEvents: boolean | undefined;
  /** Whether the client takes bookmarks, that of the end of the initial events too. Default: it does. */
  readonly bookmarks?: boolean;
  /** For a client over the network. */
  readonly remote?: boolean;
}

/** Starts it; initial events come before this returns. Throws 410 when the revision is gone. */
export function startWatch(
  cache: WatchCache,
  dispatcher: Dispatcher,
  request: WatchRequest,
  sink: WatchSink,
): () => void {
  const { namespace, selection } = request;
  const asked = Number(request.resourceVersion);
  let until = 0;
  const scope = namespace ? `${namespace}/` : '';
  // Who names no version, or any, is told the end of what exists as who asks for that.
  const { sendInitialEvents = request.resourceVersion === '' || request.resourceVersion === '0' } = request;
  if (request.sendInitialEvents ?? asked === 0) {
    cache.checkReadable(scope);
    const { counts } = cache;
    const tellInitial = (stored: Stored, to: WatchSink) => {
      if (!selection.everything && !selection.matches(stored.object)) return;
      counts.initialEvents++;
      to.onInitial(stored);
    };
    cache.snapshot().scan(scope, undefined, stored => {
      if (selection.everything || !sink.whenSeen) tellInitial(stored, sink);
      else sink.whenSeen([stored], to => tellInitial(stored, to));
      return undefined;
    });
    if (sendInitialEvents && request.bookmarks !== false) sink.onBookmark(dispatcher.revision, true);
  } else {
    const from = asked || dispatcher.revision;
    for (const event of cache.since(from)) if (event.key.startsWith(scope)) deliver(event, selection, sink);
    // From a version that is still to come: what comes before it is not told.
    if (from > dispatcher.revision) until = from;
  }
  return cache.listen({
    onEvent: event => {
      if (event.revision > until) deliver(event, selection, sink);
    },
    namespace: namespace || undefined,
    name: selection.name,
    node: selection.node,
    remote: request.remote,
  });
}

function deliver(event: CacheEvent, selection: Selection, sink: WatchSink): void {
  if (selection.everything) {
    sink.onEvent(event.type, event.stored);
    return;
  }
  if (selection.name !== undefined && !event.key.endsWith(selection.name)) return;
  const { stored, previous } = event;
  if (!sink.whenSeen) tellSelected(event, selection, sink);
  else sink.whenSeen(previous ? [previous, stored] : [stored], to => tellSelected(event, selection, to));
}

function tellSelected(event: CacheEvent, selection: Selection, sink: WatchSink): void {
  const before = event.previous !== undefined && selection.matches(event.previous.object);
  const after = event.type !== 'DELETED' && selection.matches(event.stored.object);
  if (after) sink.onEvent(before ? 'MODIFIED' : 'ADDED', event.stored);
  else if (before) sink.onEvent('DELETED', event.type === 'DELETED' ? event.stored : lastSeen(event));
}

const departed = new WeakMap<CacheEvent, Stored>();

// An object that leaves the selection is shown as it was, at the revision at which it left.
function lastSeen(event: CacheEvent): Stored {
  let stored = departed.get(event);
  if (!stored) {
    const { object } = event.previous!;
    stored = new Stored(
      event.key,
      { ...object, metadata: { ...object.metadata, resourceVersion: String(event.revision) } },
      event.revision,
    );
    departed.set(event, stored);
  }
  return stored;
}
