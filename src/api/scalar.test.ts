import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalBase64, canonicalMicroTime, canonicalTime, formatDuration, parseDuration } from './scalar.ts';

test('times come out in UTC with whole seconds', () => {
  const cases: [string, string][] = [
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z'],
    ['2026-01-31T03:04:05Z', '2026-01-31T03:04:05Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00Z'],
    ['2026-01-02T03:04:05.999Z', '2026-01-02T03:04:05Z'],
    ['2026-01-01T00:30:00+01:00', '2025-12-31T23:30:00Z'],
    ['2026-01-01T23:30:00-01:30', '2026-01-02T01:00:00Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
  ];
  for (const [text, want] of cases) assert.equal(canonicalTime(text), want);
  assert.equal(canonicalMicroTime('2026-01-02T03:04:05.123456Z'), '2026-01-02T03:04:05.123456Z');
});

test('bad times are refused in Go words', () => {
  const layout = '2006-01-02T15:04:05Z07:00';
  const cases: [string, string][] = [
    ['', `parsing time "" as "${layout}": cannot parse "" as "2006"`],
    ['2026-01-02', `parsing time "2026-01-02" as "${layout}": cannot parse "" as "T"`],
    ['2026-1-02T03:04:05Z', `parsing time "2026-1-02T03:04:05Z" as "${layout}": cannot parse "1-02T03:04:05Z" as "01"`],
    ['2026-13-02T03:04:05Z', 'parsing time "2026-13-02T03:04:05Z": month out of range'],
    ['2026-02-29T03:04:05Z', 'parsing time "2026-02-29T03:04:05Z": day out of range'],
    ['2026-01-02T24:04:05Z', 'parsing time "2026-01-02T24:04:05Z": hour out of range'],
    ['2026-01-02T03:04:05', `parsing time "2026-01-02T03:04:05" as "${layout}": cannot parse "" as "Z07:00"`],
    ['2026-01-02T03:04:05Zx', 'parsing time "2026-01-02T03:04:05Zx": extra text: "x"'],
  ];
  for (const [text, message] of cases) assert.throws(() => canonicalTime(text), { message }, text);
});

test('canonical times name the same instant', () => {
  const date = fc.date({ min: new Date('0002-01-01'), max: new Date('9998-01-01'), noInvalidDate: true });
  fc.assert(
    fc.property(date, fc.integer({ min: -839, max: 839 }), (at, offset) => {
      const local = new Date(Math.floor(at.getTime() / 1000) * 1000 + offset * 60_000).toISOString().slice(0, 19);
      const [h, m] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60].map(n => String(n).padStart(2, '0'));
      const want = `${new Date(at).toISOString().slice(0, 19)}Z`;
      assert.equal(canonicalTime(`${local}${offset < 0 ? '-' : '+'}${h}:${m}`), want);
      assert.equal(canonicalTime(want), want);
    }),
  );
});

test('durations', () => {
  const cases: [string, string][] = [
    ['0', '0s'],
    ['90s', '1m30s'],
    ['1h', '1h0m0s'],
    ['1.5h', '1h30m0s'],
    ['-90m', '-1h30m0s'],
    ['100ms', '100ms'],
    ['1500us', '1.5ms'],
    ['2m0.25s', '2m0.25s'],
    ['3ns', '3ns'],
    ['1h1ms', '1h0m0.001s'],
  ];
  for (const [text, want] of cases) assert.equal(formatDuration(parseDuration(text)), want, text);
  assert.throws(() => parseDuration('3'), { message: 'time: missing unit in duration "3"' });
  assert.throws(() => parseDuration('3d'), { message: 'time: unknown unit "d" in duration "3d"' });
  for (const word of ['constructor', 'toString', 'valueOf'])
    assert.throws(() => parseDuration(`3${word}`), {
      message: `time: unknown unit "${word}" in duration "3${word}"`,
    });
  assert.throws(() => parseDuration('x'), { message: 'time: invalid duration "x"' });
  const began = performance.now();
  assert.throws(() => parseDuration('1'.repeat(100_000)), /^ScalarError: time: missing unit in duration/);
  assert.ok(performance.now() - began < 1000);
  fc.assert(fc.property(fc.maxSafeInteger(), ns => assert.equal(parseDuration(formatDuration(ns)), ns === 0 ? 0 : ns)));
});

test('base64', () => {
  assert.equal(canonicalBase64('YQ=='), 'YQ==');
  assert.equal(canonicalBase64('YR=='), 'YQ==');
  assert.equal(canonicalBase64('YW\nJj\r\n'), 'YWJj');
  for (const [text, offset] of [
    ['YQ', 0],
    ['YQ=', 3],
    ['%', 0],
    ['YWJj!', 4],
    ['YQ==YQ==', 4],
    ['YWJjYQ', 4],
  ] as const)
    assert.throws(() => canonicalBase64(text), { message: `illegal base64 data at input byte ${offset}` }, text);
  fc.assert(
    fc.property(fc.uint8Array(), bytes => {
      const text = Buffer.from(bytes).toString('base64');
      assert.equal(canonicalBase64(text), text);
    }),
  );
});
