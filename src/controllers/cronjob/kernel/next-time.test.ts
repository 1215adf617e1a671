import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CronSchedule, parseCron } from '../../../api/cron-schedule.ts';
import { nextTimeMs } from './next-time.ts';
import { formatInZone, zoneOffsetMs } from './zone.ts';

function times(text: string, from: string, count: number, zone = 'UTC'): string[] {
  const out: string[] = [];
  let ms: number | undefined = Date.parse(from);
  for (let i = 0; i < count; i++) {
    ms = nextTimeMs(parseCron(text), ms!, zone);
    if (ms === undefined) break;
    out.push(formatInZone(ms, zone));
  }
  return out;
}

test('minutes, hours, days, months', () => {
  assert.deepEqual(times('*/15 * * * *', '2026-01-01T00:00:00Z', 2), ['2026-01-01T00:15:00Z', '2026-01-01T00:30:00Z']);
  assert.deepEqual(times('0 0 29 2 *', '2026-01-01T00:00:00Z', 1), ['2028-02-29T00:00:00Z']);
  assert.deepEqual(times('0 12 13 * 5', '2026-02-01T00:00:00Z', 3), [
    '2026-02-06T12:00:00Z',
    '2026-02-13T12:00:00Z',
    '2026-02-20T12:00:00Z',
  ]);
  assert.deepEqual(times('0 0 31 2 *', '2026-01-01T00:00:00Z', 1), [], 'a day there is not');
  assert.deepEqual(times('@every 90m', '2026-01-01T00:00:10Z', 2), ['2026-01-01T01:30:10Z', '2026-01-01T03:00:10Z']);
});

test('wall times that the clocks skip do not fire, those they repeat fire twice', () => {
  assert.deepEqual(times('30 2 * * *', '2026-03-28T00:00:00Z', 2, 'Europe/Berlin'), [
    '2026-03-28T02:30:00+01:00',
    '2026-03-30T02:30:00+02:00',
  ]);
  assert.deepEqual(times('30 2 * * *', '2026-10-24T12:00:00Z', 3, 'Europe/Berlin'), [
    '2026-10-25T02:30:00+02:00',
    '2026-10-25T02:30:00+01:00',
    '2026-10-26T02:30:00+01:00',
  ]);
  assert.deepEqual(times('0 9 * * *', '2026-01-01T00:00:00Z', 1, 'Asia/Kolkata'), ['2026-01-01T09:00:00+05:30']);
});

/** Looks at every minute. */
function naive(schedule: CronSchedule, afterMs: number, zone: string): number {
  const has = (bits: bigint, n: number) => ((bits >> BigInt(n)) & 1n) === 1n;
  for (let ms = Math.floor(afterMs / 60_000) * 60_000 + 60_000; ; ms += 60_000) {
    const d = new Date(ms + zoneOffsetMs(ms, zone));
    const byMonth = has(schedule.dayOfMonth, d.getUTCDate());
    const byWeek = has(schedule.dayOfWeek, d.getUTCDay());
    const day = schedule.anyDayOfMonth || schedule.anyDayOfWeek ? byMonth && byWeek : byMonth || byWeek;
    const time = has(schedule.minute, d.getUTCMinutes()) && has(schedule.hour, d.getUTCHours());
    if (time && day && has(schedule.month, d.getUTCMonth() + 1)) return ms;
  }
}

test('finds what looking at every minute finds', () => {
  const zones = ['UTC', 'Europe/Berlin', 'America/Havana', 'Australia/Lord_Howe', 'America/Sao_Paulo', 'Asia/Beirut'];
  // Days on which clocks change at midnight, by half an hour, and otherwise.
  const around = ['2026-03-28', '2026-10-24', '2026-03-07', '2026-10-31', '2026-04-04', '2018-11-03', '2018-02-17'];
  const field = (max: number) =>
    fc.oneof(fc.constant('*'), fc.integer({ min: 0, max }).map(String), fc.constant('*/7'));
  fc.assert(
    fc.property(
      field(59),
      field(23),
      fc.constantFrom('*', '0', '6'),
      fc.constantFrom(...zones),
      fc.constantFrom(...around),
      fc.integer({ min: 0, max: 2880 }),
      (minute, hour, weekday, zone, day, offset) => {
        const schedule = parseCron(`${minute} ${hour} * * ${weekday}`);
        const from = Date.parse(`${day}T00:00:00Z`) + offset * 60_000;
        const found = nextTimeMs(schedule, from, zone)!;
        const wanted = naive(schedule, from, zone);
        assert.equal(formatInZone(found, zone), formatInZone(wanted, zone));
        // What was found answers for a while, and no longer; before it nothing is known.
        for (const later of [wanted - 1, wanted, from - 3_600_000]) {
          const next = nextTimeMs(schedule, later, zone)!;
          assert.equal(formatInZone(next, zone), formatInZone(naive(schedule, later, zone), zone));
        }
        assert.equal(nextTimeMs(schedule, from, 'Asia/Kolkata'), naive(schedule, from, 'Asia/Kolkata'));
      },
    ),
    { numRuns: 60 },
  );
});
