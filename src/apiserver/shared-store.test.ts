// One of several API servers on a store: others' writes come to its cache when the store gets round to telling.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import { isNotFound } from '../api/status.ts';
import { systemClock } from '../base/clock.ts';
import type { Client } from '../client/client.ts';
import { memoryStore } from '../store/memory-store.ts';
import type { Store, StoreEvent } from '../store/store.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const delayMs = 30;
const turn = () => new Promise<void>(resolve => void setImmediate(resolve));

/** The same store as another server sees it, whose watches are late. */
function lateStore(store: Store): Store {
  const later = (act: () => void) => void systemClock.after(delayMs, act);
  const own: Partial<Store> = {
    newestRevision: async () => store.revision,
    watch: (prefix, after, handler) =>
      store.watch(prefix, after, {
        onEvents: (events: readonly StoreEvent[]) => later(() => handler.onEvents(events)),
        onError: error => handler.onError(error),
      }),
    close: async () => {},
  };
  return new Proxy(store, {
    get(target, name) {
      const mine = own[name as keyof Store];
      if (mine) return mine;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const key = { namespace: 'default', name: 'a' };

/** Clients of a server that hears of all at once, and of one that is late. */
async function twoServers(t: TestContext) {
  const store = memoryStore();
  const first = await startTestServer({ store });
  const second = await startTestServer({ store: lateStore(store) });
  t.after(async () => {
    await second.stop();
    await first.stop();
  });
  const clientOf = ({ server }: TestServer) => server.client({ userAgent: 'test' });
  return { here: clientOf(first), there: clientOf(second) };
}

test('a change of whatever there is waits for what others wrote, and is never refused for it', async t => {
  const { here, there } = await twoServers(t);
  await here.create(coreV1.configmaps, { metadata: key, data: { count: '0' } });
  const patch = (client: Client, data: object) =>
    client.patch(coreV1.configmaps, key, { type: 'merge', body: { data } });
  let counting = true;
  let count = 0;
  const others = (async () => {
    for (; counting; await turn()) await patch(here, { count: `${++count}` });
  })();
  for (let round = 1; round <= 10; round++) {
    const { data } = await patch(there, { late: `${round}` });
    assert.equal(data?.late, `${round}`);
  }
  counting = false;
  await others;
  assert.ok(count > 10, 'nobody came between');
  assert.deepEqual((await here.get(coreV1.configmaps, key)).data, { count: `${count}`, late: '10' });
});

test('what another server has deleted is not there', async t => {
  const { here, there } = await twoServers(t);
  await here.create(coreV1.configmaps, { metadata: key });
  assert.ok(await there.get(coreV1.configmaps, key));
  await here.delete(coreV1.configmaps, key);
  const body = { data: { late: '1' } };
  await assert.rejects(there.patch(coreV1.configmaps, key, { type: 'merge', body }), isNotFound);
});
