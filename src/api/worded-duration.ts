// Durations in words, as the format `duration` of schemas takes them beside Go's: `3 days`, `1d2h`, `2 weeks`.
import { isInt64 } from '../base/whole-number.ts';

const nanoseconds: readonly (readonly [unit: RegExp, nanoseconds: bigint])[] = [
  [/^(ns|nano.*)$/i, 1n],
  [/^(us|µs|micro.*)$/i, 1_000n],
  [/^(ms|milli.*)$/i, 1_000_000n],
  [/^(s|sec.*)$/i, 1_000_000_000n],
  [/^(m|min.*)$/i, 60_000_000_000n],
  [/^(h|hr|hour.*)$/i, 3_600_000_000_000n],
  [/^(d|day.*)$/i, 86_400_000_000_000n],
  [/^(w|wk|week.*)$/i, 604_800_000_000_000n],
];

// Behind a digit no number begins: of millions of them each would be tried as the first.
const part = /(?<!\d)(\d+)\s*([A-Za-zµ]+)/g;

/**
 * In nanoseconds: the sum of all numbers with a unit, whatever stands between them; undefined when there is none, and
 * where one of them is no int64.
 */
export function wordedDuration(text: string): bigint | undefined {
  let sum: bigint | undefined;
  for (const [, number, unit] of text.matchAll(part)) {
    const value = int64Of(number!);
    if (value === undefined) return undefined;
    const factor = nanoseconds.find(([name]) => name.test(unit!))?.[1];
    if (factor !== undefined) sum = (sum ?? 0n) + value * factor;
  }
  return sum;
}

function int64Of(digits: string): bigint | undefined {
  const significant = digits.replace(/^0+/, '');
  if (significant.length > longestInt64) return undefined;
  const value = BigInt(significant);
  return isInt64(value) ? value : undefined;
}

const longestInt64 = 19;
