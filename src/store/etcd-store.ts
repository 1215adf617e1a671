// The store in an etcd cluster, which other API servers, kube-apiserver among them, may use at the same time.
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf } from '../base/assert.ts';
import type { BucketCounts } from '../base/bucket-counts.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { compareTarget, etcd, type KeyValue, type TxnRequest, type TxnResponse } from './etcd-api.ts';
import { EtcdChannel, type EtcdTls, isCompacted } from './etcd-channel.ts';
import { EtcdCompaction } from './etcd-compaction.ts';
import { EtcdKeys } from './etcd-keys.ts';
import { EtcdLeases } from './etcd-leases.ts';
import { EtcdWatch } from './etcd-watch.ts';
import { EtcdWatches } from './etcd-watches.ts';
import { checkKey } from './revision-store.ts';
import {
  bytesOf,
  type Encode,
  type ListPage,
  type Store,
  StoreCompactedError,
  StoreConflictError,
  type StoreEntry,
  type StoreWatch,
  type StoreWatchHandler,
  type WriteOptions,
} from './store.ts';
import { StoreClosedError, StoreDamagedError } from './store-error.ts';

export interface EtcdStoreOptions {
  /** `https://10.0.0.1:2379`; the first that answers is used. */
  readonly servers: readonly string[];
  readonly tls?: EtcdTls;
  /** What stands for `/registry` in etcd's keys. Default: the same. */
  readonly prefix?: string;
  /** What `prefix` stands for. Default: `/registry`. */
  readonly root?: string;
  /** Default: five minutes; 0: never. */
  readonly compactEveryMs?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const compactEveryMs = 300_000;
const keysAtOnce = 500;
const openTimeoutMs = 60_000;

/** Resolves once etcd answers; rejects with StoreUnavailableError when it has not for a minute. */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<EtcdStore> {
  const channel = new EtcdChannel(options);
  try {
    const status = await channel.call(etcd.status, {}, openTimeoutMs);
    const compacted = await compactedRevision(channel);
    const revision = status.header!.revision;
    return new EtcdStore(options, channel, { revision, compacted, version: status.version });
  } catch (error) {
    channel.close();
    throw new Error(`opening the store in etcd at ${options.servers.join(', ')}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** etcd tells it only to a watch that starts too early; 0: nothing is compacted. */
async function compactedRevision(channel: EtcdChannel): Promise<number> {
  const key = Buffer.from('\0k8ts');
  try {
    await channel.call(etcd.range, { key, revision: 1 });
    return 0;
  } catch (error) {
    if (!isCompacted(error)) throw error;
  }
  return await new Promise((resolve, reject) => {
    const { stream } = channel.watch();
    stream.on('error', reject);
    stream.on('data', response => {
      if (!response.canceled) return;
      resolve(response.compactRevision);
      stream.cancel();
    });
    stream.write({ create: { key, startRevision: 1 } });
  });
}

/** From etcd 3.4.31, 3.5.13 and 3.6 on, what a watch is told of its progress on request is true. */
export function tellsProgress(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.\-+]/).map(Number);
  if (major !== 3) return major > 3;
  return minor >= 6 || (minor === 5 && patch >= 13) || (minor === 4 && patch >= 31);
}

export class EtcdStore implements Store {
  readonly #channel: EtcdChannel;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #keys: EtcdKeys;
  readonly #leases: EtcdLeases;
  readonly #compaction: EtcdCompaction;
  readonly #watches: EtcdWatches;
  #revision: number;
  #compacted: number;
  #inFlight = 0;
  #idle: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    options: EtcdStoreOptions,
    channel: EtcdChannel,
    state: { revision: number; compacted: number; version: string },
  ) {
    this.#channel = channel;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#log = options.log;
    this.#keys = new EtcdKeys(options);
    this.#leases = new EtcdLeases(channel, options.clock);
    this.#revision = state.revision;
    this.#compacted = state.compacted;
    this.#watches = new EtcdWatches({
      clock: options.clock,
      tellsProgress: tellsProgress(state.version),
      revision: () => this.#revision,
      mark: () => this.#mark(),
    });
    const everyMs = options.compactEveryMs ?? compactEveryMs;
    this.#compaction = new EtcdCompaction({
      channel,
      clock: options.clock,
      log: options.log,
      everyMs,
      onCompacted: revision => this.#noteCompacted(revision),
    });
    if (everyMs > 0) this.#compaction.start();
  }

  get revision(): number {
    return this.#revision;
  }

  get leaseObjects(): BucketCounts {
    return this.#leases.objects;
  }

  /** As the server that answers has it on its disk. */
  sizeBytes(): Promise<number> {
    return this.#run(async () => (await this.#channel.call(etcd.status, {})).dbBytes);
  }

  get compactedRevision(): number {
    return this.#compacted;
  }

  #note(revision: number | undefined): void {
    if (revision !== undefined && revision > this.#revision) this.#revision = revision;
  }

  #noteCompacted(revision: number): void {
    if (revision > this.#compacted) this.#compacted = revision;
  }

  #check(): void {
    if (this.#closing) throw new StoreClosedError();
  }

  placeOf(key: string): string {
    return this.#keys.placeOf(key);
  }

  // ---- reads

  get(key: string): Promise<StoreEntry | undefined> {
    return this.#run(async () => {
      const answer = await this.#channel.call(etcd.range, { key: this.#keys.of(key) });
      this.#note(answer.header?.revision);
      const kv = answer.kvs[0];
      return kv && this.#entryOf(kv);
    });
  }

  #entryOf({ key, value, modRevision }: KeyValue): StoreEntry {
    return { key: this.#keys.nameOf(key), value, revision: modRevision };
  }

  list(prefix: string, options: { limit?: number; after?: string; revision?: number } = {}): Promise<ListPage> {
    return this.#run(async () => {
      for (;;) {
        try {
          return await this.#list(prefix, options);
        } catch (error) {
          if (isFuture(error)) throw new RangeError(`reading at revision ${options.revision}: there is none yet`);
          if (!isCompacted(error)) throw error;
          if (options.revision)
            throw new StoreCompactedError(options.revision, Math.max(this.#compacted, options.revision));
          // It took longer than history is kept: once more, from the newest.
        }
      }
    });
  }

  async #list(prefix: string, options: { limit?: number; after?: string; revision?: number }): Promise<ListPage> {
    const { rangeEnd, ...range } = this.#keys.rangeOf(prefix);
    let key = range.key;
    if (options.after !== undefined) {
      const behind = Buffer.concat([this.#keys.of(options.after), zero]);
      if (behind.compare(key) > 0) key = behind;
    }
    const limit = options.limit || Number.POSITIVE_INFINITY;
    let revision = options.revision || 0;
    const entries: StoreEntry[] = [];
    for (;;) {
      const past = key.compare(rangeEnd) >= 0;
      const answer = await this.#channel.call(etcd.range, {
        key: past ? range.key : key,
        rangeEnd,
        limit: past ? 1 : Math.min(limit - entries.length, keysAtOnce),
        revision,
      });
      this.#note(answer.header?.revision);
      revision ||= answer.header!.revision;
      if (past) return { entries, revision, more: false };
      for (const kv of answer.kvs) entries.push(this.#entryOf(kv));
      if (!answer.more || entries.length >= limit) return { entries, revision, more: answer.more };
      key = Buffer.concat([answer.kvs.at(-1)!.key, zero]);
    }
  }

  /** Rejects with StoreDamagedError, and ends all watches, when etcd is behind what it has said before. */
  async newestRevision(): Promise<number> {
    const known = this.#revision;
    const revision = await this.#run(async () => {
      const { key } = this.#keys.rangeOf('');
      const answer = await this.#channel.call(etcd.range, { key, keysOnly: true });
      return answer.header!.revision;
    });
    if (revision < known) {
      const error = wentBack(known, revision);
      this.#watches.fail(error);
      throw error;
    }
    this.#note(revision);
    this.#watches.hasten();
    return revision;
  }

  #mark(): void {
    const key = this.#keys.of(`${this.#keys.root}/k8ts.dev/progress`);
    this.#run(() => this.#channel.call(etcd.txn, { success: [{ put: { key, value: zero } }] })).catch(error =>
      this.#log.debug('writing a mark for watches failed', { error }),
    );
  }

  // ---- writes

  create(key: string, encode: Encode, options?: WriteOptions): Promise<number> {
    return this.#put(key, 0, encode, options);
  }

  update(key: string, ifRevision: number, encode: Encode, options?: WriteOptions): Promise<number> {
    return this.#put(key, ifRevision || noRevision, encode, options);
  }

  #put(key: string, ifRevision: number, encode: Encode, options: WriteOptions = {}): Promise<number> {
    return this.#run(async () => {
      checkKey(key);
      const at = this.#keys.of(key);
      const value = bytesOf(encode(0));
      const { ttlMs } = options;
      for (let tries = 0; ; tries++) {
        const lease = ttlMs === undefined ? {} : { lease: await this.#leases.take(ttlMs) };
        try {
          return await this.#write(key, at, ifRevision, { put: { key: at, value, ...lease } });
        } catch (error) {
          if (ttlMs === undefined || tries > 0 || !/lease not found/.test(messageOf(error))) throw error;
          this.#leases.forget(ttlMs);
        }
      }
    });
  }

  delete(key: string, ifRevision: number, encode?: Encode): Promise<number> {
    return this.#run(async () => {
      checkKey(key);
      const at = this.#keys.of(key);
      encode?.(0);
      return await this.#write(key, at, ifRevision || noRevision, { delete: { key: at } });
    });
  }

  async #write(key: string, at: Buffer, ifRevision: number, op: TxnOp): Promise<number> {
    const answer = await this.#channel.call(etcd.txn, {
      compare: [{ target: compareTarget.modRevision, key: at, modRevision: Math.max(ifRevision, 0) }],
      // "There must be one" and "there is none" at once: never.
      ...(ifRevision === noRevision ? {} : { success: [op] }),
      failure: [{ range: { key: at, keysOnly: true } }],
    });
    const revision = answer.header!.revision;
    this.#note(revision);
    if (!answer.succeeded || ifRevision === noRevision) throw await this.#conflict(key, answer);
    await this.#watches.told(key, revision);
    return revision;
  }

  async #conflict(key: string, answer: TxnResponse): Promise<StoreConflictError> {
    const current = answer.responses[0]?.range?.kvs[0]?.modRevision ?? 0;
    if (current > 0) await this.#watches.told(key, current);
    // Deleted: when, nobody tells; by now.
    else await this.#watches.toldAll(this.#keys.root, answer.header!.revision);
    return new StoreConflictError(key, current);
  }

  // ---- watches

  watch(prefix: string, after: number, handler: StoreWatchHandler): StoreWatch {
    this.#check();
    if (after < this.#compacted) throw new StoreCompactedError(after, this.#compacted);
    const watch: EtcdWatch = new EtcdWatch({
      channel: this.#channel,
      clock: this.#clock,
      random: this.#random,
      log: this.#log,
      range: this.#keys.rangeOf(prefix),
      after,
      handler,
      keyOf: key => this.#keys.nameOf(key),
      onRevision: revision => this.#note(revision),
      onCompacted: revision => this.#noteCompacted(revision),
      onEnd: () => this.#watches.delete(watch),
    });
    this.#watches.add(watch, prefix);
    return watch;
  }

  // ---- upkeep

  compact(revision: number): Promise<void> {
    return this.#run(async () => {
      if (revision > this.#revision)
        throw new RangeError(`compacting up to revision ${revision}: the newest is ${this.#revision}`);
      if (revision <= this.#compacted) return;
      try {
        await this.#channel.call(etcd.compact, { revision, physical: true });
      } catch (error) {
        if (!isCompacted(error)) throw error;
      }
      this.#noteCompacted(revision);
    });
  }

  /** A turn of the compaction that several servers share; resolves with the revision compacted, 0 for none. */
  compactInTurn(): Promise<number> {
    return this.#run(() => this.#compaction.turn());
  }

  /** etcd's own snapshot, as `etcdctl snapshot save` writes it, without the checksum at its end. */
  snapshot(file: string): Promise<void> {
    return this.#run(async () => {
      const chunks = this.#channel.snapshot();
      const blobs = async function* () {
        for await (const { blob } of chunks) yield blob as Buffer;
      };
      await pipeline(Readable.from(blobs()), createWriteStream(file, { mode: 0o600 }));
    });
  }

  /** Counts what is in flight, for close. */
  async #run<T>(act: () => Promise<T>): Promise<T> {
    this.#check();
    this.#inFlight++;
    try {
      return await act();
    } finally {
      if (--this.#inFlight === 0) this.#idle?.();
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#compaction.stop();
    this.#watches.stop();
    if (this.#inFlight > 0) await new Promise<void>(resolve => (this.#idle = resolve));
    this.#watches.close();
    this.#channel.close();
  }
}

type TxnOp = NonNullable<TxnRequest['success']>[number];

const zero = Buffer.of(0);
// What no key ever has: an update or delete that requires "no such key" is a conflict.
const noRevision = -1;

const wentBack = (from: number, to: number): StoreDamagedError =>
  new StoreDamagedError(
    `etcd has gone back from revision ${from} to ${to}: its data was replaced by older data. Start all API servers again; next time stop them before, or restore with etcdutl snapshot restore --bump-revision --mark-compacted`,
  );

const isFuture = (error: unknown): boolean => /required revision is a future revision/.test(messageOf(error));
