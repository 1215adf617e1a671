// Warning headers: what of the warnings of an answer its client gets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { responseHeaders } from './respond.ts';

const told = (...warnings: string[]) => responseHeaders('application/json', warnings).warning ?? [];

test('each warning is told once, and none that a header cannot have', () => {
  assert.deepEqual(told('one', 'two', 'one', '', 'a\nb', 'c\u0001', '"x" \\ y'), [
    '299 - "one"',
    '299 - "two"',
    '299 - "\\"x\\" \\\\ y"',
  ]);
  assert.deepEqual(told('ü'), [`299 - "${Buffer.from('ü').toString('latin1')}"`]);
  assert.deepEqual(told(), []);
});

test('too much to say is cut: each to 256 characters, and all of them near 4096', () => {
  const long = 'z'.repeat(4096);
  assert.deepEqual(told(long), [`299 - "${long}"`]);
  assert.deepEqual(told(`${long}z`), [`299 - "${'z'.repeat(256)}"`]);
  const many = Array.from({ length: 20 }, (_, i) => String.fromCharCode(97 + i).repeat(400));
  assert.deepEqual(
    told(...many),
    many.slice(0, 16).map(text => `299 - "${text.slice(0, 256)}"`),
  );
});
