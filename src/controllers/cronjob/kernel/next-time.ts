// When a schedule fires. A wall time that the clocks skip does not fire; one they show twice fires twice.
import type { CronSchedule } from '../../../api/cron-schedule.ts';
import { zoneOffsetMs } from './zone.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** A schedule that names no day within five years names none. */
const horizonMs = 5 * 366 * dayMs;

const names = (bits: bigint, value: number): boolean => ((bits >> BigInt(value)) & 1n) === 1n;

/** The first moment after `afterMs` at which the schedule fires, in milliseconds since the epoch; undefined for none. */
export function nextTimeMs(schedule: CronSchedule, afterMs: number, zone: string): number | undefined {
  if (schedule.everyMs !== undefined) return Math.floor(afterMs / 1000) * 1000 + schedule.everyMs;
  const known = found.getOrInsertComputed(schedule, () => []);
  for (const k of known) if (k.zone === zone && afterMs >= k.afterMs && afterMs < k.atMs) return k.atMs;
  const atMs = findNext(schedule, afterMs, zone);
  if (atMs === undefined) return undefined;
  if (known.length === mostFound) known.shift();
  known.push({ zone, afterMs, atMs });
  return atMs;
}

interface Found {
  readonly zone: string;
  readonly afterMs: number;
  readonly atMs: number;
}

// A look at a CronJob asks what comes after its last start, after that, and after now.
const mostFound = 4;
/** What was found last: until that moment it is the next one. */
const found = new WeakMap<CronSchedule, Found[]>();

function findNext(schedule: CronSchedule, afterMs: number, zone: string): number | undefined {
  const endMs = afterMs + horizonMs;
  let ms = Math.floor(afterMs / minuteMs) * minuteMs + minuteMs;
  while (ms <= endMs) {
    const offset = zoneOffsetMs(ms, zone);
    const wall = ms + offset;
    const target = laterWall(schedule, wall);
    if (target === undefined) return ms;
    ms = momentOf(target, offset, ms, zone);
  }
  return undefined;
}

/** The wall time to look at next; undefined when this one is named. */
function laterWall(schedule: CronSchedule, wall: number): number | undefined {
  const date = new Date(wall);
  const month = date.getUTCMonth();
  if (!names(schedule.month, month + 1)) return Date.UTC(date.getUTCFullYear(), month + 1, 1);
  if (!dayNamed(schedule, date.getUTCDate(), date.getUTCDay())) return Math.floor(wall / dayMs) * dayMs + dayMs;
  if (!names(schedule.hour, date.getUTCHours())) return Math.floor(wall / hourMs) * hourMs + hourMs;
  if (!names(schedule.minute, date.getUTCMinutes())) return wall + minuteMs;
  return undefined;
}

function dayNamed(schedule: CronSchedule, dayOfMonth: number, dayOfWeek: number): boolean {
  const byMonth = names(schedule.dayOfMonth, dayOfMonth);
  const byWeek = names(schedule.dayOfWeek, dayOfWeek);
  return schedule.anyDayOfMonth || schedule.anyDayOfWeek ? byMonth && byWeek : byMonth || byWeek;
}

/** The first moment after `ms` at which the wall may show `wall`: never too late when the offset changes in between. */
function momentOf(wall: number, offset: number, ms: number, zone: string): number {
  const guess = wall - offset;
  const other = wall - zoneOffsetMs(guess, zone);
  return other > ms && other < guess ? other : guess;
}
