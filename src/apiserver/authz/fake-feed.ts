// An informer's reading side for tests of this folder: objects are put and removed by hand.
import { type KubeObject, keyOf } from '../../api/meta.ts';
import type { InformerHandler } from '../../client/informer.ts';
import type { Feed } from './rbac.ts';

export class FakeFeed<T extends KubeObject> implements Feed<T> {
  readonly #objects = new Map<string, T>();
  readonly #handlers = new Set<InformerHandler<T>>();

  readonly lister = {
    get: (key: string) => this.#objects.get(key),
    list: (namespace?: string) =>
      [...this.#objects.values()].filter(o => namespace === undefined || o.metadata.namespace === namespace),
    byIndex: () => [],
    size: 0,
  };

  constructor(objects: readonly unknown[] = []) {
    for (const o of objects) this.put(o);
  }

  addHandler(handler: InformerHandler<T>): () => void {
    this.#handlers.add(handler);
    for (const o of this.#objects.values()) handler.onAdd?.(o);
    return () => this.#handlers.delete(handler);
  }

  /** Loosely typed: a test writes only the fields it is about. */
  put(object: unknown): void {
    const next = object as T;
    const old = this.#objects.get(keyOf(next));
    this.#objects.set(keyOf(next), next);
    for (const h of this.#handlers) old ? h.onUpdate?.(next, old) : h.onAdd?.(next);
  }

  remove(key: string): void {
    const old = this.#objects.get(key);
    if (!old) return;
    this.#objects.delete(key);
    for (const h of this.#handlers) h.onDelete?.(old);
  }
}
