import assert from 'node:assert/strict';
import { test } from 'node:test';
import { semanticEqual } from '../../api/rule/record.ts';
import type { Toleration } from '../../api/type/core-v1.ts';
import { seededRandom } from '../../base/random.ts';
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

test('a list of any length is merged as one toleration after the other would be', () => {
  const random = seededRandom(7);
  const one = <T>(of: readonly T[]): T => of[Math.floor(random.next() * of.length)]!;
  const any = (): Toleration => ({
    key: one(['', 'a', 'b']),
    operator: one(['Exists', 'Equal', 'Gt', undefined]) as Toleration['operator'],
    value: one(['', '1']),
    effect: one(['', 'NoSchedule', 'NoExecute', undefined]) as Toleration['effect'],
    tolerationSeconds: one([undefined, 1, 2, 3]),
  });
  for (let i = 0; i < 2000; i++) {
    const all = Array.from({ length: 1 + Math.floor(random.next() * 12) }, any);
    assert.deepEqual(mergeTolerations(all), mergedOneByOne(all), JSON.stringify(all));
  }
  const many = Array.from({ length: 8000 }, (_, n) => equal('a', String(n)));
  const began = performance.now();
  assert.equal(mergeTolerations(many).length, many.length);
  assert.ok(performance.now() - began < 2000);
});

function mergedOneByOne(all: readonly Toleration[]): Toleration[] {
  const kept: Toleration[] = [];
  for (const [i, t] of all.entries()) {
    const isCovered = kept.some(k => covers(k, t)) || all.slice(i + 1).some(l => !semanticEqual(l, t) && covers(l, t));
    if (!isCovered) kept.push(t);
  }
  return kept;
}
