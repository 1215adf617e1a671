// CEL's standard functions: arithmetic, comparisons, conversions, time.
import { compare, contains, equals } from '../equal.ts';
import {
  codePoints,
  fn,
  type Library,
  reads,
  type SizeOf,
  sizeOfArg,
  step,
  stepText,
  TRAVERSAL,
  visits,
} from '../overload.ts';
import { matchesRegex, regexCost } from '../regex.ts';
import {
  CelDuration,
  CelTimestamp,
  checkedTime,
  durationText,
  parseDuration,
  parseTimestamp,
  timestampText,
} from '../time.ts';
import {
  CelFault,
  CelList,
  type CelMap,
  type CelOptional,
  CelTypeValue,
  CelUint,
  type CelValue,
  typeName,
} from '../value.ts';

const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);
const MAX_UINT = 2n ** 64n - 1n;
const NS = 1_000_000_000n;

const overflow = (message: string): never => {
  throw new CelFault(message);
};
export const asInt = (v: bigint): bigint => (v > MAX || v < MIN ? overflow('integer overflow') : v);
const asUint = (v: bigint): CelUint =>
  v > MAX_UINT || v < 0n ? overflow('unsigned integer overflow') : new CelUint(v);
const asDuration = (ns: bigint): CelDuration =>
  ns > MAX || ns < MIN ? overflow('duration overflow') : new CelDuration(ns);
const nonZero = (v: bigint, message: string): bigint => (v === 0n ? overflow(message) : v);

const shorter = (size: SizeOf): number => Math.ceil(Math.min(size(0), size(1)) * TRAVERSAL);
const both = (size: SizeOf): number => size(0) + size(1);
const readsBoth = { cost: (s: SizeOf) => Math.ceil(both(s) * TRAVERSAL), resultSize: both };

const arithmetic: Library = [
  fn('_+_(int, int): int', (a: bigint, b: bigint) => asInt(a + b)),
  fn('_+_(uint, uint): uint', (a: CelUint, b: CelUint) => asUint(a.value + b.value)),
  fn('_+_(double, double): double', (a: number, b: number) => a + b),
  fn('_+_(string, string): string', (a: string, b: string) => a + b, readsBoth),
  fn('_+_(bytes, bytes): bytes', (a: Uint8Array, b: Uint8Array) => new Uint8Array(Buffer.concat([a, b])), readsBoth),
  fn('_+_(list<A>, list<A>): list<A>', addLists, { resultSize: both }),
  fn('_+_(timestamp, duration): timestamp', (a: CelTimestamp, b: CelDuration) => checkedTime(a.ns + b.ns)),
  fn('_+_(duration, timestamp): timestamp', (a: CelDuration, b: CelTimestamp) => checkedTime(a.ns + b.ns)),
  fn('_+_(duration, duration): duration', (a: CelDuration, b: CelDuration) => asDuration(a.ns + b.ns)),
  fn('_-_(int, int): int', (a: bigint, b: bigint) => asInt(a - b)),
  fn('_-_(uint, uint): uint', (a: CelUint, b: CelUint) => asUint(a.value - b.value)),
  fn('_-_(double, double): double', (a: number, b: number) => a - b),
  fn('_-_(timestamp, timestamp): duration', (a: CelTimestamp, b: CelTimestamp) => asDuration(a.ns - b.ns)),
  fn('_-_(timestamp, duration): timestamp', (a: CelTimestamp, b: CelDuration) => checkedTime(a.ns - b.ns)),
  fn('_-_(duration, duration): duration', (a: CelDuration, b: CelDuration) => asDuration(a.ns - b.ns)),
  fn('_*_(int, int): int', (a: bigint, b: bigint) => asInt(a * b)),
  fn('_*_(uint, uint): uint', (a: CelUint, b: CelUint) => asUint(a.value * b.value)),
  fn('_*_(double, double): double', (a: number, b: number) => a * b),
  fn('_/_(int, int): int', (a: bigint, b: bigint) => asInt(a / nonZero(b, 'division by zero'))),
  fn('_/_(uint, uint): uint', (a: CelUint, b: CelUint) => asUint(a.value / nonZero(b.value, 'division by zero'))),
  fn('_/_(double, double): double', (a: number, b: number) => a / b),
  fn('_%_(int, int): int', (a: bigint, b: bigint) => {
    if (a === MIN && b === -1n) return overflow('integer overflow');
    return a % nonZero(b, 'modulus by zero');
  }),
  fn('_%_(uint, uint): uint', (a: CelUint, b: CelUint) => asUint(a.value % nonZero(b.value, 'modulus by zero'))),
  fn('-_(int): int', (a: bigint) => asInt(-a)),
  fn('-_(double): double', (a: number) => -a),
  fn('-_(duration): duration', (a: CelDuration) => asDuration(-a.ns)),
  fn('!_(bool): bool', (a: boolean) => !a),
];

// Sets and maps-by-key join without repeating what is there.
function addLists(a: CelList, b: CelList): CelList {
  if (a.listType === 'set') return CelList.concat(a, CelList.of([...b].filter(v => !contains(a, v))));
  if (a.listType === 'map' && a.keys.length) return joinByKeys(a, b);
  return CelList.concat(a, b);
}

function joinByKeys(a: CelList, b: CelList): CelList {
  const keyOf = (v: CelValue): CelValue[] => a.keys.map(k => (v as unknown as CelMap).get(k) ?? null);
  const same = (x: CelValue, y: CelValue): boolean => keyOf(x).every((v, i) => equals(v, keyOf(y)[i]!));
  const out = [...a];
  for (const item of b) {
    const at = out.findIndex(v => same(v, item));
    if (at < 0) out.push(item);
    else out[at] = item;
  }
  return CelList.of(out);
}

const ORDERED = ['bool', 'int', 'uint', 'double', 'string', 'bytes', 'timestamp', 'duration'];
const NUMBERS = ['int', 'uint', 'double'];
const ORDER: readonly [string, (c: number) => boolean][] = [
  ['<', c => c < 0],
  ['<=', c => c <= 0],
  ['>', c => c > 0],
  ['>=', c => c >= 0],
];
const pairs = [...ORDERED.map(k => [k, k]), ...NUMBERS.flatMap(a => NUMBERS.filter(b => b !== a).map(b => [a, b]))];
const comparisons: Library = [
  fn('_==_(A, A): bool', (a: CelValue, b: CelValue) => equals(a, b), { cost: shorter }),
  fn('_!=_(A, A): bool', (a: CelValue, b: CelValue) => !equals(a, b), { cost: shorter }),
  ...ORDER.flatMap(([operator, holds]) =>
    pairs.map(([a, b]) =>
      fn(
        `_${operator}_(${a}, ${b}): bool`,
        (x: CelValue, y: CelValue) => {
          const c = compare(x, y);
          return c !== undefined && holds(c);
        },
        { cost: shorter },
      ),
    ),
  ),
  fn('@in(A, list<A>): bool', (v: CelValue, list: CelList) => contains(list, v), { cost: visits(1) }),
  fn('@in(A, map<A, B>): bool', (v: CelValue, m: CelMap) => m.has(v)),
];

const sized = (type: string, size: (v: any) => number) => [
  fn(`size(${type}): int`, v => BigInt(size(v))),
  fn(`${type}::size(): int`, v => BigInt(size(v))),
];
const texts: Library = [
  ...sized('string', codePoints),
  ...sized('bytes', (v: Uint8Array) => v.length),
  ...sized('list<A>', (v: CelList) => v.size),
  ...sized('map<A, B>', (v: CelMap) => v.size),
  fn('string::startsWith(string): bool', (a: string, b: string) => a.startsWith(b), { cost: reads(1) }),
  fn('string::endsWith(string): bool', (a: string, b: string) => a.endsWith(b), { cost: reads(1) }),
  fn('string::contains(string): bool', (a: string, b: string) => a.includes(b), {
    cost: s => Math.ceil(s(0) * TRAVERSAL) * Math.ceil(s(1) * TRAVERSAL),
  }),
  fn('string::matches(string): bool', matchesRegex, { cost: regexCost }),
  fn('matches(string, string): bool', matchesRegex, { cost: regexCost }),
];

const MAX_DIGITS = 1000;
const INT_TEXT = /^[+-]?\d+$/;
function toInt(v: CelValue): bigint {
  if (typeof v === 'bigint') return v;
  if (v instanceof CelUint) return asInt(v.value);
  if (v instanceof CelTimestamp) return floorSeconds(v.ns);
  if (v instanceof CelDuration) return v.ns / NS;
  if (typeof v === 'number') {
    if (!(v > -(2 ** 63) && v < 2 ** 63)) return overflow('integer overflow');
    return BigInt(Math.trunc(v));
  }
  // Digits beyond what fits are an overflow, whatever they are; reading millions of them takes long.
  if ((v as string).length > MAX_DIGITS) return overflow('integer overflow');
  if (!INT_TEXT.test(v as string)) throw new CelFault(`strconv.ParseInt: parsing ${JSON.stringify(v)}: invalid syntax`);
  return asInt(BigInt((v as string).replace(/^\+/, '')));
}

function toUint(v: CelValue): CelUint {
  if (v instanceof CelUint) return v;
  if (typeof v === 'bigint') return asUint(v);
  if (typeof v === 'number') {
    if (!(v >= 0 && v < 2 ** 64)) return overflow('unsigned integer overflow');
    return new CelUint(BigInt(Math.trunc(v)));
  }
  if ((v as string).length > MAX_DIGITS) return overflow('unsigned integer overflow');
  if (!/^\d+$/.test(v as string)) throw new CelFault(`strconv.ParseUint: parsing ${JSON.stringify(v)}: invalid syntax`);
  return asUint(BigInt(v as string));
}

function toDouble(v: CelValue): number {
  if (typeof v === 'number') return v;
  if (typeof v === 'bigint') return Number(v);
  if (v instanceof CelUint) return Number(v.value);
  const text = v as string;
  stepText(text.length);
  const special = /^([+-]?)(inf|infinity|nan)$/i.exec(text);
  if (special) return special[2]!.toLowerCase() === 'nan' ? Number.NaN : special[1] === '-' ? -Infinity : Infinity;
  if (!/^[+-]?(\d+(?:\.\d*)?|\.\d+)([eE][+-]?\d+)?$/.test(text))
    throw new CelFault(`strconv.ParseFloat: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

/** Go's shortest form of a double. */
export function doubleText(v: number): string {
  if (Number.isNaN(v)) return 'NaN';
  if (!Number.isFinite(v)) return v > 0 ? '+Inf' : '-Inf';
  if (Object.is(v, -0)) return '-0';
  const abs = Math.abs(v);
  if (abs !== 0 && (abs < 1e-4 || abs >= 1e6)) {
    return v.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  }
  return String(v);
}

function toText(v: CelValue): string {
  switch (typeof v) {
    case 'string':
      return v;
    case 'bigint':
    case 'boolean':
      return String(v);
    case 'number':
      return doubleText(v);
    default:
  }
  if (v instanceof CelUint) return String(v.value);
  if (v instanceof CelTimestamp) return timestampText(v);
  if (v instanceof CelDuration) return durationText(v);
  if (v instanceof Uint8Array) {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(v);
    } catch {
      throw new CelFault('invalid UTF-8 in bytes, cannot convert to string');
    }
  }
  throw new CelFault('no such overload');
}

function toBool(v: CelValue): boolean {
  if (typeof v === 'boolean') return v;
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(v as string)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(v as string)) return false;
  throw new CelFault(`Type conversion error from 'string' to 'bool'`);
}

const conversions: Library = [
  ...['int', 'uint', 'double', 'string', 'timestamp', 'duration'].map(k => fn(`int(${k}): int`, toInt)),
  ...['int', 'uint', 'double', 'string'].map(k => fn(`uint(${k}): uint`, toUint)),
  ...['int', 'uint', 'double', 'string'].map(k => fn(`double(${k}): double`, toDouble)),
  ...['bool', 'int', 'uint', 'double', 'timestamp', 'duration'].map(k => fn(`string(${k}): string`, toText)),
  fn('string(string): string', toText),
  fn('string(bytes): string', toText, { cost: reads(0), resultSize: sizeOfArg(0) }),
  ...['string', 'bool'].map(k => fn(`bool(${k}): bool`, toBool)),
  fn('bytes(bytes): bytes', v => v),
  fn('bytes(string): bytes', (v: string) => new Uint8Array(Buffer.from(v)), {
    cost: reads(0),
    resultSize: s => s(0) * 4,
  }),
  fn('timestamp(timestamp): timestamp', v => v),
  fn('timestamp(int): timestamp', (v: bigint) => checkedTime(v * NS)),
  fn('timestamp(string): timestamp', (v: string) => {
    if (!/[Tt]/.test(v)) throw new CelFault(`parsing time ${JSON.stringify(v)}: cannot parse as RFC 3339`);
    return parseTimestamp(v);
  }),
  fn('duration(duration): duration', v => v),
  fn('duration(int): duration', (v: bigint) => asDuration(v * NS)),
  fn('duration(string): duration', parseDuration),
  fn('dyn(A): dyn', v => v),
  fn('type(A): type<A>', (v: CelValue) => new CelTypeValue(typeName(v))),
];

function floorSeconds(ns: bigint): bigint {
  const q = ns / NS;
  return ns % NS < 0n ? q - 1n : q;
}

/** Reading a zone's clock is slow. */
const ZONE_STEPS = 100;
const zones = new Map<string, Intl.DateTimeFormat>();

/** The moment as a UTC date whose fields are those of the zone. */
function inZone(time: CelTimestamp, zone: string): Date {
  const ms = Number(floorSeconds(time.ns)) * 1000;
  if (!zone || zone === 'UTC') return new Date(ms);
  step(ZONE_STEPS);
  const offset = /^([+-]?)(\d{1,2}):(\d{2})$/.exec(zone);
  if (offset) {
    const minutes = Number(offset[2]) * 60 + Number(offset[3]);
    return new Date(ms + (offset[1] === '-' ? -minutes : minutes) * 60_000);
  }
  const parts = Object.fromEntries(
    zoneFormat(zone)
      .formatToParts(new Date(ms))
      .map(p => [p.type, p.value]),
  );
  const year = parts.era === 'BC' ? 1 - Number(parts.year) : Number(parts.year);
  const date = new Date(0);
  date.setUTCFullYear(year, Number(parts.month) - 1, Number(parts.day));
  date.setUTCHours(Number(parts.hour), Number(parts.minute), Number(parts.second));
  return date;
}

function zoneFormat(zone: string): Intl.DateTimeFormat {
  const known = zones.get(zone);
  if (known) return known;
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    if (zones.size < 500) zones.set(zone, format);
    return format;
  } catch {
    throw new CelFault(`unknown time zone ${zone}`);
  }
}

const DAY_MS = 86_400_000;
const PARTS: Readonly<Record<string, (d: Date, ns: bigint) => number>> = {
  getFullYear: d => d.getUTCFullYear(),
  getMonth: d => d.getUTCMonth(),
  getDate: d => d.getUTCDate(),
  getDayOfMonth: d => d.getUTCDate() - 1,
  getDayOfWeek: d => d.getUTCDay(),
  getDayOfYear: d => Math.floor((d.getTime() - Date.UTC(d.getUTCFullYear(), 0, 1)) / DAY_MS),
  getHours: d => d.getUTCHours(),
  getMinutes: d => d.getUTCMinutes(),
  getSeconds: d => d.getUTCSeconds(),
  getMilliseconds: (_, ns) => Number((((ns % NS) + NS) % NS) / 1_000_000n),
};
const DURATION_PARTS: Readonly<Record<string, (ns: bigint) => bigint>> = {
  getHours: ns => ns / (3600n * NS),
  getMinutes: ns => ns / (60n * NS),
  getSeconds: ns => ns / NS,
  getMilliseconds: ns => ns / 1_000_000n,
};
const times: Library = [
  ...Object.entries(PARTS).flatMap(([name, part]) => [
    fn(`timestamp::${name}(): int`, (t: CelTimestamp) => BigInt(part(inZone(t, 'UTC'), t.ns))),
    fn(`timestamp::${name}(string): int`, (t: CelTimestamp, zone: string) => BigInt(part(inZone(t, zone), t.ns))),
  ]),
  ...Object.entries(DURATION_PARTS).map(([name, part]) =>
    fn(`duration::${name}(): int`, (d: CelDuration) => part(d.ns)),
  ),
];

export const standard: Library = [...arithmetic, ...comparisons, ...texts, ...conversions, ...times];
export type { CelOptional };
