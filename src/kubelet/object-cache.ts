// ConfigMaps and Secrets that pods of this node use, each by a watch of its own: the Node authorizer allows no more.
import type { KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { coreV1 } from '../api/refs.ts';
import type { ConfigMap, Pod, Secret } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Client, WatchHandle } from '../client/client.ts';
import { isOlder } from '../client/reflector.ts';

export interface ObjectCacheOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  /** A pod uses an object that has changed, appeared or gone. */
  onChange(podUid: string): void;
}

interface Entry {
  readonly resource: ResourceRef<KubeObject>;
  readonly namespace: string;
  readonly name: string;
  readonly users: Set<string>;
  object: KubeObject | undefined;
  /** Resolves when it is known whether the object exists. */
  loaded: Promise<void>;
  /** What was known once holds while the server cannot be reached: containers start again with it. */
  known: boolean;
  /** Why it cannot be read; thrown to who asks. */
  error: Error | undefined;
  /** The newest version seen; nothing before it counts. */
  version: string;
  watch: WatchHandle | undefined;
  retry: Timer | undefined;
  failures: number;
  closed: boolean;
}

const maxRetryMs = 30_000;
/** A watch that was over before is looked for again less and less often. */
const heldMs = 10_000;

export class ObjectCache {
  readonly #o: ObjectCacheOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: ObjectCacheOptions) {
    this.#o = options;
  }

  /** Undefined when it does not exist; rejects when that cannot be told (forbidden, unreachable). */
  async configMap(pod: Pod, name: string): Promise<ConfigMap | undefined> {
    return (await this.#get(coreV1.configmaps, pod, name)) as ConfigMap | undefined;
  }

  async secret(pod: Pod, name: string): Promise<Secret | undefined> {
    return (await this.#get(coreV1.secrets, pod, name)) as Secret | undefined;
  }

  /** The pod no longer needs anything; what nobody needs is watched no more. */
  release(podUid: string): void {
    for (const [key, entry] of this.#entries) {
      if (!entry.users.delete(podUid) || entry.users.size > 0) continue;
      this.#close(entry);
      this.#entries.delete(key);
    }
  }

  stop(): void {
    for (const entry of this.#entries.values()) this.#close(entry);
    this.#entries.clear();
  }

  async #get(resource: ResourceRef<any>, pod: Pod, name: string): Promise<KubeObject | undefined> {
    const namespace = pod.metadata.namespace ?? '';
    const key = `${resource.resource}/${namespace}/${name}`;
    let entry = this.#entries.get(key);
    if (!entry) {
      entry = {
        resource,
        namespace,
        name,
        users: new Set(),
        object: undefined,
        loaded: Promise.resolve(),
        known: false,
        error: undefined,
        version: '',
        watch: undefined,
        retry: undefined,
        failures: 0,
        closed: false,
      };
      this.#entries.set(key, entry);
      entry.loaded = this.#load(entry);
    }
    entry.users.add(pod.metadata.uid ?? '');
    await entry.loaded;
    if (entry.error) throw entry.error;
    return entry.object;
  }

  #close(entry: Entry): void {
    entry.closed = true;
    entry.watch?.stop();
    entry.retry?.cancel();
  }

  async #load(entry: Entry): Promise<void> {
    const { namespace, name } = entry;
    const fieldSelector = `metadata.name=${name}`;
    try {
      const list = await this.#o.client.list(entry.resource, { namespace, fieldSelector });
      entry.error = undefined;
      entry.known = true;
      entry.version = list.metadata.resourceVersion ?? '';
      this.#set(entry, list.items[0]);
      if (entry.closed || isImmutable(entry.object)) return;
      const startedMs = this.#o.clock.monotonic();
      entry.watch = this.#o.client.watch(
        entry.resource,
        { namespace, fieldSelector, resourceVersion: entry.version },
        {
          onEvent: (type, object) => {
            const { resourceVersion } = object.metadata;
            if (isOlder(resourceVersion, entry.version)) return;
            entry.version = resourceVersion;
            if (type !== 'BOOKMARK') this.#set(entry, type === 'DELETED' ? undefined : object);
          },
          onClose: () => {
            if (this.#o.clock.monotonic() - startedMs >= heldMs) entry.failures = 0;
            this.#reload(entry);
          },
        },
      );
    } catch (error) {
      if (!entry.known) entry.error = error instanceof Error ? error : new Error(messageOf(error));
      this.#reload(entry);
    }
  }

  #reload(entry: Entry): void {
    entry.watch = undefined;
    if (entry.closed) return;
    const delayMs = Math.min(maxRetryMs, 500 * 2 ** entry.failures++);
    entry.retry = this.#o.clock.after(delayMs, () => {
      entry.retry = undefined;
      const loading = this.#load(entry);
      if (!entry.known) entry.loaded = loading;
    });
  }

  #set(entry: Entry, object: KubeObject | undefined): void {
    const before = entry.object;
    entry.object = object;
    if (
      before?.metadata.resourceVersion === object?.metadata.resourceVersion &&
      before?.metadata.uid === object?.metadata.uid
    )
      return;
    for (const uid of entry.users) this.#o.onChange(uid);
  }
}

const isImmutable = (object: KubeObject | undefined) =>
  (object as { immutable?: boolean } | undefined)?.immutable === true;
