import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from './clock.ts';

test('of many who sleep on one signal each wakes by itself, and all when it aborts', async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  let listeners = 0;
  const { signal } = stop;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  const woken: string[] = [];
  const sleep = (name: string, ms: number) =>
    void clock.sleep(ms, signal).then(
      () => woken.push(name),
      reason => woken.push(`${name}: ${reason}`),
    );
  for (const ms of [10, 20, 30]) sleep(`${ms}`, ms);
  assert.equal(listeners, 1, 'one listener for all');
  await clock.advance(30);
  assert.deepEqual(woken.splice(0), ['10', '20', '30']);
  assert.equal(listeners, 0, 'none where nobody sleeps');
  sleep('a', 10);
  sleep('b', 100);
  await clock.advance(50);
  stop.abort('enough');
  sleep('c', 1);
  await clock.advance(1000);
  assert.deepEqual(woken, ['a', 'b: enough', 'c: enough']);
});
