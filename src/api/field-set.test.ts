import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareElements, type FieldSet, inOrder, leaf, valueElement } from './field-set.ts';

const text = fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom('a', 'a b', 'a!', 'a"', 'ab', '\\', 'é', '😀'));

test('elements of one kind are ordered as those of several are', () => {
  const fields = text.map(name => `f:${name}`);
  const values = fc.oneof(text, fc.integer()).map(valueElement);
  for (const elements of [fields, text.map(valueElement), values, fc.oneof(fields, values)])
    fc.assert(
      fc.property(fc.uniqueArray(elements, { minLength: 1, maxLength: 12 }), fc.boolean(), (keys, member) => {
        const node: FieldSet = Object.fromEntries([...(member ? ['.'] : []), ...keys].map(key => [key, leaf]));
        assert.deepEqual(Object.keys(inOrder(node)), [...(member ? ['.'] : []), ...keys.toSorted(compareElements)]);
      }),
    );
});
