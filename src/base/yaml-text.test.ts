import assert from 'node:assert/strict';
import { test } from 'node:test';
import { yamlText } from './yaml-text.ts';

test('what stands in several places is written in each, without anchors', () => {
  const part = { b: 1, a: 'yes' };
  assert.equal(yamlText({ one: part, two: [part] }), 'one:\n  a: "yes"\n  b: 1\ntwo:\n- a: "yes"\n  b: 1\n');
});
