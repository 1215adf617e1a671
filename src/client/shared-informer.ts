import { type KubeObject, keyOf } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { messageOf } from '../base/assert.ts';
import type { Log } from '../base/log.ts';
import { IndexedStore } from './indexed-store.ts';
import type { Informer, InformerHandler } from './informer.ts';
import type { ReflectorSink } from './reflector.ts';

type Change<T> =
  | { readonly type: 'add'; readonly object: T }
  | { readonly type: 'update'; readonly object: T; readonly old: T }
  | { readonly type: 'delete'; readonly object: T };

/** The informer proper: a store, fed by a reflector, and the handlers that are told after each change. */
export class SharedInformer<T extends KubeObject> implements Informer<T>, ReflectorSink<T> {
  readonly resource: ResourceRef<T>;
  readonly lister = new IndexedStore<T>();
  readonly #log: Log;
  #handlers: readonly InformerHandler<T>[] = [];
  #synced = false;
  #resourceVersion: string | undefined;
  readonly #whenSynced = Promise.withResolvers<void>();

  constructor(resource: ResourceRef<T>, log: Log) {
    this.resource = resource;
    this.#log = log;
  }

  get synced(): boolean {
    return this.#synced;
  }

  get resourceVersion(): string | undefined {
    return this.#resourceVersion;
  }

  whenSynced(signal?: AbortSignal): Promise<void> {
    return orAborted(this.#whenSynced.promise, signal);
  }

  addHandler(handler: InformerHandler<T>): () => void {
    this.#handlers = [...this.#handlers, handler];
    if (handler.onAdd) for (const object of this.lister.list()) this.#tell(handler, { type: 'add', object });
    return () => {
      this.#handlers = this.#handlers.filter(h => h !== handler);
    };
  }

  addIndex(name: string, values: (object: T) => readonly string[]): void {
    this.lister.addIndex(name, values);
  }

  /** All changes are in the store before the first handler hears of one. */
  replace(items: readonly T[], resourceVersion: string | undefined): void {
    const gone = new Set(this.lister.keys());
    const changes: Change<T>[] = [];
    const putting: Change<T>[] = [];
    for (const item of items) {
      const key = keyOf(item);
      gone.delete(key);
      this.#store(key, item, putting);
    }
    for (const key of gone) {
      const object = this.lister.delete(key);
      if (object) changes.push({ type: 'delete', object });
    }
    this.#resourceVersion = resourceVersion;
    for (const c of changes.concat(putting)) this.#notify(c);
    if (!this.#synced) {
      this.#synced = true;
      this.#whenSynced.resolve();
    }
  }

  put(object: T): void {
    const changes: Change<T>[] = [];
    this.#store(keyOf(object), object, changes);
    this.#resourceVersion = object.metadata.resourceVersion;
    for (const c of changes) this.#notify(c);
  }

  delete(object: T): void {
    const known = this.lister.delete(keyOf(object)) !== undefined;
    this.#resourceVersion = object.metadata.resourceVersion;
    // The event carries the final state; without having known the object nobody needs to hear of its end.
    if (known) this.#notify({ type: 'delete', object });
  }

  passed(resourceVersion: string): void {
    this.#resourceVersion = resourceVersion;
  }

  #store(key: string, object: T, changes: Change<T>[]): void {
    const old = this.lister.get(key);
    if (old !== undefined && old.metadata.resourceVersion === object.metadata.resourceVersion) return;
    this.lister.set(key, object);
    if (old === undefined) changes.push({ type: 'add', object });
    else if (old.metadata.uid === object.metadata.uid) changes.push({ type: 'update', object, old });
    // The name was taken over while nobody looked: the one is gone, another is there.
    else changes.push({ type: 'delete', object: old }, { type: 'add', object });
  }

  #notify(change: Change<T>): void {
    for (const handler of this.#handlers) this.#tell(handler, change);
  }

  #tell(handler: InformerHandler<T>, change: Change<T>): void {
    const { type, object } = change;
    try {
      if (type === 'add') handler.onAdd?.(object);
      else if (type === 'delete') handler.onDelete?.(object);
      else handler.onUpdate?.(object, change.old);
    } catch (error) {
      this.#log.error('informer handler failed', {
        resource: this.resource.resource,
        object: keyOf(object),
        error: messageOf(error),
        stack: error instanceof Error ? error.stack : undefined,
      });
    }
  }
}

/** The promise, or a rejection with the signal's reason if that comes first. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
