import { systemClock } from '../base/clock.ts';

/** Gives what `look` finds, asked ten times a second; what it throws counts as nothing yet. Rejects after `longestMs`. */
export const untilWithin =
  (longestMs: number) =>
  async <T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> => {
    const endMs = systemClock.monotonic() + longestMs;
    for (let last = ''; ; ) {
      try {
        const found = await look();
        if (found) return found;
      } catch (error) {
        last = String(error);
      }
      if (systemClock.monotonic() > endMs) throw new Error(`waiting for ${what}: not within ${longestMs} ms. ${last}`);
      await systemClock.sleep(100);
    }
  };
