import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aborted } from '../base/lifecycle.ts';
import type { ControlPlaneContext } from './component-context.ts';
import { runControlPlane } from './control-plane.ts';

test('parts begin when the API server is ready, in order, each in a turn of the loop of its own', async () => {
  const stop = new AbortController();
  const ready = Promise.withResolvers<void>();
  const components = ['controllers', 'cluster DNS', 'scheduler'];
  const context = { config: { components, leaderElect: false } } as unknown as ControlPlaneContext;
  let turn = 0;
  const count = () => {
    turn++;
    if (!stop.signal.aborted) setImmediate(count);
  };
  setImmediate(count);
  const begun: { name: string; turn: number }[] = [];
  const api = { ready: ready.promise, run: aborted };
  const running = runControlPlane(api, context, stop.signal, async ({ name }) => {
    begun.push({ name, turn });
    return { name, run: aborted };
  });
  await new Promise(resolve => setImmediate(() => setImmediate(resolve)));
  assert.equal(begun.length, 0);
  ready.resolve();
  while (begun.length < components.length && turn < 100) await new Promise(resolve => setImmediate(resolve));
  stop.abort();
  await running;
  assert.deepEqual(
    begun.map(({ name }) => name),
    components,
  );
  assert.equal(new Set(begun.map(b => b.turn)).size, components.length);
});
