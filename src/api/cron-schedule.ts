// Cron schedules in the five-field form, with the usual abbreviations. Pure: parsing, and what a moment must match.

import { Recent } from './recent.ts';

/** A parsed schedule: which minutes, hours, days, months and weekdays it names, as bit sets. */
export interface CronSchedule {
  readonly minute: bigint;
  readonly hour: bigint;
  readonly dayOfMonth: bigint;
  readonly month: bigint;
  readonly dayOfWeek: bigint;
  /** A day matches when both fields match, or, when neither is `*`, either. */
  readonly anyDayOfMonth: boolean;
  readonly anyDayOfWeek: boolean;
  /** `@every 1h30m`: fires that many milliseconds apart instead; at least a second. */
  readonly everyMs?: number;
  /** From a `TZ=` or `CRON_TZ=` prefix. */
  readonly timeZone?: string;
}

/** The text is no schedule. */
export class CronError extends Error {
  override name = 'CronError';
}

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const MINUTE: Bounds = { min: 0, max: 59 };
const HOUR: Bounds = { min: 0, max: 23 };
const DAY_OF_MONTH: Bounds = { min: 1, max: 31 };
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const MONTH: Bounds = { min: 1, max: 12, names: MONTHS };
const DAY_OF_WEEK: Bounds = { min: 0, max: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] };
const FIELDS = [MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK];

const DESCRIPTORS: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};
const DURATION_UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

// Validation and controller read the same few schedules again and again.
const remembered = new Recent<CronSchedule>(256);
// Longer ones nobody means.
const longestKept = 256;

/** The same object for the same text, mostly. Throws CronError with the reason. */
export const parseCron = (text: string): CronSchedule =>
  text.length <= longestKept ? remembered.of(text, () => parse(text)) : parse(text);

function parse(text: string): CronSchedule {
  if (text.length === 0) throw new CronError('empty spec string');
  let spec = text;
  let timeZone: string | undefined;
  const zone = /^(?:CRON_)?TZ=([^ ]*) */.exec(spec);
  if (zone) {
    timeZone = zone[1]!;
    if (!isTimeZone(timeZone)) throw new CronError(`provided bad location ${timeZone}: unknown time zone ${timeZone}`);
    spec = spec.slice(zone[0].length).trim();
  }
  const place = timeZone === undefined ? {} : { timeZone };
  if (spec.startsWith('@every ')) return { ...parseFields('* * * * *'), everyMs: parseEvery(spec), ...place };
  if (spec.startsWith('@')) {
    const meaning = DESCRIPTORS[spec];
    if (!meaning) throw new CronError(`unrecognized descriptor: ${spec}`);
    return { ...parseFields(meaning), ...place };
  }
  return { ...parseFields(spec), ...place };
}

function parseEvery(spec: string): number {
  const duration = spec.slice('@every '.length);
  const bad = () =>
    new CronError(`failed to parse duration ${spec}: time: invalid duration ${JSON.stringify(duration)}`);
  if (!/^([0-9]+(\.[0-9]+)?(ms|h|m|s))+$/.test(duration)) throw bad();
  let ms = 0;
  for (const [, amount, , unit] of duration.matchAll(/([0-9]+(\.[0-9]+)?)(ms|h|m|s)/g))
    ms += Number(amount) * DURATION_UNITS[unit!]!;
  return Math.max(1000, Math.floor(ms / 1000) * 1000);
}

function parseFields(spec: string): CronSchedule {
  const fields = spec.split(/\s+/).filter(Boolean);
  if (fields.length !== 5)
    throw new CronError(`expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`);
  const sets = fields.map((field, i) => parseField(field, FIELDS[i]!));
  return {
    minute: sets[0]!.bits,
    hour: sets[1]!.bits,
    dayOfMonth: sets[2]!.bits,
    month: sets[3]!.bits,
    dayOfWeek: sets[4]!.bits,
    anyDayOfMonth: sets[2]!.any,
    anyDayOfWeek: sets[4]!.any,
  };
}

interface FieldSet {
  readonly bits: bigint;
  readonly any: boolean;
}

function parseField(field: string, bounds: Bounds): FieldSet {
  let bits = 0n;
  let any = false;
  for (const part of field.split(',').filter(Boolean)) {
    const range = parseRange(part, bounds);
    bits |= range.bits;
    any ||= range.any;
  }
  return { bits, any };
}

function parseRange(part: string, bounds: Bounds): FieldSet {
  const pieces = part.split('/');
  const ends = pieces[0]!.split('-');
  let start: number;
  let end: number;
  let any = false;
  if (ends[0] === '*' || ends[0] === '?') {
    start = bounds.min;
    end = bounds.max;
    any = true;
  } else {
    if (ends.length > 2) throw new CronError(`too many hyphens: ${part}`);
    start = parseValue(ends[0]!, bounds);
    end = ends.length === 2 ? parseValue(ends[1]!, bounds) : start;
  }
  let step = 1;
  if (pieces.length > 2) throw new CronError(`too many slashes: ${part}`);
  if (pieces.length === 2) {
    step = parseInteger(pieces[1]!);
    // `N/step` runs from N to the end of the range.
    if (!any && ends.length === 1) end = bounds.max;
    if (step > 1) any = false;
  }
  if (start < bounds.min) throw new CronError(`beginning of range (${start}) below minimum (${bounds.min}): ${part}`);
  if (end > bounds.max) throw new CronError(`end of range (${end}) above maximum (${bounds.max}): ${part}`);
  if (start > end) throw new CronError(`beginning of range (${start}) beyond end of range (${end}): ${part}`);
  if (step === 0) throw new CronError(`step of range should be a positive number: ${part}`);
  let bits = 0n;
  for (let i = start; i <= end; i += step) bits |= 1n << BigInt(i);
  return { bits, any };
}

function parseValue(text: string, bounds: Bounds): number {
  const named = bounds.names?.indexOf(text.toLowerCase()) ?? -1;
  return named >= 0 ? named + bounds.min : parseInteger(text);
}

function parseInteger(text: string): number {
  if (!/^[-+]?[0-9]+$/.test(text))
    throw new CronError(
      `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  const value = Number(text);
  if (value < 0) throw new CronError(`negative number (${value}) not allowed: ${text}`);
  return value;
}

const zones = new Map<string, boolean>();

/** Is it a zone of the IANA database? */
export function isTimeZone(name: string): boolean {
  let known = zones.get(name);
  if (known === undefined) {
    known = true;
    try {
      new Intl.DateTimeFormat('en-US', { timeZone: name });
    } catch {
      known = false;
    }
    if (zones.size >= 1024) zones.clear();
    if (name.length <= longestKept) zones.set(name, known);
  }
  return known;
}
