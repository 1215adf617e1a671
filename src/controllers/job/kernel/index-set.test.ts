import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IndexSet } from './index-set.ts';

const indexes = fc.uniqueArray(fc.nat(40), { maxLength: 30 });
const sorted = (list: readonly number[]) => [...list].sort((a, b) => a - b);

test('three in a row are written short', () => {
  assert.equal(IndexSet.of([7, 1, 3, 4, 5]).toString(), '1,3-5,7');
  assert.equal(IndexSet.of([1, 2]).toString(), '1,2');
  assert.equal(new IndexSet().toString(), '');
  assert.equal(IndexSet.parse('0-3,x,6-9', 8).toString(), '0-3,6,7');
});

test('is a set of numbers', () => {
  fc.assert(
    fc.property(indexes, indexes, (a, b) => {
      const [left, right] = [IndexSet.of(a), IndexSet.of(b)];
      const both = IndexSet.parse(left.union(right).toString(), 100);
      const all = sorted([...new Set([...a, ...b])]);
      assert.equal(both.size, all.length);
      for (let i = 0; i <= 41; i++) assert.equal(both.has(i), all.includes(i));
      assert.equal(left.common(right), a.filter(i => b.includes(i)).length);
    }),
  );
});
