// Which start of a CronJob is due.
import type { CronSchedule } from '../../../api/cron-schedule.ts';
import { parseTime } from '../../../api/meta.ts';
import type { CronJob } from '../../../api/type/batch-v1.ts';
import { nextTimeMs } from './next-time.ts';

const many = 100;
/** After the time of a start, so that it lies in the past when it is looked for. */
const graceMs = 100;

export interface Due {
  /** The latest start not made yet. */
  readonly atMs: number | undefined;
  /** More than 100 have been missed. */
  readonly tooMany: boolean;
}

/** The schedule names no time, or times without distance. */
export class ScheduleError extends Error {
  override name = 'ScheduleError';
}

/** What a start is looked for after: the last one, or else the creation. */
function earliestMs(job: CronJob, nowMs: number, withDeadline: boolean): number {
  const since = parseTime(job.status?.lastScheduleTime ?? job.metadata.creationTimestamp) ?? nowMs;
  const { startingDeadlineSeconds: deadline } = job.spec;
  return withDeadline && deadline !== undefined ? Math.max(since, nowMs - Number(deadline) * 1000) : since;
}

export function dueStart(job: CronJob, schedule: CronSchedule, zone: string, nowMs: number, withDeadline = true): Due {
  const earliest = earliestMs(job, nowMs, withDeadline);
  const first = nextTimeMs(schedule, earliest, zone);
  const second = first === undefined ? undefined : nextTimeMs(schedule, first, zone);
  if (first === undefined || second === undefined)
    throw new ScheduleError('time difference between two schedules is less than 1 second');
  if (nowMs < first) return { atMs: undefined, tooMany: false };
  if (nowMs < second) return { atMs: first, tooMany: false };
  const interval = second - first;
  const missed = Math.floor((nowMs - first) / interval) + 1;
  const atMs =
    schedule.everyMs === undefined
      ? latestStart(schedule, zone, first, nowMs, interval)
      : first + (missed - 1) * schedule.everyMs;
  return { atMs, tooMany: missed > many };
}

/** Looks back from the present further and further: intervals need not be equal. */
function latestStart(schedule: CronSchedule, zone: string, firstMs: number, nowMs: number, interval: number): number {
  for (let back = 2 * interval; ; back *= 2) {
    let last: number | undefined;
    const from = Math.max(firstMs - 1, nowMs - back);
    for (let t = nextTimeMs(schedule, from, zone); t !== undefined && t <= nowMs; t = nextTimeMs(schedule, t, zone))
      last = t;
    if (last !== undefined) return last;
  }
}

/** Milliseconds until the next start. */
export function untilNextMs(job: CronJob, schedule: CronSchedule, zone: string, nowMs: number): number | undefined {
  // An @every counts from the last start, everything else from the wall.
  const from =
    schedule.everyMs === undefined
      ? nowMs
      : (dueStart(job, schedule, zone, nowMs, false).atMs ?? earliestMs(job, nowMs, false));
  const next = nextTimeMs(schedule, from, zone);
  return next === undefined ? undefined : Math.max(0, next - nowMs) + graceMs;
}
