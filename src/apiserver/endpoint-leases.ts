// Who serves the API: each server keeps a key below /registry/masterleases alive, as kube-apiserver does; the endpoints
// of the service default/kubernetes are those whose key is there.
import type { KubeObject, Mutable } from '../api/meta.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import { type Store, StoreConflictError } from '../store/store.ts';
import { writeKubernetesEndpoints } from './kubernetes-service.ts';
import { encodeWithoutRevision } from './registry/stored-form.ts';

const prefix = '/registry/masterleases/';
const ttlMs = 15_000;
const everyMs = 10_000;

export interface EndpointLeasesOptions {
  readonly store: Store;
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  readonly address: string;
  readonly port: number;
}

export class EndpointLeases {
  readonly #options: EndpointLeasesOptions;
  #generation = 0;

  constructor(options: EndpointLeasesOptions) {
    this.#options = options;
  }

  /** Says that this server serves, and sets the endpoints. */
  async renew(): Promise<void> {
    await this.#write();
    await this.#reconcile();
  }

  /** Renews until the signal aborts. A failure is logged and tried again: the key outlives one renewal that is missed. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(everyMs, signal).catch(() => {});
      if (signal.aborted) return;
      try {
        await this.renew();
      } catch (error) {
        log.warn('renewing the lease of this server among the endpoints failed', { error });
      }
    }
  }

  /** Takes this server out of the endpoints. */
  async remove(): Promise<void> {
    if (await removeEndpoints(this.#options.store, this.#key)) await this.#reconcile();
  }

  get #key(): string {
    return prefix + this.#options.address;
  }

  #write(): Promise<void> {
    const { store, address } = this.#options;
    const metadata = { generation: ++this.#generation };
    return keepEndpoints(store, this.#key, { metadata, subsets: [{ addresses: [{ ip: address }] }] });
  }

  async #reconcile(): Promise<void> {
    const { store, client, port } = this.#options;
    const { entries } = await store.list(prefix);
    await writeKubernetesEndpoints(client, entries.map(e => e.key.slice(prefix.length)).sort(), port);
  }
}

/** Written for fifteen seconds, over whatever is there. */
export async function keepEndpoints(store: Store, key: string, endpoints: object): Promise<void> {
  const encode = () =>
    encodeWithoutRevision({ kind: 'Endpoints', apiVersion: 'v1', ...endpoints } as unknown as Mutable<KubeObject>);
  for (;;) {
    const entry = await store.get(key);
    try {
      if (entry) await store.update(key, entry.revision, encode, { ttlMs });
      else await store.create(key, encode, { ttlMs });
      return;
    } catch (error) {
      if (!(error instanceof StoreConflictError)) throw error;
    }
  }
}

/** False when there is nothing. */
export async function removeEndpoints(store: Store, key: string): Promise<boolean> {
  const entry = await store.get(key);
  if (!entry) return false;
  try {
    await store.delete(key, entry.revision);
  } catch (error) {
    if (!(error instanceof StoreConflictError)) throw error;
  }
  return true;
}
