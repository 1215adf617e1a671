/** A pending timer. */
export interface Timer {
  cancel(): void;
}

/**
 * The only source of time. Nothing else in src/ touches Date.now, new Date(), setTimeout or setInterval,
 * so that a test can own time (see VirtualClock).
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Monotonic milliseconds, for durations. */
  monotonic(): number;
  /** Calls `fn` once, after `ms`. Never keeps the process alive by itself. */
  after(ms: number, fn: () => void): Timer;
  /** Resolves after `ms`; rejects with the signal's reason when aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

abstract class BaseClock implements Clock {
  abstract now(): number;
  abstract monotonic(): number;
  abstract after(ms: number, fn: () => void): Timer;

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = this.after(ms, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      const abort = () => {
        timer.cancel();
        reject(signal!.reason);
      };
      signal?.addEventListener('abort', abort, { once: true });
    });
  }
}

// setTimeout fires at once beyond this.
const longestTimeoutMs = 2 ** 31 - 1;

class SystemClock extends BaseClock {
  now(): number {
    return Date.now();
  }

  monotonic(): number {
    return performance.now();
  }

  after(ms: number, fn: () => void): Timer {
    if (ms > longestTimeoutMs) {
      let timer = this.after(longestTimeoutMs, () => {
        timer = this.after(ms - longestTimeoutMs, fn);
      });
      return { cancel: () => timer.cancel() };
    }
    const handle = setTimeout(fn, Math.max(0, ms));
    return { cancel: () => clearTimeout(handle) };
  }
}

/** The machine's clock. */
export const systemClock: Clock = new SystemClock();

interface Scheduled {
  atMs: number;
  order: number;
  fn: () => void;
}

/** A clock that stands still until told to advance; timers fire in order of time, then of creation. */
export class VirtualClock extends BaseClock {
  #nowMs: number;
  readonly #startMs: number;
  #order = 0;
  readonly #timers = new Set<Scheduled>();

  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    super();
    this.#nowMs = startMs;
    this.#startMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs - this.#startMs;
  }

  after(ms: number, fn: () => void): Timer {
    const entry: Scheduled = { atMs: this.#nowMs + Math.max(0, ms), order: this.#order++, fn };
    this.#timers.add(entry);
    return { cancel: () => this.#timers.delete(entry) };
  }

  /** Milliseconds until the next timer, or undefined when none is set. */
  untilNext(): number | undefined {
    const next = this.#next();
    return next && next.atMs - this.#nowMs;
  }

  /** Moves time on by `ms`, firing what falls due; everything settles between timers. */
  async advance(ms: number, settled: () => Promise<void> = settle): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await settled();
      const next = this.#next();
      if (!next || next.atMs > endMs) break;
      this.#nowMs = next.atMs;
      this.#timers.delete(next);
      next.fn();
    }
    this.#nowMs = endMs;
    await settled();
  }

  #next(): Scheduled | undefined {
    let best: Scheduled | undefined;
    for (const t of this.#timers) {
      if (!best || t.atMs < best.atMs || (t.atMs === best.atMs && t.order < best.order)) best = t;
    }
    return best;
  }
}

/** Lets everything that waits on promises and on setImmediate run. */
export function settle(): Promise<void> {
  return new Promise(resolve => setImmediate(() => setImmediate(resolve)));
}
