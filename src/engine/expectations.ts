import type { Clock } from '../base/clock.ts';

interface Expectation {
  creations: number;
  /** UIDs whose deletion has not been seen yet. */
  readonly deletions: Set<string>;
  readonly sinceMs: number;
}

// After this the informer is assumed to have missed something, and the controller acts on what it sees.
const timeoutMs = 5 * 60_000;

/**
 * What a controller has done and its informers have not shown yet, by the key of the owner. A controller that looks
 * before its expectations are satisfied would count wrongly and create or delete too much.
 */
export class Expectations {
  readonly #clock: Clock;
  readonly #wake: (key: string, afterMs: number) => void;
  readonly #byKey = new Map<string, Expectation>();

  /** `wake`: who is told to wait must look again then, for what came and went unseen brings no event. */
  constructor(clock: Clock, wake: (key: string, afterMs: number) => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  /** True when nothing is awaited, or has been for more than five minutes. */
  satisfied(key: string): boolean {
    const e = this.#byKey.get(key);
    if (!e || (e.creations <= 0 && e.deletions.size === 0)) return true;
    const leftMs = timeoutMs - (this.#clock.monotonic() - e.sinceMs);
    if (leftMs < 0) return true;
    this.#wake(key, leftMs + 1);
    return false;
  }

  /** Replaces what was expected. Call before creating. */
  expectCreations(key: string, count: number): void {
    this.expect(key, count, []);
  }

  /** Replaces what was expected. Call before deleting. */
  expectDeletions(key: string, uids: readonly string[]): void {
    this.expect(key, 0, uids);
  }

  expect(key: string, creations: number, deletionUids: readonly string[]): void {
    this.#byKey.set(key, { creations, deletions: new Set(deletionUids), sinceMs: this.#clock.monotonic() });
  }

  /** Also for a creation that failed, or was never tried; `count` at once. */
  creationObserved(key: string, count = 1): void {
    const e = this.#byKey.get(key);
    if (e) e.creations -= count;
  }

  /** Also for a deletion that failed. Safe to call again for the same object. */
  deletionObserved(key: string, uid: string): void {
    this.#byKey.get(key)?.deletions.delete(uid);
  }

  /** The owner is gone. */
  forget(key: string): void {
    this.#byKey.delete(key);
  }

  /** What is still awaited, for logs. */
  pending(key: string): { creations: number; deletions: readonly string[] } {
    const e = this.#byKey.get(key);
    return { creations: Math.max(0, e?.creations ?? 0), deletions: [...(e?.deletions ?? [])] };
  }
}
