import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareUtf8, SortedKeys } from './sorted-keys.ts';

test('compareUtf8 orders as the bytes do', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      assert.equal(Math.sign(compareUtf8(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
});

// Few distinct characters, so that prefixes are shared and keys met again; some beyond where UTF-16 and UTF-8 agree.
const key = fc.string({ unit: fc.constantFrom('/', 'a', 'b', 'é', '\uffee', '\u{1f600}'), minLength: 1, maxLength: 8 });

test('SortedKeys does what a sorted array does', () => {
  const run = (loaded: number, keys: readonly string[], prefix: string, after: string | undefined, limit: number) => {
    const sorted = new SortedKeys();
    const naive = new Set<string>();
    const toggle = (one: string) => {
      if (naive.delete(one)) sorted.delete(one);
      else {
        naive.add(one);
        sorted.add(one);
      }
    };
    // Enough keys for several runs, in an order that splits them anywhere.
    for (let i = 0; i < loaded; i++) toggle(`/a${(i * 7919) % loaded}`);
    for (const one of keys) toggle(one);
    for (let i = 0; i < loaded; i += 3) toggle(`/a${i}`);
    sorted.delete('not there');
    if (keys.length % 2) sorted.visit('', undefined, () => false);
    for (const one of keys.slice(0, 20)) toggle(`/a1${one}`);
    assert.equal(sorted.size, naive.size);
    const expected = [...naive]
      .filter(one => one.startsWith(prefix) && (after === undefined || compareUtf8(one, after) > 0))
      .sort(compareUtf8);
    const got: string[] = [];
    sorted.visit(prefix, after, one => got.push(one) < limit);
    assert.deepEqual(got, expected.slice(0, limit));
  };
  fc.assert(
    fc.property(
      fc.constantFrom(0, 1, 600, 3000, 9000),
      fc.array(key, { maxLength: 60 }),
      fc.oneof(fc.constant(''), key),
      fc.option(key, { nil: undefined }),
      fc.integer({ min: 1, max: 2000 }),
      run,
    ),
  );
});
