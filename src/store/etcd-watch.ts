// One watch on etcd that outlives connections: after a break it goes on behind what it has told.

import { messageOf } from '../base/assert.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { WatchedEvent, WatchResponse } from './etcd-api.ts';
import type { EtcdChannel } from './etcd-channel.ts';
import { StoreCompactedError, type StoreEvent, type StoreWatch, type StoreWatchHandler } from './store.ts';

const firstDelayMs = 50;
const longestDelayMs = 2000;
const longestWaitMs = 3000;

export interface EtcdWatchOptions {
  readonly channel: EtcdChannel;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly range: { readonly key: Buffer; readonly rangeEnd: Buffer };
  /** Everything behind this revision is told. */
  readonly after: number;
  readonly handler: StoreWatchHandler;
  /** The store's key of one of etcd's. */
  keyOf(key: Buffer): string;
  onRevision(revision: number): void;
  onCompacted(revision: number): void;
  /** It is over, by `stop` or by an error. */
  onEnd(): void;
}

export class EtcdWatch implements StoreWatch {
  readonly #options: EtcdWatchOptions;
  #position: number;
  #stopped = false;
  #stream: { cancel(): void; write(request: object): void } | undefined;
  #timer: Timer | undefined;
  #connected = false;
  #delayMs = firstDelayMs;
  #fragments: WatchedEvent[] = [];
  #waiters: { revision: number; resolve: () => void }[] = [];

  constructor(options: EtcdWatchOptions) {
    this.#options = options;
    this.#position = options.after;
    this.#connect();
  }

  /** Everything up to here has been told. */
  get position(): number {
    return this.#position;
  }

  /** Resolves when everything up to `revision` has been told, never will be, or has no connection for a while. */
  reached(revision: number): Promise<void> | undefined {
    if (this.#stopped || revision <= this.#position) return undefined;
    return new Promise(done => {
      const resolve = () => {
        timer.cancel();
        done();
      };
      const waiter = { revision, resolve };
      const wait = () =>
        this.#options.clock.after(longestWaitMs, () => {
          if (this.#connected) timer = wait();
          else {
            this.#waiters = this.#waiters.filter(w => w !== waiter);
            done();
          }
        });
      let timer = wait();
      this.#waiters.push(waiter);
    });
  }

  /** Asks etcd how far it is. */
  requestProgress(): void {
    this.#stream?.write({ progress: {} });
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#timer?.cancel();
    this.#stream?.cancel();
    this.#stream = undefined;
    this.#settle();
    this.#options.onEnd();
  }

  /** Ends it with an error. */
  fail(error: Error): void {
    if (this.#stopped) return;
    this.stop();
    try {
      this.#options.handler.onError(error);
    } catch (failure) {
      this.#options.log.error('a watcher failed', { error: failure });
    }
  }

  #connect(): void {
    const { channel, range } = this.#options;
    const { stream, broken } = channel.watch();
    let over = false;
    const end = (why: string) => {
      if (over) return;
      over = true;
      if (this.#stopped || this.#stream !== stream) return;
      this.#stream = undefined;
      this.#connected = false;
      broken();
      this.#again(why);
    };
    stream.on('data', (response: WatchResponse) => {
      if (this.#stopped || this.#stream !== stream) return;
      this.#take(response, end);
    });
    stream.on('error', error => end(messageOf(error)));
    stream.on('end', () => end('the stream ended'));
    this.#stream = stream;
    this.#fragments = [];
    const startRevision = this.#position + 1;
    stream.write({ create: { ...range, startRevision, progressNotify: true, previousKv: true, fragment: true } });
  }

  #again(why: string): void {
    const { clock, random, log } = this.#options;
    log.debug('watching etcd again', { why, after: this.#position });
    this.#timer = clock.after(this.#delayMs * (0.5 + random.next()), () => this.#connect());
    this.#delayMs = Math.min(this.#delayMs * 2, longestDelayMs);
  }

  #take(response: WatchResponse, end: (why: string) => void): void {
    const revision = response.header?.revision ?? 0;
    if (response.canceled) {
      if (response.compactRevision > 0) {
        this.#options.onCompacted(response.compactRevision);
        this.fail(new StoreCompactedError(this.#position, response.compactRevision));
        return;
      }
      this.#stream?.cancel();
      end(response.cancelReason || 'etcd ended it');
      return;
    }
    this.#options.onRevision(revision);
    this.#connected = true;
    if (response.created) return;
    this.#delayMs = firstDelayMs;
    if (response.fragment || this.#fragments.length > 0) {
      this.#fragments.push(...response.events);
      if (response.fragment) return;
      this.#hand(this.#fragments.splice(0));
    } else if (response.events.length > 0) this.#hand(response.events);
    else this.#progress(revision);
  }

  #progress(revision: number): void {
    if (revision <= this.#position) return;
    this.#position = revision;
    this.#options.handler.onProgress?.(revision);
    this.#settle();
  }

  #hand(events: readonly WatchedEvent[]): void {
    const told = events.map(event => this.#eventOf(event));
    this.#position = Math.max(this.#position, told.at(-1)?.revision ?? 0);
    try {
      this.#options.handler.onEvents(told);
    } catch (error) {
      // A watcher that missed events must not go on as if it had them.
      this.#options.log.error('a watcher failed', { error });
      this.fail(error instanceof Error ? error : new Error(messageOf(error)));
    }
    this.#settle();
  }

  #eventOf({ type, kv, previous }: WatchedEvent): StoreEvent {
    const deleted = type === 1;
    return {
      type: deleted ? 'delete' : 'put',
      key: this.#options.keyOf(kv!.key),
      revision: kv!.modRevision,
      value: deleted ? (previous?.value ?? noBytes) : kv!.value,
      previousRevision: previous?.modRevision ?? 0,
      ...(previous ? { previous: previous.value } : {}),
    };
  }

  #settle(): void {
    if (this.#waiters.length === 0) return;
    const due = this.#waiters.filter(w => this.#stopped || w.revision <= this.#position);
    this.#waiters = this.#waiters.filter(w => !due.includes(w));
    for (const { resolve } of due) resolve();
  }
}

const noBytes = Buffer.alloc(0);
