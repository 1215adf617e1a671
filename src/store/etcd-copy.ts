// What an API server keeps in etcd, all of it at one revision, out of etcd and into it.
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { compareTarget, etcd } from './etcd-api.ts';
import { EtcdChannel, type EtcdTls, isCompacted } from './etcd-channel.ts';
import { EtcdLeases } from './etcd-leases.ts';
import { type CopiedEntry, inGroups, type StoreCopy, StoreCopyError } from './store-copy.ts';

export interface EtcdCopyOptions {
  readonly servers: readonly string[];
  readonly tls?: EtcdTls;
  /** What stands for `/registry` in etcd's keys. Default: the same. */
  readonly prefix?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const root = '/registry';
const keysAtOnce = 500;
const writesAtOnce = 64;
const zero = Buffer.of(0);
// Keys that end within the same minute share a lease.
const leaseStepMs = 60_000;

interface Range {
  readonly prefix: string;
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
}

function rangeOf(options: EtcdCopyOptions): Range {
  const prefix = `/${options.prefix ?? 'registry'}`.replace(/^\/+/, '/').replace(/\/+$/, '');
  // '0' follows '/'.
  return { prefix, key: Buffer.from(`${prefix}/`), rangeEnd: Buffer.from(`${prefix}0`) };
}

const ready = (channel: EtcdChannel) => channel.call(etcd.status, {}, 5000);

/** What lies in etcd now. Rejects StoreCopyError when etcd cannot be reached. */
export async function openEtcdCopy(options: EtcdCopyOptions): Promise<StoreCopy> {
  const channel = new EtcdChannel(options);
  const { prefix, key, rangeEnd } = rangeOf(options);
  const expiries = new Map<bigint, Promise<number>>();
  try {
    await ready(channel);
    const first = await channel.call(etcd.range, { key, rangeEnd, limit: 1, keysOnly: true });
    const { revision } = first.header!;
    return {
      revision,
      form: 'shared',
      entries: () => read(revision),
      close: async () => channel.close(),
    };
  } catch (error) {
    channel.close();
    throw new StoreCopyError(`reading from etcd at ${options.servers.join(', ')}: ${messageOf(error)}`, {
      cause: error,
    });
  }

  async function* read(revision: number): AsyncIterable<CopiedEntry> {
    for (let from = key; ; ) {
      const page = await channel.call(etcd.range, { key: from, rangeEnd, limit: keysAtOnce, revision }).catch(error => {
        if (!isCompacted(error)) throw error;
        throw new StoreCopyError('reading from etcd: its history was compacted meanwhile; try again');
      });
      for (const kv of page.kvs) {
        const expiresAtMs = kv.lease === 0n ? 0 : await expiryOf(kv.lease);
        yield {
          key: root + kv.key.toString().slice(prefix.length),
          value: kv.value,
          revision: kv.modRevision,
          expiresAtMs,
        };
      }
      if (!page.more) return;
      from = Buffer.concat([page.kvs.at(-1)!.key, zero]);
    }
  }

  function expiryOf(id: bigint): Promise<number> {
    const known = expiries.get(id);
    if (known) return known;
    // -1: it has ended since.
    const asked = channel
      .call(etcd.leaseTimeToLive, { id })
      .then(({ ttl }) => options.clock.now() + Math.max(Number(BigInt.asIntN(64, ttl)), 1) * 1000);
    expiries.set(id, asked);
    return asked;
  }
}

export interface EtcdStatistics {
  readonly version: string;
  readonly revision: number;
  readonly keys: number;
  /** Of the whole etcd, other prefixes too. */
  readonly fileBytes: number;
  readonly usedBytes: number;
}

export async function etcdStatistics(options: EtcdCopyOptions): Promise<EtcdStatistics> {
  return withChannel(options, async (channel, { key, rangeEnd }) => {
    const { version, dbBytes, usedBytes } = await ready(channel);
    const { count, header } = await channel.call(etcd.range, { key, rangeEnd, countOnly: true });
    return { version, revision: header!.revision, keys: count, fileBytes: dbBytes, usedBytes };
  });
}

/** Makes etcd forget superseded values, those of other prefixes too; the revision up to which it has. */
export async function compactEtcd(options: EtcdCopyOptions): Promise<number> {
  return withChannel(options, channel => compactAll(channel));
}

async function compactAll(channel: EtcdChannel): Promise<number> {
  const { revision } = (await channel.call(etcd.range, { key: zero, keysOnly: true })).header!;
  await channel.call(etcd.compact, { revision, physical: true }).catch(error => {
    if (!isCompacted(error)) throw error;
  });
  return revision;
}

export interface WriteEtcdOptions extends EtcdCopyOptions {
  /** How many empty writes may be made to bring etcd's revision past the copy's. */
  readonly mostEmptyWrites: number;
  readonly onProgress?: (done: string) => void;
}

/**
 * Writes a copy below an empty prefix. Keys get revisions of etcd's own; it is brought past the copy's revision and
 * compacted there, so that whoever watched the former store is told to list anew and none takes an old revision for a new
 * one. Rejects StoreCopyError; then what was written so far is left, and the message says so.
 */
export async function writeEtcd(
  copy: StoreCopy,
  options: WriteEtcdOptions,
): Promise<{ keys: number; revision: number }> {
  return withChannel(options, async (channel, range) => {
    await ready(channel);
    const { count, header } = await channel.call(etcd.range, {
      key: range.key,
      rangeEnd: range.rangeEnd,
      countOnly: true,
    });
    if (count > 0)
      throw new StoreCopyError(
        `etcd holds ${count} keys below ${range.prefix}/: want none; what a copy that was interrupted has left must be deleted, or choose another --etcd-prefix`,
      );
    const gap = copy.revision - header!.revision;
    if (gap > options.mostEmptyWrites)
      throw new StoreCopyError(
        `etcd's revision is ${header!.revision}, the store's is ${copy.revision}: bringing it there takes ${gap} empty writes, ` +
          `more than ${options.mostEmptyWrites}; start etcd from a snapshot restored with ` +
          `etcdutl snapshot restore --bump-revision ${gap} --mark-compacted, or allow more with --most-empty-writes`,
      );
    const keys = await writeAll(copy, channel, range, options);
    await raise(channel, range, copy.revision, options);
    return { keys, revision: await compactAll(channel) };
  });
}

async function writeAll(copy: StoreCopy, channel: EtcdChannel, { prefix }: Range, options: WriteEtcdOptions) {
  const { clock } = options;
  const leases = new EtcdLeases(channel, clock);
  let keys = 0;
  const write = async ({ key, value, expiresAtMs }: CopiedEntry) => {
    const at = Buffer.from(prefix + key.slice(root.length));
    const leftMs = Math.max(1, expiresAtMs - clock.now());
    const ttlMs = Math.ceil(leftMs / leaseStepMs) * leaseStepMs;
    const lease = expiresAtMs === 0 ? {} : { lease: await leases.take(ttlMs) };
    const answer = await channel.call(etcd.txn, {
      compare: [{ target: compareTarget.version, key: at, version: 0 }],
      success: [{ put: { key: at, value, ...lease } }],
    });
    if (!answer.succeeded) throw new StoreCopyError(`${key} was there already: somebody else writes below ${prefix}/`);
    keys++;
  };
  try {
    for await (const group of inGroups(copy.entries(), { count: writesAtOnce, bytes: 16 << 20 })) {
      await Promise.all(group.map(write));
      options.onProgress?.(`${keys} keys`);
    }
  } catch (error) {
    const hint = `remove what was written: etcdctl del --prefix ${prefix}/`;
    throw new StoreCopyError(`writing to etcd, after ${keys} keys: ${messageOf(error)}; ${hint}`, { cause: error });
  }
  return keys;
}

/** Writes a key of no meaning until etcd's revision is past `revision`. */
async function raise(
  channel: EtcdChannel,
  { prefix }: Range,
  revision: number,
  options: WriteEtcdOptions,
): Promise<void> {
  const put = { put: { key: Buffer.from(`${prefix}/k8ts.dev/progress`), value: zero } };
  let now = 0;
  const writer = async () => {
    while (now <= revision) now = Math.max(now, (await channel.call(etcd.txn, { success: [put] })).header!.revision);
  };
  for (let end = 0; now <= revision; ) {
    await Promise.all(Array.from({ length: writesAtOnce }, writer));
    if (now > end) options.onProgress?.(`revision ${now} of ${revision}`);
    end = now;
  }
}

async function withChannel<T>(
  options: EtcdCopyOptions,
  act: (channel: EtcdChannel, range: Range) => Promise<T>,
): Promise<T> {
  const channel = new EtcdChannel(options);
  try {
    return await act(channel, rangeOf(options));
  } catch (error) {
    if (error instanceof StoreCopyError) throw error;
    throw new StoreCopyError(`using etcd at ${options.servers.join(', ')}: ${messageOf(error)}`, { cause: error });
  } finally {
    channel.close();
  }
}
