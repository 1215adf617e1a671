// Ages as people read them: two units at most, the second only while it tells something.
import { parseTime } from '../../api/meta.ts';

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;
const year = 365 * day;

// Below `under`, a duration is written in `unit` and, where one is named, a smaller `rest` unless that is zero.
const steps: readonly { under: number; unit: [number, string]; rest?: [number, string] }[] = [
  { under: 2 * minute, unit: [1, 's'] },
  { under: 10 * minute, unit: [minute, 'm'], rest: [1, 's'] },
  { under: 3 * hour, unit: [minute, 'm'] },
  { under: 8 * hour, unit: [hour, 'h'], rest: [minute, 'm'] },
  { under: 2 * day, unit: [hour, 'h'] },
  { under: 8 * day, unit: [day, 'd'], rest: [hour, 'h'] },
  { under: 2 * year, unit: [day, 'd'] },
  { under: 8 * year, unit: [year, 'y'], rest: [day, 'd'] },
  { under: Number.POSITIVE_INFINITY, unit: [year, 'y'] },
];

/** `5s`, `3m12s`, `47h`, `2y35d`; `<invalid>` for what lies more than a second ahead. */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  const { unit, rest } = steps.find(s => seconds < s.under)!;
  const text = `${Math.floor(seconds / unit[0])}${unit[1]}`;
  const left = rest ? Math.floor((seconds % unit[0]) / rest[0]) : 0;
  return left ? `${text}${left}${rest![1]}` : text;
}

/** How long ago `time` was; `<unknown>` when it is not set. */
export function ageOf(time: string | null | undefined, nowMs: number): string {
  const at = parseTime(time ?? undefined);
  return at === undefined || at === zeroTimeMs ? '<unknown>' : humanDuration(nowMs - at);
}

const zeroTimeMs = Date.parse('0001-01-01T00:00:00Z');
