import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatCpus, parseCpus } from './cpu-set.ts';

test('lists of CPUs are read and written as the kernel does', () => {
  for (const [text, cpus] of [
    ['', []],
    ['0', [0]],
    ['0-3,8', [0, 1, 2, 3, 8]],
    ['2-3,10-11', [2, 3, 10, 11]],
  ] as const) {
    assert.deepEqual([...parseCpus(text)], cpus);
    assert.equal(formatCpus(new Set(cpus.toReversed())), text);
  }
  assert.equal(formatCpus(parseCpus('3,1-2,2\n')), '1-3');
  for (const text of ['a', '3-1', '1,,2', '-1', '1-'])
    assert.throws(() => parseCpus(text), /unable to parse ".*" as a list of CPUs/);
});
