// What a level asked for over a period: its highest demand for seats, and mean and deviation weighted by time.

export interface DemandStats {
  readonly high: number;
  readonly average: number;
  readonly deviation: number;
}

export class DemandMeter {
  #high = 0;
  #value = 0;
  #forMs = 0;
  #sum = 0;
  #squares = 0;

  /** `value` has held for `ms`. */
  hold(value: number, ms: number): void {
    this.#value = value;
    if (value > this.#high) this.#high = value;
    this.#forMs += ms;
    this.#sum += value * ms;
    this.#squares += value * value * ms;
  }

  /** A demand that may be gone before time passes. */
  touch(value: number): void {
    this.#value = value;
    if (value > this.#high) this.#high = value;
  }

  /** Of what passed since the last call; begins anew. */
  take(): DemandStats {
    const ms = this.#forMs;
    const average = ms > 0 ? this.#sum / ms : this.#value;
    const variance = ms > 0 ? Math.max(0, this.#squares / ms - average * average) : 0;
    const stats = { high: this.#high, average, deviation: Math.sqrt(variance) };
    this.#high = this.#value;
    this.#forMs = 0;
    this.#sum = 0;
    this.#squares = 0;
    return stats;
  }
}

/** Ten seconds a period: half of a demand that is gone is forgotten after five minutes. */
const smoothing = 0.977;

/** Follows a growing demand at once and a shrinking one slowly. */
export function smoothed(before: number, { average, deviation }: DemandStats): number {
  const envelope = average + deviation;
  return Math.max(envelope, smoothing * before + (1 - smoothing) * envelope);
}
