import type { Clock, Timer } from '../base/clock.ts';
import { DelayHeap } from './delay-heap.ts';
import type { QueueMetrics } from './queue-metrics.ts';
import { ControllerRateLimiter, type RateLimiter } from './rate-limiter.ts';
import { RingQueue } from './ring-queue.ts';

export interface WorkQueueOptions {
  clock: Clock;
  limiter?: RateLimiter;
  metrics?: QueueMetrics;
  /** When a key comes again that was added while it was worked on; default at once. */
  again?: (queue: () => void) => void;
}

/**
 * Keys waiting to be worked on. A key is queued once however often it is added, is worked on by one worker at a time,
 * and when added during that work, is queued again after it.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #limiter: RateLimiter;
  readonly #metrics: QueueMetrics | undefined;
  readonly #again: WorkQueueOptions['again'];
  readonly #ready = new RingQueue<string>();
  readonly #dirty = new Set<string>();
  readonly #processing = new Set<string>();
  readonly #waiting = new RingQueue<(key: string | undefined) => void>();
  readonly #delayed = new DelayHeap();
  #timer: Timer | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #stopped = false;
  #onIdle: (() => void)[] = [];

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#limiter = options.limiter ?? new ControllerRateLimiter(options.clock);
    this.#metrics = options.metrics;
    this.#again = options.again;
  }

  /** Keys ready and not being worked on. */
  get depth(): number {
    return this.#ready.size;
  }

  /** Keys waiting for their time. */
  get delayed(): number {
    return this.#delayed.size;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  add(key: string): void {
    if (this.#stopped || this.#dirty.has(key)) return;
    this.#dirty.add(key);
    this.#metrics?.added(key);
    if (!this.#processing.has(key)) this.#push(key);
  }

  /** Adds the key later; when it waits already, the earlier time counts. */
  addAfter(key: string, afterMs: number): void {
    if (this.#stopped) return;
    if (!(afterMs > 0)) this.add(key);
    else if (this.#delayed.add(key, this.#clock.monotonic() + afterMs)) this.#arm();
  }

  /** Adds the key after what its failures and the overall rate demand. */
  addRateLimited(key: string): void {
    this.#metrics?.retried();
    this.addAfter(key, this.#limiter.delayMs(key));
  }

  /** Ends the count of failures. */
  forget(key: string): void {
    this.#limiter.forget(key);
  }

  failures(key: string): number {
    return this.#limiter.failures(key);
  }

  /** The next key; undefined when the queue has been shut down. `done` must be called for it. */
  get(): Promise<string | undefined> {
    if (this.#stopped) return Promise.resolve(undefined);
    const key = this.#ready.shift();
    if (key === undefined) return new Promise(resolve => this.#waiting.push(resolve));
    this.#start(key);
    return Promise.resolve(key);
  }

  done(key: string): void {
    this.#metrics?.done(key);
    if (!this.#dirty.has(key) || this.#stopped) this.#processing.delete(key);
    else if (this.#again) this.#return(key, this.#again);
    else {
      this.#processing.delete(key);
      this.#push(key);
    }
    this.#checkIdle();
  }

  /** It counts as being worked on until it is queued again. */
  #return(key: string, again: (queue: () => void) => void): void {
    again(() => {
      this.#processing.delete(key);
      if (!this.#stopped) this.#push(key);
      this.#checkIdle();
    });
  }

  /** Resolves when nothing is ready or being worked on (keys may still wait for their time). */
  whenIdle(): Promise<void> {
    if (this.#idle()) return Promise.resolve();
    return new Promise(resolve => this.#onIdle.push(resolve));
  }

  /** Drops what waits; workers get undefined. */
  shutDown(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#timer?.cancel();
    this.#delayed.clear();
    while (this.#ready.shift() !== undefined);
    this.#metrics?.close();
    for (let w = this.#waiting.shift(); w; w = this.#waiting.shift()) w(undefined);
    this.#checkIdle();
  }

  #push(key: string): void {
    const waiting = this.#waiting.shift();
    if (!waiting) {
      this.#ready.push(key);
      return;
    }
    this.#start(key);
    waiting(key);
  }

  #start(key: string): void {
    this.#dirty.delete(key);
    this.#processing.add(key);
    this.#metrics?.started(key);
  }

  #idle(): boolean {
    return this.#ready.size === 0 && this.#processing.size === 0;
  }

  #checkIdle(): void {
    if (this.#onIdle.length === 0 || !this.#idle()) return;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #arm(): void {
    const dueMs = this.#delayed.nextDueMs();
    if (dueMs === undefined || dueMs >= this.#timerDueMs) return;
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    // Timers may fire a fraction of a millisecond early; rounding up spares a second round.
    this.#timer = this.#clock.after(Math.ceil(dueMs - this.#clock.monotonic()), () => this.#fire());
  }

  #fire(): void {
    this.#timerDueMs = Number.POSITIVE_INFINITY;
    const now = this.#clock.monotonic();
    for (let key = this.#delayed.take(now); key !== undefined; key = this.#delayed.take(now)) this.add(key);
    this.#arm();
  }
}
