import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import { StatusError } from '../../api/status.ts';
import type { ConfigMap } from '../../api/type/core-v1.ts';
import { VirtualClock } from '../../base/clock.ts';
import type { Client, WatchHandler } from '../../client/client.ts';
import { WatchedList } from './watched-list.ts';

function bench() {
  const clock = new VirtualClock();
  const server = { lists: 0, failure: undefined as Error | undefined };
  const handlers: WatchHandler<ConfigMap>[] = [];
  const client = {
    async list() {
      server.lists++;
      if (server.failure) throw server.failure;
      const items = [{ metadata: { name: 'a', resourceVersion: '5' } }];
      return { items, metadata: { resourceVersion: '5' } };
    },
    watch(_resource: unknown, _options: unknown, handler: WatchHandler<ConfigMap>) {
      handlers.push(handler);
      return { stop() {} };
    },
  } as unknown as Client;
  const list = new WatchedList<ConfigMap>({ client, clock, resources: [coreV1.configmaps], onChange() {} });
  return { clock, server, list, handlers, names: async () => (await list.list()).map(o => o.metadata.name) };
}

test('what was read is given on while nobody answers, not when it is refused', async () => {
  const { clock, server, list, handlers, names } = bench();
  server.failure = new Error('unreachable');
  await assert.rejects(names(), /unreachable/);
  server.failure = undefined;
  await clock.advance(1_000);
  assert.deepEqual(await names(), ['a']);
  server.failure = new Error('unreachable');
  handlers[0]!.onClose(new Error('cut'));
  await clock.advance(300_000);
  assert.deepEqual(await names(), ['a']);
  server.failure = new StatusError(403, 'Forbidden', 'no more');
  await clock.advance(60_000);
  await assert.rejects(names(), /no more/);
  server.failure = undefined;
  await clock.advance(60_000);
  assert.deepEqual(await names(), ['a']);
  list.stop();
});

test('watches that end at once are looked for less and less often', async () => {
  const { clock, server, list, handlers, names } = bench();
  await names();
  for (let i = 0, ended = 0; i < 600; i++) {
    while (ended < handlers.length) handlers[ended++]!.onClose(undefined);
    await clock.advance(500);
  }
  // In five minutes.
  assert.ok(server.lists < 20, `${server.lists} lists`);
  list.stop();
});
