import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, systemClock } from '../../base/clock.ts';
import { memoryStore } from '../../store/memory-store.ts';
import type { Store } from '../../store/store.ts';
import { ask } from '../test-request.ts';
import { startTestServer } from '../test-server.ts';

/** The turns of the event loop in which something asked for the time or wrote, since `forget`. */
function countedTurns() {
  let turn = 0;
  let ended = false;
  const seen = new Set<number>();
  const next = () => {
    turn++;
    if (!ended) setImmediate(next);
  };
  next();
  const clock: Clock = {
    now() {
      seen.add(turn);
      return systemClock.now();
    },
    monotonic: () => systemClock.monotonic(),
    after: (ms, fn) => systemClock.after(ms, fn),
    sleep: (ms, signal) => systemClock.sleep(ms, signal),
  };
  return {
    clock,
    forget: () => seen.clear(),
    count: () => seen.add(turn).size,
    end() {
      ended = true;
    },
  };
}

test('others have their turn between the steps of writing a large object, and not of a small one', async () => {
  const turns = countedTurns();
  const inner = memoryStore({ clock: systemClock });
  let written = 0;
  const counting = <F extends (key: string, ...rest: never[]) => unknown>(write: F) =>
    ((key, ...rest) => {
      if (key.startsWith('/registry/configmaps/')) written = turns.count();
      return write.call(inner, key, ...rest);
    }) as F;
  const create = counting(inner.create);
  const update = counting(inner.update);
  const store = new Proxy(inner, {
    get(target, name) {
      if (name === 'create') return create;
      if (name === 'update') return update;
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  }) as Store;
  const server = await startTestServer({ clock: turns.clock, store });
  const turnsOf = async (method: string, path: string, body: unknown, type = 'application/json') => {
    turns.forget();
    const request = { method, headers: { 'content-type': type }, body };
    const { code } = await ask(server, `/api/v1/namespaces/default/configmaps${path}`, request);
    assert.ok(code < 300, `${method} ${path}: ${code}`);
    return written;
  };
  const mapOf = (name: string, fields: number) => ({
    metadata: { name },
    data: Object.fromEntries(Array.from({ length: fields }, (_, i) => [`key-${i}`, 'value'])),
  });
  try {
    const small = await turnsOf('POST', '', mapOf('small', 10));
    const large = await turnsOf('POST', '', mapOf('large', 20_000));
    assert.ok(large >= small + 2, `${large} turns to write a large one, ${small} a small one`);
    const patch = [{ data: { more: 'x' } }, 'application/merge-patch+json'] as const;
    const smallPatch = await turnsOf('PATCH', '/small', ...patch);
    const largePatch = await turnsOf('PATCH', '/large', ...patch);
    assert.ok(largePatch >= smallPatch + 2, `${largePatch} turns to patch a large one, ${smallPatch} a small one`);
  } finally {
    turns.end();
    await server.stop();
  }
});
