import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';

export interface BackOffOptions {
  initialMs: number;
  maxMs: number;
  /** Default 2. */
  factor?: number;
  /** Adds up to this share of the delay. Default 1. */
  jitter?: number;
  /** Starts over after so long without a call. Default: never. */
  resetAfterMs?: number;
}

/** Exponential delays with jitter, on a clock. */
export class BackOff {
  readonly #options: Required<BackOffOptions>;
  readonly #clock: Clock;
  readonly #random: Random;
  #nextMs: number;
  #lastMs = 0;

  constructor(options: BackOffOptions, clock: Clock, random: Random) {
    this.#options = { factor: 2, jitter: 1, resetAfterMs: Number.POSITIVE_INFINITY, ...options };
    this.#clock = clock;
    this.#random = random;
    this.#nextMs = options.initialMs;
  }

  /** How long to wait before the next attempt. */
  delayMs(): number {
    const { initialMs, maxMs, factor, jitter, resetAfterMs } = this.#options;
    const now = this.#clock.monotonic();
    if (now - this.#lastMs > resetAfterMs) this.#nextMs = initialMs;
    this.#lastMs = now;
    const delay = this.#nextMs;
    this.#nextMs = Math.min(maxMs, delay * factor);
    return delay * (1 + this.#random.next() * jitter);
  }

  reset(): void {
    this.#nextMs = this.#options.initialMs;
  }
}
