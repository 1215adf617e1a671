import assert from 'node:assert/strict';
import { test } from 'node:test';
import { numberText } from './metric-number.ts';

test('numbers are written as Go writes them', () => {
  const written = [
    0,
    1,
    -3.5,
    999_999,
    1e6,
    1_050_000,
    14042796535,
    0.0001,
    0.00001,
    3.642e-5,
    5e-324,
    1e21,
    0.1 + 0.2,
  ];
  assert.deepEqual(written.map(numberText), [
    ...['0', '1', '-3.5', '999999', '1e+06', '1.05e+06', '1.4042796535e+10', '0.0001', '1e-05', '3.642e-05'],
    ...['5e-324', '1e+21', '0.30000000000000004'],
  ]);
  assert.deepEqual([Infinity, -Infinity, NaN].map(numberText), ['+Inf', '-Inf', 'NaN']);
});
