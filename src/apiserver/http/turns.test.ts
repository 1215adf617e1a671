import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from './turns.ts';

const loopTurn = () => new Promise<void>(resolve => setImmediate(resolve));

test('a crowd is let in a few at a time, in order, and others get their turn in between', async () => {
  const turns = new Turns();
  const order: (number | string)[] = [];
  const enter = async (n: number) => {
    await turns.next();
    order.push(n);
  };
  const crowd = Array.from({ length: 20 }, (_, n) => enter(n));
  void loopTurn().then(() => order.push('other'));
  await Promise.all(crowd);
  assert.deepEqual(
    order.filter(entry => typeof entry === 'number'),
    Array.from({ length: 20 }, (_, n) => n),
  );
  assert.ok(order.indexOf('other') <= 16, order.join());
});

test('who comes alone does not wait', async () => {
  const turns = new Turns();
  for (let i = 0; i < 3; i++) {
    assert.equal(turns.next(), undefined);
    await loopTurn();
    await loopTurn();
  }
});

test('who comes later does not overtake', async () => {
  const turns = new Turns();
  const order: string[] = [];
  for (let i = 0; i < 9; i++) void turns.next()?.then(() => order.push('first'));
  await loopTurn();
  await (turns.next() ?? Promise.resolve()).then(() => order.push('late'));
  assert.deepEqual(order, ['first', 'late']);
});
