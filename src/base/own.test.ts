import assert from 'node:assert/strict';
import { test } from 'node:test';
import { own } from './own.ts';

test('a map has what was put into it', () => {
  const map = JSON.parse('{"a": 1, "__proto__": 2}');
  assert.equal(own(map, 'a'), 1);
  assert.equal(own(map, '__proto__'), 2);
  for (const key of ['b', 'constructor', 'toString']) assert.equal(own(map, key), undefined);
  assert.equal(own(undefined, 'a'), undefined);
  assert.equal(own(null, 'a'), undefined);
});
