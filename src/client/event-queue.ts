// Events on their way to the server: in order about one object, a few at once about several, tried again while it fails.
import { StatusError } from '../api/status.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { type Rate, TokenBucket } from '../base/token-bucket.ts';

export interface EventQueueOptions {
  clock: Clock;
  random: Random;
  log: Log;
  /** Events that may wait; what comes then is dropped. Default 20,000. */
  queueLimit?: number;
  /** So many are written; what comes faster waits. Default: as fast as the server takes them. */
  rate?: Rate;
}

/** How one event is written. */
export interface EventWrite<R> {
  send(): Promise<R>;
  /** Told what the server answered, if it took the event. */
  sent?(answer: R): void;
}

/** Bursts are long: a deployment of thousands of pods is as many events at once. */
const defaultQueueLimit = 20_000;
/** Writes at once; those about one object go one after another, for each builds on the one before. */
const maxInFlight = 8;
const maxTries = 12;
const retryMs = 10_000;

export class EventQueue<T extends { readonly metadata: { readonly name: string }; readonly reason?: string }, R> {
  readonly #o: EventQueueOptions;
  readonly #prepare: (event: T) => EventWrite<R> | undefined;
  /** What waits, by the object it is about; an object whose event is being written is here, too. */
  readonly #lanes = new Map<string, T[]>();
  /** Lanes whose next event may be written, from `#head` on. */
  #ready: string[] = [];
  #head = 0;
  #waiting = 0;
  #writers = 0;
  #idle: PromiseWithResolvers<void> | undefined;
  readonly #bucket: TokenBucket | undefined;

  /** `prepare` is asked when the event's turn has come; undefined leaves it out. */
  constructor(options: EventQueueOptions, prepare: (event: T) => EventWrite<R> | undefined) {
    this.#o = options;
    this.#prepare = prepare;
    this.#bucket = options.rate && new TokenBucket(options.clock, options.rate.qps, options.rate.burst);
  }

  get isFull(): boolean {
    return this.#waiting >= (this.#o.queueLimit ?? defaultQueueLimit);
  }

  push(lane: string, event: T): void {
    const waiting = this.#lanes.get(lane);
    if (waiting) waiting.push(event);
    else {
      this.#lanes.set(lane, [event]);
      this.#ready.push(lane);
    }
    this.#waiting++;
    if (this.#writers < maxInFlight && this.#head < this.#ready.length) void this.#writeAll();
  }

  async idle(): Promise<void> {
    if (this.#waiting === 0) return;
    this.#idle ??= Promise.withResolvers();
    await this.#idle.promise;
  }

  async #write(event: T): Promise<void> {
    const write = this.#prepare(event);
    if (!write) return;
    const { clock, log, random } = this.#o;
    const { reason } = event;
    for (let tries = 1; ; tries++) {
      try {
        const answer = await write.send();
        write.sent?.(answer);
        return;
      } catch (error) {
        if (error instanceof StatusError && error.code !== 429 && error.code < 500) {
          this.#rejected(event.metadata.name, reason, error);
          return;
        }
        if (tries >= maxTries) {
          log.error('unable to write event, retry limit exceeded', { reason, error });
          return;
        }
        log.debug('unable to write event, may retry', { reason, error: messageOf(error) });
      }
      // The first wait is random, so that not all come back at once to a master that has just started.
      await clock.sleep(tries === 1 ? retryMs * random.next() : retryMs);
    }
  }

  async #writeAll(): Promise<void> {
    this.#writers++;
    // Not within the call that recorded the event: recording never blocks.
    await undefined;
    for (let id = this.#next(); id !== undefined; id = this.#next()) {
      const lane = this.#lanes.get(id)!;
      const event = lane.shift()!;
      const waitMs = this.#bucket?.reserveMs() ?? 0;
      if (waitMs > 0) await this.#o.clock.sleep(waitMs);
      try {
        await this.#write(event);
      } catch (error) {
        this.#o.log.error('writing an event failed', { reason: event.reason, error: messageOf(error) });
      }
      this.#waiting--;
      if (lane.length > 0) this.#ready.push(id);
      else this.#lanes.delete(id);
    }
    this.#writers--;
    if (this.#waiting > 0) return;
    this.#idle?.resolve();
    this.#idle = undefined;
  }

  #next(): string | undefined {
    const id = this.#ready[this.#head];
    if (id === undefined) {
      this.#ready = [];
      this.#head = 0;
      return undefined;
    }
    this.#head++;
    return id;
  }

  #rejected(event: string, reason: string | undefined, error: StatusError): void {
    const terminating = error.status.details?.causes?.some(c => c.reason === 'NamespaceTerminating');
    const level = terminating || error.reason === 'AlreadyExists' ? 'debug' : 'warn';
    this.#o.log[level]('server rejected event, will not retry', { event, reason, error: error.message });
  }
}
