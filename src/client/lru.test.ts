import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Lru } from './lru.ts';

test('keeps what a map does whose keys are taken out and put in again', () => {
  const step = fc.record({ key: fc.constantFrom(...'abcdefgh'), value: fc.option(fc.nat(9), { nil: undefined }) });
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 6 }), fc.array(step, { maxLength: 80 }), (capacity, steps) => {
      const lru = new Lru<number>(capacity);
      const twin = new Map<string, number>();
      for (const { key, value } of steps) {
        const known = twin.get(key);
        if (value === undefined) assert.equal(lru.get(key), known);
        else lru.set(key, value);
        const now = value ?? known;
        if (now === undefined) continue;
        twin.delete(key);
        twin.set(key, now);
        if (twin.size > capacity) twin.delete(twin.keys().next().value!);
      }
      for (const key of 'abcdefgh') assert.equal(lru.get(key), twin.get(key));
    }),
    { numRuns: 300 },
  );
});
