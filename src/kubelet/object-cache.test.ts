// What pods are given of ConfigMaps and Secrets while their watches break, and the server cannot be reached.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigMap, Pod } from '../api/type/core-v1.ts';
import { VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import type { Client, WatchHandler } from '../client/client.ts';
import { ObjectCache } from './object-cache.ts';

const pod = { metadata: { name: 'p', namespace: 'n', uid: 'u' } } as Pod;
const map = (resourceVersion: string, value: string) =>
  ({ metadata: { name: 'c', namespace: 'n', uid: 'm', resourceVersion }, data: { value } }) as unknown as ConfigMap;

function bench() {
  const clock = new VirtualClock();
  const server = { reachable: true, object: map('5', 'new'), lists: 0, changes: 0 };
  const handlers: WatchHandler<ConfigMap>[] = [];
  const client = {
    async list() {
      server.lists++;
      if (!server.reachable) throw new Error('unreachable');
      const { resourceVersion } = server.object.metadata;
      return { items: [server.object], metadata: { resourceVersion } };
    },
    watch(_resource: unknown, _options: unknown, handler: WatchHandler<ConfigMap>) {
      handlers.push(handler);
      return { stop() {} };
    },
  } as unknown as Client;
  const onChange = () => {
    server.changes++;
  };
  const objects = new ObjectCache({ client, clock, log: silentLog, onChange });
  return { clock, server, objects, watch: () => handlers.at(-1)!, value: () => valueIn(objects.configMap(pod, 'c')) };
}

const valueIn = async (object: Promise<ConfigMap | undefined>) => (await object)?.data?.value;

test('what was known is given on while the server cannot be reached', async () => {
  const { clock, server, watch, value, objects } = bench();
  assert.equal(await value(), 'new');
  server.reachable = false;
  watch().onClose(new Error('cut'));
  for (let i = 0; i < 10; i++) {
    await clock.advance(30_000);
    assert.equal(await value(), 'new');
  }
  server.object = map('6', 'newer');
  server.reachable = true;
  await clock.advance(30_000);
  assert.equal(await value(), 'newer');
  objects.stop();
});

test('what was never known is an error until the server tells of it', async () => {
  const { clock, server, value, objects } = bench();
  server.reachable = false;
  await assert.rejects(value(), /unreachable/);
  server.reachable = true;
  await clock.advance(500);
  assert.equal(await value(), 'new');
  objects.stop();
});

test('events that come again, or late, change nothing back', async () => {
  const { server, watch, value, objects } = bench();
  assert.equal(await value(), 'new');
  server.changes = 0;
  watch().onEvent('MODIFIED', map('4', 'old'));
  assert.equal(await value(), 'new');
  watch().onEvent('MODIFIED', map('10', 'newest'));
  watch().onEvent('DELETED', map('9', 'old'));
  watch().onEvent('BOOKMARK', map('12', ''));
  watch().onEvent('MODIFIED', map('11', 'old'));
  assert.equal(await value(), 'newest');
  assert.equal(server.changes, 1);
  objects.stop();
});

test('watches that end at once are looked for less and less often, good ones again soon', async () => {
  const { clock, server, watch, value, objects } = bench();
  await value();
  for (let i = 0, ended: unknown; i < 600; i++) {
    if (watch() !== ended) {
      ended = watch();
      watch().onClose(undefined);
    }
    await clock.advance(500);
  }
  // In five minutes.
  assert.ok(server.lists < 20, `${server.lists} lists`);
  await clock.advance(60_000);
  watch().onClose(undefined);
  const { lists } = server;
  await clock.advance(500);
  assert.equal(server.lists, lists + 1);
  objects.stop();
});
