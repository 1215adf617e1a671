import type { Clock } from '../../base/clock.ts';

const initialMs = 1000;
const maxMs = 15 * 60_000;

/**
 * How long a failed daemon pod stays before it is replaced: a second, then twice as long each time, up to 15 minutes;
 * what has not failed for half an hour starts over. Keeps a controller from fighting a kubelet that rejects its pods.
 */
export class FailedBackOff {
  readonly #clock: Clock;
  readonly #entries = new Map<string, { delayMs: number; sinceMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds to wait; 0 is now, and counts as a failure. */
  waitMs(key: string): number {
    const now = this.#clock.monotonic();
    const entry = this.#entries.get(key);
    const age = entry ? now - entry.sinceMs : Number.POSITIVE_INFINITY;
    if (entry && age < entry.delayMs) return entry.delayMs - age;
    const fresh = !entry || age > 2 * maxMs;
    if (fresh) this.#prune(now);
    this.#entries.set(key, { delayMs: fresh ? initialMs : Math.min(entry.delayMs * 2, maxMs), sinceMs: now });
    return 0;
  }

  #prune(now: number): void {
    for (const [key, { sinceMs }] of this.#entries) if (now - sinceMs > 2 * maxMs) this.#entries.delete(key);
  }
}
