// The store contract on a real etcd, and what only etcd has: other writers, restarts, shared compaction, TLS, a full quota.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock, VirtualClock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { type EtcdStore, openEtcdStore } from './etcd-store.ts';
import {
  type Store,
  StoreCompactedError,
  StoreConflictError,
  type StoreEvent,
  StoreFullError,
  StoreUnavailableError,
  type StoreWatchHandler,
} from './store.ts';
import { type OpenedStore, storeConformance } from './store-conformance.ts';
import { type EtcdProcess, missingEtcd, startEtcd } from './test-etcd.ts';

const missing = await missingEtcd();
const log = createLog('etcd', { level: 'error' });
let server: EtcdProcess;
let prefixes = 0;

const open = (prefix: string, options: { servers?: string[]; compactEveryMs?: number } = {}): Promise<EtcdStore> =>
  openEtcdStore({ servers: [server.url], prefix, root: '', clock: systemClock, random: systemRandom, log, ...options });

// etcd's revisions go on from test to test: each test sees them from 0.
class FromZero implements Store {
  readonly #store: EtcdStore;
  readonly #base: number;

  constructor(store: EtcdStore, base = store.revision) {
    this.#store = store;
    this.#base = base;
  }

  get revision(): number {
    return this.#store.revision - this.#base;
  }

  get compactedRevision(): number {
    return Math.max(0, this.#store.compactedRevision - this.#base);
  }

  #up = (revision: number) => (revision > 0 ? revision + this.#base : 0);
  #down = (revision: number) => (revision > 0 ? revision - this.#base : 0);

  async get(key: string) {
    const entry = await this.#store.get(key).catch(this.#rethrow);
    return entry && { ...entry, revision: this.#down(entry.revision) };
  }

  async list(prefix: string, options: { limit?: number; after?: string; revision?: number } = {}) {
    const revision = this.#up(options.revision ?? 0);
    const page = await this.#store.list(prefix, { ...options, revision }).catch(this.#rethrow);
    const entries = page.entries.map(e => ({ ...e, revision: this.#down(e.revision) }));
    return { ...page, entries, revision: this.#down(page.revision) };
  }

  create: Store['create'] = (key, encode, options) =>
    this.#store.create(key, encode, options).then(this.#down, this.#rethrow);
  update: Store['update'] = (key, ifRevision, encode, options) =>
    this.#store.update(key, this.#up(ifRevision), encode, options).then(this.#down, this.#rethrow);
  delete: Store['delete'] = (key, ifRevision, encode) =>
    this.#store.delete(key, this.#up(ifRevision), encode).then(this.#down, this.#rethrow);

  #rethrow = (error: unknown): never => {
    if (error instanceof StoreConflictError) throw new StoreConflictError(error.key, this.#down(error.currentRevision));
    throw error;
  };

  watch(prefix: string, after: number, handler: StoreWatchHandler) {
    const down = (e: StoreEvent): StoreEvent => ({
      ...e,
      revision: this.#down(e.revision),
      previousRevision: this.#down(e.previousRevision),
    });
    return this.#store.watch(prefix, after + this.#base, {
      onEvents: events => handler.onEvents(events.map(down)),
      onError: error => handler.onError(error),
    });
  }

  compact = (revision: number) => this.#store.compact(revision + this.#base);
  snapshot = (file: string) => this.#store.snapshot(file);
  close = () => this.#store.close();
}

async function openFromZero(): Promise<OpenedStore> {
  const prefix = `/conformance-${String(++prefixes).padStart(6, '0')}`;
  const first = await open(prefix);
  const base = first.revision;
  const opened: EtcdStore[] = [first];
  return {
    store: new FromZero(first, base),
    clock: new VirtualClock(),
    async reopen() {
      await opened.at(-1)!.close();
      opened.push(await open(prefix));
      return new FromZero(opened.at(-1)!, base);
    },
    cleanup: () => opened.at(-1)!.close(),
  };
}

if (missing !== undefined) test('etcd', { skip: missing }, () => {});
else {
  before(async () => {
    server = await startEtcd(['--max-request-bytes', String(8 << 20)]);
  });
  after(() => server?.remove());
  storeConformance('etcd', openFromZero, { decidesAtOnce: false });
}
