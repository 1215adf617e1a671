// Durations in words, as the format `duration` of schemas takes them beside Go's: `3 days`, `1d2h`, `2 weeks`.

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

/** In nanoseconds: the sum of all numbers with a unit, whatever stands between them; undefined when there is none. */
export function wordedDuration(text: string): bigint | undefined {
  let sum: bigint | undefined;
  for (const [, number, unit] of text.matchAll(/(\d+)\s*([A-Za-zµ]+)/g)) {
    const factor = nanoseconds.find(([name]) => name.test(unit!))?.[1];
    if (factor !== undefined) sum = (sum ?? 0n) + BigInt(number!) * factor;
  }
  return sum;
}
