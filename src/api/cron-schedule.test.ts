import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CronError, parseCron } from './cron-schedule.ts';

const list = (bits: bigint): number[] => [...Array(60).keys()].filter(i => (bits >> BigInt(i)) & 1n);

test('ranges, steps, lists and names', () => {
  const s = parseCron('0,30 9-17/4 1 jan-mar Mon');
  assert.deepEqual(list(s.minute), [0, 30]);
  assert.deepEqual(list(s.hour), [9, 13, 17]);
  assert.deepEqual(list(s.dayOfMonth), [1]);
  assert.deepEqual(list(s.month), [1, 2, 3]);
  assert.deepEqual(list(s.dayOfWeek), [1]);
  assert.equal(s.anyDayOfMonth, false);
  assert.deepEqual(list(parseCron('50/5 * * * *').minute), [50, 55]);
  assert.equal(parseCron('* * * * *').anyDayOfWeek, true);
  assert.equal(parseCron('* * */2 * *').anyDayOfMonth, false);
});

test('abbreviations', () => {
  assert.deepEqual(parseCron('@hourly'), parseCron('0 * * * *'));
  assert.deepEqual(parseCron('@weekly'), parseCron('0 0 * * 0'));
  assert.equal(parseCron('@every 1h30m').everyMs, 5_400_000);
  assert.equal(parseCron('@every 10ms').everyMs, 1000);
  assert.equal(parseCron('CRON_TZ=Asia/Tokyo 0 6 * * *').timeZone, 'Asia/Tokyo');
});

for (const [spec, message] of [
  ['', 'empty spec string'],
  ['* * * * * *', 'expected exactly 5 fields, found 6: [* * * * * *]'],
  ['a * * * *', 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'],
  ['5-1 * * * *', 'beginning of range (5) beyond end of range (1): 5-1'],
  ['*/0 * * * *', 'step of range should be a positive number: */0'],
  ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
  ['@never', 'unrecognized descriptor: @never'],
  ['TZ=Nowhere * * * * *', 'provided bad location Nowhere: unknown time zone Nowhere'],
] as const) {
  test(`refuses ${JSON.stringify(spec)}`, () => {
    assert.throws(
      () => parseCron(spec),
      (e: unknown) => e instanceof CronError && e.message === message,
    );
  });
}
