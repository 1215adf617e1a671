import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TaintQueue } from './taint-queue.ts';

it('gives one turn at once and then one in 1/qps seconds', () => {
  const queue = new TaintQueue(0.1, 0);
  for (const n of ['a', 'b', 'c']) assert.ok(queue.add(n));
  assert.equal(queue.add('a'), false);
  assert.equal(queue.take(0), 'a');
  queue.done('a');
  assert.equal(queue.add('a'), false, 'had its turn');
  assert.equal(queue.take(9_900), undefined);
  assert.equal(queue.take(10_000), 'b');
  queue.later('b');
  assert.equal(queue.take(20_000), 'c');
  queue.done('c');
  assert.equal(queue.take(30_000), 'b');
  assert.ok(queue.remove('a'));
  assert.ok(queue.add('a'), 'removed: may come again');
});

it('does not save up turns, nor win one by a change of rate', () => {
  const queue = new TaintQueue(0.1, 0);
  for (const n of ['a', 'b', 'c', 'd']) queue.add(n);
  assert.equal(queue.take(1_000_000), 'a');
  queue.done('a');
  assert.equal(queue.take(1_000_000), undefined);
  queue.setQps(0, 1_000_000);
  assert.equal(queue.take(9_000_000), undefined);
  queue.setQps(1, 9_000_000);
  assert.equal(queue.take(9_000_500), undefined);
  assert.equal(queue.take(9_001_000), 'b');
});
