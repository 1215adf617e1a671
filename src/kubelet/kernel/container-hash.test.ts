import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fnv32a } from './container-hash.ts';

test('the published vectors of FNV-1a, and bytes of what is not ASCII', () => {
  assert.equal(fnv32a(''), '811c9dc5');
  assert.equal(fnv32a('a'), 'e40c292c');
  assert.equal(fnv32a('foobar'), 'bf9cf968');
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from('bé')) hash = Math.imul(hash ^ byte, 0x01000193);
  assert.equal(fnv32a('bé'), (hash >>> 0).toString(16));
});
