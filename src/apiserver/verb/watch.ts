// The watch of a collection or an object.
import type { Resource } from '../../api/resource.ts';
import { invalid } from '../../api/status.ts';
import { WatchStream } from '../http/watch-stream.ts';
import { checkRevision, revisionOf } from '../registry/listing.ts';
import { orderedSink, prepareAll } from '../registry/reading.ts';
import type { Registry } from '../registry/registry.ts';
import { startWatch } from '../registry/watcher.ts';
import { rendererFor } from '../rendering.ts';
import { isTrue } from '../request-info.ts';
import { responseHeaders, statusOf } from '../respond.ts';
import { listParameters } from './list.ts';
import type { ResourceRequest } from './resource-request.ts';

export async function handleWatch(request: ResourceRequest, resource: Resource, registry: Registry): Promise<void> {
  const { context, exchange, info } = request;
  const { query } = exchange;
  const renderer = rendererFor(request, resource, true);
  const parameters = listParameters(request, resource);
  const sendInitial = query.get('sendInitialEvents');
  const initial = sendInitial !== null && isTrue(sendInitial);
  checkWatchParameters(parameters, sendInitial);
  const rv = parameters.resourceVersion;
  const { dispatcher } = context;
  const { counts } = registry.cache;
  const startMs = context.clock.monotonic();
  if (rv === '') await dispatcher.freshen();
  const unseen = prepareAll(registry, parameters.namespace);
  if (unseen) await unseen;
  if (exchange.closed) return;
  const timeout = Number(query.get('timeoutSeconds') ?? 0) || context.minRequestTimeout * (1 + context.random.next());
  let stop: (() => void) | undefined;
  const finish = () => {
    timer.cancel();
    ticker?.cancel();
    stop?.();
    stop = undefined;
  };
  // The head goes out first: clients wait for it even when no event comes.
  const out = exchange.open(200, responseHeaders(renderer.streamType, request.warnings));
  const stream = new WatchStream(out, renderer, context.clock, context.counts.frames(resource), () => {
    counts.terminated++;
    finish();
  });
  const bookmarks = isTrue(query.get('allowWatchBookmarks'));
  const timer = context.clock.after(timeout * 1000, () => {
    if (bookmarks) bookmark();
    finish();
    stream.end();
  });
  let ticker = bookmarks ? everyMinute() : undefined;
  exchange.onClose(finish);
  context.onShutdown.add(end);
  exchange.onClose(() => context.onShutdown.delete(end));
  const ending = resource.custom?.watches;
  if (ending) {
    ending.add(end);
    exchange.onClose(() => ending.delete(end));
  }
  try {
    // Who wants to begin with what exists at a version waits for it, with the head of the answer in hand.
    const behind = initial ? dispatcher.reached(revisionOf(rv), counts) : undefined;
    if (behind) await behind;
    if (exchange.closed || stream.ended) return;
    stop = startWatch(
      registry.cache,
      context.dispatcher,
      {
        namespace: parameters.namespace,
        selection: parameters.selection,
        resourceVersion: rv,
        sendInitialEvents: sendInitial === null ? undefined : initial,
        bookmarks,
        remote: true,
      },
      orderedSink(registry, stream, error => {
        finish();
        stream.error(statusOf(error));
      }),
    );
    stream.started();
    if (initial) {
      const scope = info.name ? 'resource' : info.namespace ? 'namespace' : 'cluster';
      context.counts.watchList(resource, scope, (context.clock.monotonic() - startMs) / 1000);
    }
    if (exchange.closed) finish();
  } catch (error) {
    finish();
    stream.error(statusOf(error));
  }

  function end(): void {
    finish();
    stream.end();
  }

  // A watch from a version to come has nothing to say before that.
  function bookmark(): void {
    if (dispatcher.revision >= Number(rv)) stream.onBookmark(dispatcher.revision, false);
  }

  function everyMinute() {
    return context.clock.after(50_000 + context.random.next() * 10_000, () => {
      bookmark();
      ticker = everyMinute();
    });
  }
}

function checkWatchParameters(
  { continue: token, resourceVersion, resourceVersionMatch: match }: ReturnType<typeof listParameters>,
  sendInitial: string | null,
): void {
  const field = 'resourceVersionMatch';
  const causes: { reason: string; message: string; field: string }[] = [];
  const forbid = (why: string) => causes.push({ reason: 'FieldValueForbidden', message: `Forbidden: ${why}`, field });
  if (sendInitial !== null) {
    if (match !== 'NotOlderThan') forbid('sendInitialEvents requires setting resourceVersionMatch to NotOlderThan');
  } else if (match) forbid('resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided');
  if (match && match !== 'NotOlderThan') {
    const message = `Unsupported value: ${JSON.stringify(match)}: supported values: "NotOlderThan"`;
    causes.push({ reason: 'FieldValueNotSupported', message, field });
  }
  // A watch that names no version begins with what exists, as if it said so.
  const begins = sendInitial === null && (resourceVersion === '' || resourceVersion === '0');
  if (token && (match || begins)) forbid('resourceVersionMatch is forbidden when continue is provided');
  if (causes.length) throw invalid({ group: 'meta.k8s.io', resource: 'ListOptions' }, '', causes);
  checkRevision(resourceVersion);
}
