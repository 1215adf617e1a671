import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  freeNumber,
  hasLongNumber,
  largest,
  maxInt64,
  minInt64,
  nearNumber,
  parseExactJson,
  parseWideJson,
  toInt64,
  wholeNumber,
} from './whole-number.ts';

const int64 = fc.oneof(
  fc.bigInt({ min: minInt64, max: maxInt64 }),
  fc.bigInt({ min: 2n ** 53n - 3n, max: 2n ** 53n + 3n }),
  fc.bigInt({ min: -(2n ** 53n) - 3n, max: -(2n ** 53n) + 3n }),
  fc.bigInt({ min: -300n, max: 300n }),
);

test('whole numbers of 64 bits keep their digits through JSON, wherever they stand', () => {
  fc.assert(
    fc.property(int64, fc.string(), fc.boolean(), (n, text, spaced) => {
      const json = spaced
        ? `{ ${JSON.stringify(text)} : ${n} , "list" : [ ${n} , {"n":${n}} ] }`
        : `{${JSON.stringify(text)}:${n},"list":[${n},{"n":${n}}]}`;
      const value = parseExactJson(json) as { list: [unknown, { n: unknown }] };
      assert.equal(value.list[0], wholeNumber(n));
      assert.equal(
        typeof value.list[1].n,
        n === BigInt(Number(n)) && Number.isSafeInteger(Number(n)) ? 'number' : 'bigint',
      );
      const written = JSON.stringify(value);
      assert.ok(written.includes(`"list":[${n},{"n":${n}}]`), written);
      assert.deepEqual(parseExactJson(written), value);
    }),
  );
  assert.equal(JSON.stringify({ n: 2n ** 53n + 1n }, null, 1), '{\n "n": 9007199254740993\n}');
});

test('other numbers and digits in strings stay what they are', () => {
  const same = '{"a":"12345678901234567890","b":1.12345678901234567,"c":"x 9007199254740993 y","d":1e300,"e":0.1}';
  assert.deepEqual(parseExactJson(same), JSON.parse(same));
  assert.equal(hasLongNumber(`{"uid":"${'7'.repeat(40)}","n":123456789012345,"f":0.1234567890123456789}`), false);
  for (let before = 0; before < 20; before++)
    for (const digits of ['1234567890123456', '-9007199254740993', '1'.repeat(40)])
      assert.equal(hasLongNumber(`[${' '.repeat(before)}${digits}]`), true, `${before} ${digits}`);
  assert.equal(parseExactJson('9007199254740993.0'), 9007199254740992);
  assert.equal((parseExactJson(`[${'9'.repeat(65)}]`) as unknown[])[0], 1e65);
  assert.equal(parseExactJson('18446744073709551616'), 2 ** 64);
  assert.equal(parseWideJson('18446744073709551616'), 2n ** 64n);
  assert.equal(parseWideJson('9007199254740991'), 2 ** 53 - 1);
  assert.throws(() => parseExactJson('{"n":9007199254740993'), SyntaxError);
});

test('arithmetic gets doubles, fields get int64', () => {
  assert.equal(nearNumber(undefined), undefined);
  assert.equal(nearNumber(maxInt64), 2 ** 63);
  assert.equal(largest([3, maxInt64, 2 ** 52, maxInt64 - 1n]), maxInt64);
  assert.equal(largest([]), 0);
  assert.equal(toInt64(7), 7);
  assert.equal(toInt64(2 ** 53), 2n ** 53n);
  assert.equal(toInt64(1e30), maxInt64);
  assert.equal(toInt64(-1e30), minInt64);
});

test('past 64 bits free numbers are floats', () => {
  assert.equal(freeNumber(maxInt64), maxInt64);
  assert.equal(freeNumber(minInt64), minInt64);
  assert.equal(freeNumber(maxInt64 + 1n), 2 ** 63);
  assert.equal(freeNumber(minInt64 - 1n), -(2 ** 63));
  assert.equal(freeNumber(5n), 5);
});
