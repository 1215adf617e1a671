import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wordedDuration } from './worded-duration.ts';

test('numbers with units are added up, whatever stands between them', () => {
  const second = 1_000_000_000n;
  const known: readonly [text: string, ns: bigint | undefined][] = [
    ['3 days', 3n * 86_400n * second],
    ['1d2h', 26n * 3600n * second],
    ['12 34s', 34n * second],
    ['2 weeks, or so', 14n * 86_400n * second],
    ['007 s', 7n * second],
    ['soon', undefined],
    ['12', undefined],
    ['9223372036854775808 ns 1s', undefined],
  ];
  for (const [text, ns] of known) assert.equal(wordedDuration(text), ns, text);
});
