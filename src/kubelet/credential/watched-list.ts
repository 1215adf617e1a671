// All objects of a resource that a selector leaves, watched from the first question on.
import { type KubeObject, keyOf } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { isNotFound, StatusError } from '../../api/status.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Client, WatchHandle } from '../../client/client.ts';

export interface WatchedListOptions<T extends KubeObject> {
  readonly client: Client;
  readonly clock: Clock;
  /** In the order in which they are tried: versions of one kind. */
  readonly resources: readonly ResourceRef<T>[];
  readonly fieldSelector?: string;
  /** Something has changed, or can be read again. */
  onChange(): void;
}

const firstRetryMs = 500;
const maxRetryMs = 30_000;
/** A watch that was over before is looked for again less and less often. */
const heldMs = 10_000;

export class WatchedList<T extends KubeObject> {
  readonly #o: WatchedListOptions<T>;
  readonly #objects = new Map<string, T>();
  #loaded: Promise<void> | undefined;
  #error: Error | undefined;
  /** What was read once holds while nobody answers. */
  #known = false;
  #watch: WatchHandle | undefined;
  #retry: Timer | undefined;
  #failures = 0;
  #stopped = false;

  constructor(options: WatchedListOptions<T>) {
    this.#o = options;
  }

  /** Rejects while they cannot be read: not served, forbidden, not yet reached. */
  async list(): Promise<readonly T[]> {
    this.#loaded ??= this.#load();
    await this.#loaded;
    if (this.#error) throw this.#error;
    return [...this.#objects.values()];
  }

  /** By `namespace/name` (or `name`); to be asked after list(). */
  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  stop(): void {
    this.#stopped = true;
    this.#watch?.stop();
    this.#retry?.cancel();
  }

  async #load(): Promise<void> {
    try {
      await this.#listFirstServed();
      const could = this.#error === undefined;
      this.#error = undefined;
      this.#known = true;
      if (!could) this.#o.onChange();
    } catch (error) {
      if (!this.#known || error instanceof StatusError)
        this.#error = error instanceof Error ? error : new Error(messageOf(error));
      this.#again();
    }
  }

  async #listFirstServed(): Promise<void> {
    const { client, resources, fieldSelector } = this.#o;
    const options = fieldSelector ? { fieldSelector } : {};
    for (const [i, resource] of resources.entries()) {
      try {
        const { items, metadata } = await client.list(resource, options);
        if (this.#stopped) return;
        this.#replace(items);
        const { resourceVersion = '' } = metadata;
        const startedMs = this.#o.clock.monotonic();
        this.#watch = client.watch(
          resource,
          { ...options, resourceVersion },
          {
            onEvent: (type, object) => {
              if (type !== 'BOOKMARK') this.#set(keyOf(object), type === 'DELETED' ? undefined : object);
            },
            onClose: () => {
              if (this.#o.clock.monotonic() - startedMs >= heldMs) this.#failures = 0;
              this.#again();
            },
          },
        );
        return;
      } catch (error) {
        if (!isNotFound(error) || i === resources.length - 1) throw error;
      }
    }
  }

  #again(): void {
    this.#watch = undefined;
    if (this.#stopped) return;
    const delayMs = Math.min(maxRetryMs, firstRetryMs * 2 ** this.#failures++);
    this.#retry = this.#o.clock.after(delayMs, () => {
      const loading = this.#load();
      if (!this.#known) this.#loaded = loading;
    });
  }

  #replace(items: readonly T[]): void {
    const now = new Map(items.map(o => [keyOf(o), o]));
    for (const key of [...this.#objects.keys()]) if (!now.has(key)) this.#set(key, undefined);
    for (const [key, object] of now) this.#set(key, object);
  }

  #set(key: string, object: T | undefined): void {
    const before = this.#objects.get(key);
    if (object) this.#objects.set(key, object);
    else this.#objects.delete(key);
    if (before?.metadata.resourceVersion !== object?.metadata.resourceVersion) this.#o.onChange();
  }
}
