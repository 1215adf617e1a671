// Compaction of an etcd that several API servers use, by kube-apiserver's protocol, so that they take turns: the key
// compact_rev_key holds the revision compacted last, and its version says how often that was done. Every five minutes a
// server writes it if nobody else has since it looked last; who succeeds compacts what was newest five minutes ago.
import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { compareTarget, etcd } from './etcd-api.ts';
import type { EtcdChannel } from './etcd-channel.ts';
import { isCompacted } from './etcd-channel.ts';

const key = Buffer.from('compact_rev_key');

export interface EtcdCompactionOptions {
  readonly channel: EtcdChannel;
  readonly clock: Clock;
  readonly log: Log;
  readonly everyMs: number;
  /** Somebody, perhaps this server, has compacted up to `revision`. */
  onCompacted(revision: number): void;
}

export class EtcdCompaction {
  readonly #options: EtcdCompactionOptions;
  #timer: Timer | undefined;
  /** Version of the key as seen last. */
  #seenVersion = 0;
  /** Newest revision when it was seen. */
  #revision = 0;

  constructor(options: EtcdCompactionOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, everyMs, log } = this.#options;
    this.#timer = clock.after(everyMs, () => {
      this.turn()
        .catch(error => log.warn('compacting etcd failed', { error }))
        .finally(() => {
          if (this.#timer) this.start();
        });
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** One turn; resolves with the revision it compacted up to, 0 for none. */
  async turn(): Promise<number> {
    const { channel, onCompacted, log } = this.#options;
    const answer = await channel.call(etcd.txn, {
      compare: [{ target: compareTarget.version, key, version: this.#seenVersion }],
      success: [{ put: { key, value: Buffer.from(String(this.#revision)) } }],
      failure: [{ range: { key } }],
    });
    const upTo = this.#revision;
    this.#revision = answer.header!.revision;
    if (!answer.succeeded) {
      // Another server's turn: wait for as long from here.
      const kv = answer.responses[0]?.range?.kvs[0];
      this.#seenVersion = kv?.version ?? 0;
      onCompacted(Number(kv?.value.toString() ?? 0) || 0);
      return 0;
    }
    this.#seenVersion++;
    // Never compact what was not there five minutes ago.
    if (upTo === 0) return 0;
    try {
      await channel.call(etcd.compact, { revision: upTo });
    } catch (error) {
      if (!isCompacted(error)) throw error;
    }
    onCompacted(upTo);
    log.debug('compacted etcd', { revision: upTo });
    return upTo;
  }
}
