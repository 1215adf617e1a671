import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJsonPath } from './json-path.ts';

test('paths find fields, items, filters and all below', () => {
  const root = {
    spec: { replicas: 3, 'a.b': 'dotted' },
    status: {
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'Old', status: 'False' },
      ],
    },
  };
  const find = (text: string) => parseJsonPath(text).find(root);
  assert.deepEqual(find('.spec.replicas'), [3]);
  assert.deepEqual(find('.spec.none.at.all'), []);
  assert.deepEqual(find('.status.conditions[?(@.type=="Ready")].status'), ['True']);
  assert.deepEqual(find('.status.conditions[*].type'), ['Ready', 'Old']);
  assert.deepEqual(find('.status.conditions[-1].type'), ['Old']);
  assert.deepEqual(find(".spec['a.b']"), []);
  assert.deepEqual(find(".spec['a\\.b']"), ['dotted']);
  assert.deepEqual(find('.status.conditions[0:1].type'), ['Ready']);
  for (const [text, why] of [
    ['.status.conditions[0:3]', /out of bounds/],
    ['.status.conditions[5]', /out of bounds/],
    ['.status.conditions[0:2:0]', /step must be > 0/],
    ['.status.conditions[?(@.type==1)]', /incompatible types/],
    ['.status.conditions[?(@==@)]', /invalid type/],
  ] as const)
    assert.throws(() => find(text), why, text);
  assert.deepEqual(find('.spec.a\\.b'), ['dotted']);
  assert.deepEqual(find('..type'), ['Ready', 'Old']);
  assert.deepEqual(parseJsonPath('.spec.replicas').fields, ['spec', 'replicas']);
  assert.equal(parseJsonPath('.a[0]').fields, undefined);
  assert.throws(() => parseJsonPath('.a['), /unterminated array/);
  const began = performance.now();
  assert.deepEqual(find(`.status.conditions[?(@['type${' '.repeat(50_000)}'])].type`), []);
  assert.ok(performance.now() - began < 1000);
});
