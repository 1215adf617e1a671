import { TimerHeap } from './timer-heap.ts';

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
        sleepers?.delete(abort);
        resolve();
      });
      const abort = () => {
        timer.cancel();
        reject(signal!.reason);
      };
      const sleepers = signal && sleepersOf.getOrInsertComputed(signal, () => new Sleepers(signal));
      sleepers?.add(abort);
    });
  }
}

/**
 * Who sleeps until a signal aborts, with one listener for all: a signal compares each new one with all it has, and a
 * node's many loops share one signal and sleep again and again.
 */
class Sleepers {
  readonly #signal: AbortSignal;
  readonly #aborts = new Set<() => void>();
  readonly #wake = () => {
    for (const abort of this.#aborts) abort();
  };

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(abort: () => void): void {
    if (this.#aborts.size === 0) this.#signal.addEventListener('abort', this.#wake, { once: true });
    this.#aborts.add(abort);
  }

  delete(abort: () => void): void {
    // A listener would keep a composed signal alive.
    if (this.#aborts.delete(abort) && this.#aborts.size === 0) this.#signal.removeEventListener('abort', this.#wake);
  }
}

const sleepersOf = new WeakMap<AbortSignal, Sleepers>();

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

/** A clock that stands still until told to advance; timers fire in order of time, then of creation. */
export class VirtualClock extends BaseClock {
  #nowMs: number;
  /** By how much the wall clock was put forward. */
  #jumpedMs = 0;
  readonly #startMs: number;
  readonly #timers = new TimerHeap();

  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    super();
    this.#nowMs = startMs;
    this.#startMs = startMs;
  }

  now(): number {
    return this.#nowMs + this.#jumpedMs;
  }

  /** Sets the wall clock forward, or back with less than 0, as an administrator would: no time passes, no timer fires. */
  jump(ms: number): void {
    this.#jumpedMs += ms;
  }

  monotonic(): number {
    return this.#nowMs - this.#startMs;
  }

  after(ms: number, fn: () => void): Timer {
    return this.#timers.add(this.#nowMs + Math.max(0, ms), fn);
  }

  /** Milliseconds until the next timer, or undefined when none is set. */
  untilNext(): number | undefined {
    const atMs = this.#timers.nextMs();
    return atMs === undefined ? undefined : atMs - this.#nowMs;
  }

  /** Moves time on by `ms`, firing what falls due; everything settles between timers. */
  async advance(ms: number, settled: () => Promise<void> = settle): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await settled();
      const atMs = this.#timers.nextMs();
      if (atMs === undefined || atMs > endMs) break;
      // What is set while everything settles may already be due, but time never goes back.
      this.#nowMs = Math.max(this.#nowMs, atMs);
      this.#timers.take()!();
    }
    this.#nowMs = endMs;
    await settled();
  }
}

/** Lets everything that waits on promises and on setImmediate run. */
export function settle(): Promise<void> {
  return new Promise(resolve => setImmediate(() => setImmediate(resolve)));
}

let ending: (() => void)[] | undefined;

/**
 * Calls `fn` once this turn of the event loop has nothing left to do. What several ask for comes in one go, so that who
 * hears of it hears of it together. It must not throw.
 */
export function turnEnd(fn: () => void): void {
  if (ending) {
    ending.push(fn);
    return;
  }
  const calls = [fn];
  ending = calls;
  setImmediate(() => {
    ending = undefined;
    for (const call of calls) call();
  });
}
