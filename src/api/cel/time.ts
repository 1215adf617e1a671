// Moments and spans of time, to the nanosecond.
import { CelFault } from './fault.ts';
import { stepText } from './meter.ts';

/** Nanoseconds since the epoch, from year 1 to 9999. */
export class CelTimestamp {
  readonly ns: bigint;
  constructor(ns: bigint) {
    this.ns = ns;
  }
}

/** Nanoseconds. */
export class CelDuration {
  readonly ns: bigint;
  constructor(ns: bigint) {
    this.ns = ns;
  }
}

const NS = 1_000_000_000n;
const MIN_TIME = -62135596800n * NS;
const MAX_TIME = 253402300799n * NS + 999_999_999n;
const TIME = /^(\d{4})-(\d{2})-(\d{2})(?:[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d{2}:\d{2}))?$/;

export function checkedTime(ns: bigint): CelTimestamp {
  if (ns < MIN_TIME || ns > MAX_TIME) throw new CelFault('timestamp overflow');
  return new CelTimestamp(ns);
}

/** RFC 3339, or a date. */
export function parseTimestamp(text: string): CelTimestamp {
  const m = TIME.exec(text);
  const ms = m ? utcMs(m) : undefined;
  if (!m || ms === undefined) throw new CelFault(`parsing time ${JSON.stringify(text)}: cannot parse`);
  return checkedTime(BigInt(ms) * 1_000_000n + BigInt((m[7] ?? '').padEnd(9, '0') || '0'));
}

function utcMs(m: RegExpExecArray): number | undefined {
  const [year, month, day, hour, minute, second] = m.slice(1, 7).map(p => Number(p ?? 0)) as [number, ...number[]];
  const text = `${String(year).padStart(4, '0')}-${m[2]}-${m[3]}T${m[4] ?? '00'}:${m[5] ?? '00'}:${m[6] ?? '00'}Z`;
  const ms = Date.parse(text);
  const lastDay = month === 2 ? (isLeap(year) ? 29 : 28) : [4, 6, 9, 11].includes(month!) ? 30 : 31;
  if (Number.isNaN(ms) || day! > lastDay || hour! > 23 || minute! > 59 || second! > 59) return undefined;
  const zone = m[8];
  if (!zone || zone.length === 1) return ms;
  const [h, min] = [Number(zone.slice(1, 3)), Number(zone.slice(4))];
  if (h > 23 || min > 59) return undefined;
  const offset = (h * 60 + min) * 60_000;
  return zone[0] === '-' ? ms + offset : ms - offset;
}

const isLeap = (y: number): boolean => (y % 4 === 0 && y % 100 !== 0) || y % 400 === 0;

const UNIT: Record<string, bigint> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: NS,
  m: 60n * NS,
  h: 3600n * NS,
};
const MAX_INT64 = 2n ** 63n - 1n;

/** Go's form: `1h30m`, `-1.5s`, `0`. */
export function parseDuration(text: string): CelDuration {
  stepText(text.length);
  const m = /^([+-]?)(.*)$/s.exec(text)!;
  const bad = () => new CelFault(`time: invalid duration ${JSON.stringify(text)}`);
  if (m[2] === '0') return new CelDuration(0n);
  let rest = m[2]!;
  if (!rest) throw bad();
  let total = 0n;
  while (rest) {
    const part = /^(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/.exec(rest);
    if (!part || (!part[1] && !part[2])) throw bad();
    const unit = UNIT[part[3]!]!;
    total += BigInt(part[1] || '0') * unit;
    if (part[2]) total += (BigInt(part[2].slice(0, 18)) * unit) / 10n ** BigInt(Math.min(part[2].length, 18));
    if (total > MAX_INT64) throw bad();
    rest = rest.slice(part[0].length);
  }
  return new CelDuration(m[1] === '-' ? -total : total);
}

/** `3600.5s`, as cel-go prints one. */
export function durationText({ ns }: CelDuration): string {
  const abs = ns < 0n ? -ns : ns;
  const fraction = String(abs % NS)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${ns < 0n ? '-' : ''}${abs / NS}${fraction ? `.${fraction}` : ''}s`;
}

/** RFC 3339 with as many digits as there are. */
export function timestampText({ ns }: CelTimestamp): string {
  let [seconds, rest] = [ns / NS, ns % NS];
  if (rest < 0n) [seconds, rest] = [seconds - 1n, rest + NS];
  const at = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  const fraction = String(rest).padStart(9, '0').replace(/0+$/, '');
  return `${at}${fraction ? `.${fraction}` : ''}Z`;
}
