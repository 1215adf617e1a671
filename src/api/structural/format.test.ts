import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasFormat } from './format.ts';
import { goFloat } from './value-rule.ts';

test('formats', () => {
  const good: [string, string][] = [
    ['date', '2024-02-29'],
    ['date-time', '2024-01-01T10:00:00.5+02:00'],
    ['duration', '1h30m'],
    ['ipv4', '10.0.0.1'],
    ['ipv6', 'fd00::1'],
    ['cidr', '10.0.0.0/8'],
    ['uuid', '123e4567-e89b-12d3-a456-426614174000'],
    ['byte', 'aGVsbG8='],
    ['mac', '00:1a:2b:3c:4d:5e'],
    ['uri', 'https://example.com/x'],
    ['email', 'a@example.com'],
    ['unheard-of', '???'],
    ...['__proto__', 'hasOwnProperty', '__defineGetter__'].map((format): [string, string] => [format, '???']),
  ];
  for (const [format, text] of good) assert.ok(hasFormat(format, text), format);
  const bad: [string, string][] = [
    ['date', '2023-02-29'],
    ['date-time', '2024-01-01'],
    ['ipv4', 'fd00::1'],
    ['ipv6', '10.0.0.1'],
    ['cidr', '10.0.0.0/33'],
    ['uuid', 'x'],
    ['byte', 'a'],
    ['hostname', '-a'],
  ];
  for (const [format, text] of bad) assert.ok(!hasFormat(format, text), format);
  assert.deepEqual([10, 0.5, 1_000_000, 123_456_789, 0.00001].map(goFloat), [
    '10',
    '0.5',
    '1e+06',
    '1.23456789e+08',
    '1e-05',
  ]);
});

test('what a text of any length costs grows with it', () => {
  const long = 50_000;
  const texts: readonly [format: string, text: string][] = [
    ['email', 'a'.repeat(long)],
    ['email', 'a.'.repeat(long)],
    ['email', `"${'\\\\'.repeat(long)}`],
    ['email', `${' '.repeat(long)}<a@b> x`],
    ['email', `${'"a" '.repeat(long)}<a@b`],
    ['duration', '1'.repeat(long)],
    ['duration', '1 '.repeat(long)],
    ['duration', `${'9'.repeat(long)}s`],
    ['hostname', 'a.'.repeat(long)],
    ['uri', 'a'.repeat(long)],
    ['isbn', '1-'.repeat(long)],
  ];
  for (const [format, text] of texts) assert.ok(!hasFormat(format, text), format);
});
