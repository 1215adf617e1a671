import type { Clock } from '../base/clock.ts';
import { TokenBucket } from '../base/token-bucket.ts';

/** Says how long a key that failed waits. */
export interface RateLimiter {
  /** Milliseconds to wait before the next try of `key`; counts as a failure. */
  delayMs(key: string): number;
  /** The key succeeded: its failures are forgotten. */
  forget(key: string): void;
  failures(key: string): number;
}

export interface RateLimiterOptions {
  /** Delay after the first failure; doubles with each. Default 5 ms. */
  baseMs?: number;
  /** Default 1000 s. */
  maxMs?: number;
  /** Overall retries a second, and how many may come at once. Default 10 and 100. */
  qps?: number;
  burst?: number;
}

/** The longer of an exponential delay a key and a token bucket over all keys: Kubernetes' default for controllers. */
export class ControllerRateLimiter implements RateLimiter {
  readonly #failures = new Map<string, number>();
  readonly #baseMs: number;
  readonly #maxMs: number;
  readonly #bucket: TokenBucket;

  constructor(clock: Clock, options: RateLimiterOptions = {}) {
    const { baseMs = 5, maxMs = 1_000_000, qps = 10, burst = 100 } = options;
    this.#baseMs = baseMs;
    this.#maxMs = maxMs;
    this.#bucket = new TokenBucket(clock, qps, burst);
  }

  delayMs(key: string): number {
    const n = this.#failures.get(key) ?? 0;
    this.#failures.set(key, n + 1);
    return Math.max(Math.min(this.#baseMs * 2 ** n, this.#maxMs), this.#bucket.reserveMs());
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }

  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }
}
