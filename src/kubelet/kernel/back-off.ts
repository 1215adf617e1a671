/** How long the next attempt waits, and since when; plain data so that a worker can keep and forget it. */
export interface BackOffEntry {
  readonly delayMs: number;
  readonly atMs: number;
}

export interface BackOffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
}

export const containerBackOff: BackOffOptions = { initialMs: 10_000, maxMs: 300_000 };
export const imageBackOff: BackOffOptions = { initialMs: 10_000, maxMs: 300_000 };

const expired = (entry: BackOffEntry, eventMs: number, o: BackOffOptions) => eventMs - entry.atMs > 2 * o.maxMs;

/** Milliseconds still to wait after a failure at `eventMs`; 0 when the next attempt may start. */
export function remainingBackOff(
  entry: BackOffEntry | undefined,
  eventMs: number,
  nowMs: number,
  options: BackOffOptions,
): number {
  if (!entry || expired(entry, eventMs, options)) return 0;
  return Math.max(0, entry.delayMs - (nowMs - eventMs));
}

/** The entry after one more attempt: doubled, or the first one after a quiet time of twice the maximum. */
export function nextBackOff(entry: BackOffEntry | undefined, eventMs: number, nowMs: number, o: BackOffOptions) {
  const delayMs = !entry || expired(entry, eventMs, o) ? o.initialMs : Math.min(entry.delayMs * 2, o.maxMs);
  return { delayMs, atMs: nowMs } satisfies BackOffEntry;
}
