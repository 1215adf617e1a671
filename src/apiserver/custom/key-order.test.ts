import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Plain } from '../../api/patch/plain.ts';
import { sorted, sortedCopy } from './key-order.ts';

test('keys come in order, whatever lies how deep', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), value => {
      const text = JSON.stringify(value);
      assert.equal(JSON.stringify(sorted(value as Plain)), JSON.stringify(sortedCopy(value)));
      assert.equal(JSON.stringify(value), text);
    }),
  );
});

test('what is in order is shared, beside what is not', () => {
  const inOrder = { a: [{ a: 1, b: 2 }], b: {} };
  const out = sorted({ x: { p: inOrder, q: [{ b: 1, a: 2 }] }, a: inOrder });
  assert.deepEqual(Object.keys(out), ['a', 'x']);
  assert.equal(out.a, inOrder);
  assert.equal((out.x as Plain).p, inOrder);
  assert.equal(JSON.stringify((out.x as Plain).q), '[{"a":2,"b":1}]');
});

test('what is out of order at the bottom is looked at once from each level', () => {
  let looks = 0;
  const ownKeys = (target: Plain) => {
    looks++;
    return Reflect.ownKeys(target);
  };
  let value: Plain = new Proxy({ b: 1, a: 2 }, { ownKeys });
  for (let level = 0; level < 16; level++) value = { p: value };
  assert.match(JSON.stringify(sorted(value)), /\{"a":2,"b":1\}/);
  assert.ok(looks < 10, `${looks} looks`);
});
