import type { KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import type { Clock } from '../base/clock.ts';
import type { ControllerContext } from './controller.ts';

// After this the object is assumed to have gone before an informer could show it.
const timeoutMs = 5 * 60_000;

/**
 * What a controller has created and its informer has not shown yet. A watch may be broken for half a minute while
 * others go on: whoever looks at the informer alone makes again what is there already.
 */
export class UnseenCreations<T extends KubeObject> {
  readonly #clock: Clock;
  readonly #objects = new Map<string, { readonly object: T; readonly sinceMs: number }>();

  constructor(context: ControllerContext, resource: ResourceRef<T>) {
    this.#clock = context.clock;
    const seen = (object: T) => void this.#objects.delete(object.metadata.uid);
    context.observe(resource, { onAdd: seen, onUpdate: seen, onDelete: seen });
  }

  add(object: T): void {
    this.#objects.set(object.metadata.uid, { object, sinceMs: this.#clock.monotonic() });
  }

  has(uid: string): boolean {
    return this.#objects.has(uid);
  }

  /** It turned out to be gone, or what is known of it to be old. */
  forget(uid: string): void {
    this.#objects.delete(uid);
  }

  /** Those that this owner controls. */
  of(ownerUid: string): T[] {
    const found: T[] = [];
    for (const [uid, { object, sinceMs }] of this.#objects) {
      if (this.#clock.monotonic() - sinceMs > timeoutMs) this.#objects.delete(uid);
      else if (object.metadata.ownerReferences?.some(o => o.controller && o.uid === ownerUid)) found.push(object);
    }
    return found;
  }
}
