import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Toleration } from '../../api/type/core-v1.ts';
import { covers, mergeTolerations } from './tolerations.ts';

const exists = (key: string, more: Toleration = {}): Toleration => ({ key, operator: 'Exists', ...more });
const equal = (key: string, value: string, more: Toleration = {}): Toleration => ({
  key,
  operator: 'Equal',
  value,
  ...more,
});

test('a toleration covers those that bear less', () => {
  const pairs: readonly [Toleration, Toleration, boolean][] = [
    [exists(''), equal('a', '1', { effect: 'NoExecute' }), true],
    [exists('a'), equal('a', '1'), true],
    [exists('a'), exists('b'), false],
    [equal('a', '1'), exists('a'), false],
    [equal('a', '1'), equal('a', '2'), false],
    [equal('a', '1'), equal('a', '1', { effect: 'NoSchedule' }), true],
    [equal('a', '1', { effect: 'NoSchedule' }), equal('a', '1'), false],
    // Without an operator it is Equal for what covers, and a word of its own for what is covered.
    [{ key: 'a', value: '1' }, equal('a', '1', { effect: 'NoSchedule' }), true],
    [equal('a', '1', { effect: 'NoSchedule' }), { key: 'a', value: '1', effect: 'NoSchedule' }, false],
    [exists('a', { effect: 'NoExecute', tolerationSeconds: 5 }), exists('a', { effect: 'NoExecute' }), false],
    [
      exists('a', { effect: 'NoExecute', tolerationSeconds: 5 }),
      exists('a', { effect: 'NoExecute', tolerationSeconds: 4 }),
      true,
    ],
    [
      exists('a', { effect: 'NoExecute', tolerationSeconds: 5 }),
      exists('a', { effect: 'NoExecute', tolerationSeconds: 6 }),
      false,
    ],
    [exists('a', { effect: 'NoExecute' }), exists('a', { effect: 'NoExecute', tolerationSeconds: 6 }), true],
    [{ key: 'a', operator: 'Gt', value: '1' }, equal('a', '1'), false],
  ];
  for (const [wide, narrow, is] of pairs)
    assert.equal(covers(wide, narrow), is, `${JSON.stringify(wide)} ${JSON.stringify(narrow)}`);
});

test('of those that cover each other one is kept, in its place', () => {
  const [all, a1, b] = [exists('a'), equal('a', '1'), exists('b')];
  assert.deepEqual(mergeTolerations([a1, b, all]), [b, all]);
  assert.deepEqual(mergeTolerations([all, b, a1, { ...b }]), [all, b]);
});
