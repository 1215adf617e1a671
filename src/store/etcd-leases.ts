// Leases make keys vanish. A lease costs etcd more than a key: keys written within a while of each other share one, as
// kube-apiserver has it, and live a little longer than they must.
import { BucketCounts } from '../base/bucket-counts.ts';
import type { Clock } from '../base/clock.ts';
import { etcd } from './etcd-api.ts';
import type { EtcdChannel } from './etcd-channel.ts';

const longestSharedMs = 60_000;
const shareOfTtl = 0.05;
const keysPerLease = 1000;
const keyBuckets = [10, 50, 100, 500, 1000, 2500, 5000];

interface Lease {
  readonly id: Promise<bigint>;
  /** When it ends at the latest that can be counted on. */
  readonly endsMs: number;
  keys: number;
}

export class EtcdLeases {
  /** Keys of the leases that were followed by others. */
  readonly objects = new BucketCounts(keyBuckets);
  readonly #channel: EtcdChannel;
  readonly #clock: Clock;
  readonly #newest = new Map<number, Lease>();

  constructor(channel: EtcdChannel, clock: Clock) {
    this.#channel = channel;
    this.#clock = clock;
  }

  /** A lease that lasts for at least `ttlMs` from now. */
  take(ttlMs: number): Promise<bigint> {
    const nowMs = this.#clock.monotonic();
    const known = this.#newest.get(ttlMs);
    if (known && known.endsMs >= nowMs + ttlMs && known.keys < keysPerLease) {
      known.keys++;
      return known.id;
    }
    if (known) this.objects.observe(known.keys);
    const sharedMs = Math.min(longestSharedMs, ttlMs * shareOfTtl);
    const ttl = Math.max(1, Math.ceil((ttlMs + sharedMs) / 1000));
    const id = this.#channel.call(etcd.leaseGrant, { ttl, id: 0n }).then(granted => granted.id);
    const lease = { id, endsMs: nowMs + ttl * 1000, keys: 1 };
    this.#newest.set(ttlMs, lease);
    id.catch(() => {
      if (this.#newest.get(ttlMs) === lease) this.#newest.delete(ttlMs);
    });
    return id;
  }

  /** A lease that etcd says it does not have is not used again. */
  forget(ttlMs: number): void {
    this.#newest.delete(ttlMs);
  }
}
