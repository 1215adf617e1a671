import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalQuantity, parseQuantity, Quantity } from './quantity.ts';

test('canonical forms', () => {
  const cases: [string | number, string][] = [
    ['0', '0'],
    ['0Gi', '0'],
    ['1000m', '1'],
    ['0.5', '500m'],
    [0.5, '500m'],
    [2, '2'],
    ['1500m', '1500m'],
    ['1.5', '1500m'],
    ['100m', '100m'],
    ['1024Mi', '1Gi'],
    ['1.5Gi', '1536Mi'],
    ['0.5Gi', '512Mi'],
    ['1023', '1023'],
    ['1Ki', '1Ki'],
    ['0.5Ki', '512'],
    ['1.25Ki', '1280'],
    ['1025Mi', '1025Mi'],
    ['128974848', '128974848'],
    ['129e6', '129e6'],
    ['129M', '129M'],
    ['123Mi', '123Mi'],
    ['1000k', '1M'],
    ['1E', '1E'],
    ['1e3', '1e3'],
    ['1E3', '1e3'],
    ['12e-3', '12e-3'],
    ['1e0', '1'],
    ['100e-3', '100e-3'],
    ['-1.5', '-1500m'],
    ['+5', '5'],
    ['.001', '1m'],
    ['1.', '1'],
    ['0.1n', '1n'],
    ['0.0000000001', '1n'],
    ['1.0000000001', '1000000001n'],
    ['-0.0000000001', '-1n'],
    ['0.001Ki', '1024m'],
    ['9223372036854775807', '9223372036854775807'],
    ['99999999999999999999', '99999999999999999999'],
    ['123456789012345678901e3', '123456789012345678901e3'],
    ['-12345678901234567890.5', '-12345678901234567890500m'],
    ['-8Ei', '-9223372036854775807'],
    ['8Ei', '9223372036854775807'],
    ['1Ei', '1Ei'],
    ['16Ti', '16Ti'],
    ['1e9999999', '9223372036854775807'],
    ['0e99999999', '0'],
  ];
  for (const [text, want] of cases) assert.equal(canonicalQuantity(text), want, String(text));
});

test('refuses what Kubernetes refuses', () => {
  for (const bad of ['', '1.1.M', '1+1.0M', '0.1mi', '0.1am', 'aoeu', ' 1', '1 ', 'abc', '1Kib', '--1', '.'])
    assert.throws(() => parseQuantity(bad), /QuantityError/, bad);
  const began = performance.now();
  for (const digits of ['1'.repeat(100_000), '0'.repeat(100_000), `0.${'1'.repeat(100_000)}`])
    assert.throws(() => parseQuantity(`${digits}!`), /QuantityError/);
  assert.ok(performance.now() - began < 1000);
  assert.throws(() => parseQuantity('1i'), /unable to parse quantity's suffix/);
  assert.throws(() => parseQuantity('1KB'), /quantities must match the regular expression/);
  assert.throws(() => parseQuantity('1MM'), /unable to parse quantity's suffix/);
});

test('values round away from zero', () => {
  assert.equal(parseQuantity('1.1').value(), 2);
  assert.equal(parseQuantity('-1.1').value(), -2);
  assert.equal(parseQuantity('1n').milliValue(), 1);
  assert.equal(parseQuantity('1n').value(), 1);
  assert.equal(parseQuantity('-1n').milliValue(), -1);
  assert.equal(parseQuantity('100m').milliValue(), 100);
  assert.equal(parseQuantity('16Gi').value(), 17179869184);
});

test('sums take the format of the first that is not zero', () => {
  assert.equal(parseQuantity('0').add(parseQuantity('1Gi')).toString(), '1Gi');
  assert.equal(parseQuantity('512Mi').add(parseQuantity('512Mi')).toString(), '1Gi');
  assert.equal(parseQuantity('1').subtract(parseQuantity('100m')).toString(), '900m');
  assert.equal(parseQuantity('1').negate().toString(), '-1');
  assert.equal(Quantity.of(3).compare(parseQuantity('3000m')), 0);
});

// A naive twin: everything in nano units as bigint.
const suffix = {
  n: 1n,
  u: 1000n,
  m: 10n ** 6n,
  '': 10n ** 9n,
  k: 10n ** 12n,
  Ki: 1024n * 10n ** 9n,
  Gi: 1024n ** 3n * 10n ** 9n,
};
const operand = fc.record({
  n: fc.oneof(fc.integer({ min: -2000, max: 2000 }), fc.integer({ min: -(10 ** 9), max: 10 ** 9 })),
  s: fc.constantFrom(...(Object.keys(suffix) as (keyof typeof suffix)[])),
});
const naive = (q: { n: number; s: keyof typeof suffix }) => BigInt(q.n) * suffix[q.s];

test('arithmetic agrees with bigint nano units; the canonical form reads back the same', () => {
  fc.assert(
    fc.property(operand, operand, (x, y) => {
      const [a, b] = [parseQuantity(`${x.n}${x.s}`), parseQuantity(`${y.n}${y.s}`)];
      const [na, nb] = [naive(x), naive(y)];
      assert.equal(a.add(b).nano, na + nb);
      assert.equal(a.subtract(b).nano, na - nb);
      assert.equal(a.negate().nano, -na);
      assert.equal(Math.sign(a.compare(b)), na < nb ? -1 : na > nb ? 1 : 0);
      assert.equal(a.isZero, na === 0n);
      assert.equal(a.sign, na < 0n ? -1 : na > 0n ? 1 : 0);
      const again = parseQuantity(a.toString());
      assert.equal(again.nano, a.nano);
      assert.equal(again.toString(), a.toString());
    }),
  );
});

test('millions of digits cost no time: past any that count they are the most there is, or nothing but a fraction', () => {
  const { user } = process.threadCpuUsage();
  const digits = '7'.repeat(3_000_000);
  assert.equal(parseQuantity(digits).toString(), '9223372036854775807');
  assert.equal(parseQuantity(`-${digits}Gi`).toString(), '-9223372036854775807');
  assert.equal(parseQuantity(`0.1${'0'.repeat(3_000_000)}`).toString(), '100m');
  assert.equal(parseQuantity(`0.1${'0'.repeat(3_000_000)}1`).toString(), '100000001n');
  assert.equal(parseQuantity(`0.${digits}e1000`).compare(parseQuantity(`7${'0'.repeat(999)}`)), 1);
  assert.ok(process.threadCpuUsage().user - user < 300_000);
});
