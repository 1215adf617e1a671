import type { KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { aborted } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Client } from './client.ts';
import type { Informer, InformerFactory, InformerOptions } from './informer.ts';
import { Reflector } from './reflector.ts';
import { SharedInformer } from './shared-informer.ts';

export interface InformerFactoryOptions {
  clock: Clock;
  random: Random;
  log: Log;
  /** Fetch first states by watching with sendInitialEvents; for servers that have it. Default false. */
  streamInitialList?: boolean;
}

/** One reflector and one store a resource and selector, shared by all who ask. */
export function createInformerFactory(client: Client, options: InformerFactoryOptions): InformerFactory {
  return new SharedInformerFactory(client, options);
}

interface Entry {
  readonly informer: SharedInformer<any>;
  readonly reflector: Reflector<any>;
}

class SharedInformerFactory implements InformerFactory {
  readonly #client: Client;
  readonly #options: InformerFactoryOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #running = new Set<Promise<void>>();
  #signal: AbortSignal | undefined;

  constructor(client: Client, options: InformerFactoryOptions) {
    this.#client = client;
    this.#options = options;
  }

  informer<T extends KubeObject>(resource: ResourceRef<T>, options: InformerOptions = {}): Informer<T> {
    const id = [
      resource.group,
      resource.version,
      resource.resource,
      options.namespace ?? '',
      options.labelSelector ?? '',
      options.fieldSelector ?? '',
    ].join('\0');
    let entry = this.#entries.get(id);
    if (!entry) {
      const { clock, random, log, streamInitialList = false } = this.#options;
      const informer = new SharedInformer<T>(resource, log);
      const reflector = new Reflector<T>({
        client: this.#client,
        resource,
        options,
        sink: informer,
        clock,
        random,
        log,
        streamInitialList,
      });
      entry = { informer, reflector };
      this.#entries.set(id, entry);
      if (this.#signal) this.#start(entry);
    }
    return entry.informer;
  }

  async run(signal: AbortSignal): Promise<void> {
    assert(!this.#signal, 'informer factory is run once');
    this.#signal = signal;
    for (const entry of this.#entries.values()) this.#start(entry);
    await aborted(signal);
    await Promise.all(this.#running);
  }

  async whenSynced(signal?: AbortSignal): Promise<void> {
    for (;;) {
      const missing = [...this.#entries.values()].filter(e => !e.informer.synced);
      if (missing.length === 0) return;
      await Promise.all(missing.map(e => e.informer.whenSynced(signal)));
    }
  }

  #start(entry: Entry): void {
    const done = entry.reflector.run(this.#signal!).finally(() => this.#running.delete(done));
    this.#running.add(done);
  }
}
