// The in-process watch.
import type { KubeObject } from '../../api/meta.ts';
import { apiVersionOf, type ResourceRef } from '../../api/ref.ts';
import type { Resource } from '../../api/resource.ts';
import { tooLargeResourceVersion } from '../../api/status.ts';
import type { WatchHandle, WatchHandler, WatchOptions } from '../../client/client.ts';
import type { ApiContext } from '../context.ts';
import { orderedSink } from '../registry/reading.ts';
import type { Registry } from '../registry/registry.ts';
import { parseSelection } from '../registry/selection.ts';
import type { Stored } from '../registry/stored.ts';
import { startWatch, type WatchSink } from '../registry/watcher.ts';

interface Entered {
  readonly resource: Resource;
  readonly registry: Registry;
}

/** `enter` finds what is watched and checks the right to it. */
export function localWatch<T extends KubeObject>(
  context: ApiContext,
  ref: ResourceRef<T>,
  options: WatchOptions,
  handler: WatchHandler<T>,
  enter: () => Entered | Promise<Entered>,
): WatchHandle {
  let stopped = false;
  let stop: (() => void) | undefined;
  const timer = options.timeoutSeconds
    ? context.clock.after(options.timeoutSeconds * 1000, () => {
        // So that the next watch need not look at what this one has seen or passed over.
        bookmark?.(context.dispatcher.revision, false);
        close(undefined);
      })
    : undefined;
  let bookmark: WatchSink['onBookmark'] | undefined;
  let ending: Set<() => void> | undefined;
  const close = (error: Error | undefined) => {
    if (stopped) return;
    end();
    handler.onClose(error);
  };
  const end = () => {
    stopped = true;
    timer?.cancel();
    stop?.();
    context.onShutdown.delete(onShutdown);
    ending?.delete(onShutdown);
  };
  const onShutdown = () => close(undefined);
  context.onShutdown.add(onShutdown);
  const give = (type: 'ADDED' | 'MODIFIED' | 'DELETED', stored: Stored) => {
    if (!stopped) handler.onEvent(type, stored.object as unknown as T);
  };
  // Not within the caller's call: a handler may use the handle it is about to get.
  queueMicrotask(() => {
    if (stopped) return;
    try {
      const entered = enter();
      if (entered instanceof Promise) entered.then(begin).catch(close);
      else begin(entered);
    } catch (error) {
      close(error as Error);
    }
  });
  function begin({ resource, registry }: Entered): void {
    if (stopped) return;
    ending = resource.custom?.watches;
    ending?.add(onShutdown);
    const rv = options.resourceVersion ?? '';
    if (options.sendInitialEvents && Number(rv) > context.dispatcher.revision)
      throw tooLargeResourceVersion(Number(rv), context.dispatcher.revision);
    const sink = orderedSink(
      registry,
      {
        onEvent: (type, stored) => give(type, registry.show(stored)),
        onInitial: stored => give('ADDED', registry.show(stored)),
        onBookmark: (revision, initial) => {
          if (stopped || revision < Number(rv)) return;
          const metadata = {
            resourceVersion: String(revision),
            ...(initial ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
          };
          handler.onEvent('BOOKMARK', { kind: ref.kind, apiVersion: apiVersionOf(ref), metadata } as unknown as T);
        },
      },
      close,
    );
    stop = startWatch(
      registry.cache,
      context.dispatcher,
      {
        namespace: options.namespace ?? '',
        selection: parseSelection(resource, options.labelSelector, options.fieldSelector),
        resourceVersion: rv,
        sendInitialEvents: options.sendInitialEvents,
      },
      sink,
    );
    if (stopped) stop();
    bookmark = sink.onBookmark;
  }
  return { stop: end };
}
