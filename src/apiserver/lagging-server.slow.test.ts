// Two API servers on one etcd, of which one has not heard of any change for a while: whoever comes to it, or starts beside
// it, never acts on the past.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import type { KubeObject } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import { isConflict } from '../api/status.ts';
import type { ConfigMap } from '../api/type/core-v1.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import type { Client } from '../client/client.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { openEtcdStore } from '../store/etcd-store.ts';
import type { Store, StoreEvent } from '../store/store.ts';
import { type EtcdProcess, missingEtcd, startEtcd } from '../store/test-etcd.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const missing = await missingEtcd();
const common = { clock: systemClock, random: systemRandom, log: silentLog };
const namespace = 'default';

/** A store whose watches can be made to stand still, with nothing else wrong. */
function lagging(store: Store) {
  let held: (() => void)[] | undefined;
  const wrapped = new Proxy(store, {
    get(target, name) {
      if (name === 'watch')
        return (prefix: string, from: number, handler: Parameters<Store['watch']>[2]) =>
          target.watch(prefix, from, {
            ...handler,
            onError: handler.onError.bind(handler),
            onEvents: (events: readonly StoreEvent[]) => {
              if (held) held.push(() => handler.onEvents(events));
              else handler.onEvents(events);
            },
            onProgress: (revision: number) => {
              if (held) held.push(() => handler.onProgress?.(revision));
              else handler.onProgress?.(revision);
            },
          });
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return {
    store: wrapped,
    stand() {
      held ??= [];
    },
    goOn() {
      const all = held ?? [];
      held = undefined;
      for (const tell of all) tell();
    },
  };
}

/** Asks the first server until it is told to move: then its watches break off. */
function moving(first: Client) {
  let to = first;
  const breaking = new Set<() => void>();
  const client = new Proxy(first, {
    get(_, name) {
      if (name !== 'watch') {
        const value = Reflect.get(to, name, to);
        return typeof value === 'function' ? value.bind(to) : value;
      }
      return (...[resource, options, handler]: Parameters<Client['watch']>) => {
        const watch = to.watch(resource, options, handler);
        breaking.add(() => {
          watch.stop();
          handler.onClose(new Error('the connection broke'));
        });
        return watch;
      };
    },
  });
  const move = (next: Client) => {
    to = next;
    for (const breakOff of breaking) breakOff();
    breaking.clear();
  };
  return { client, move };
}

async function eventually(holds: () => unknown): Promise<void> {
  while (!(await holds())) await systemClock.sleep(20);
}

if (missing !== undefined) test('etcd', { skip: missing }, () => {});
else suite();

function suite(): void {
  let etcd: EtcdProcess;
  let servers: TestServer[] = [];
  let lag: ReturnType<typeof lagging>;
  let current: Client;
  let behind: Client;

  before(async () => {
    etcd = await startEtcd();
    const open = () => openEtcdStore({ servers: [etcd.url], ...common });
    lag = lagging(await open());
    servers = [await startTestServer({ store: await open() }), await startTestServer({ store: lag.store })];
    current = await servers[0]!.http();
    behind = await servers[1]!.http();
  });
  afterEach(() => lag.goOn());
  after(async () => {
    lag?.goOn();
    for (const server of servers) await server.stop();
    await etcd?.remove();
  });

  const make = (name: string) => current.create(coreV1.configmaps, { metadata: { namespace, name }, data: { v: '0' } });
  const seen = async (client: Client, name: string) =>
    (await client.list(coreV1.configmaps, { namespace, resourceVersion: '0' })).items.some(
      o => o.metadata.name === name,
    );

  test('who starts beside a server that lags behind waits for it, and never sees what is gone', async () => {
    await make('gone');
    await eventually(() => seen(behind, 'gone'));
    lag.stand();
    await current.delete(coreV1.configmaps, { namespace, name: 'gone' });
    await make('here');
    // Any version will do: this is what there is to be afraid of.
    assert.ok(await seen(behind, 'gone'));
    const stop = new AbortController();
    const informers = createInformerFactory(behind, common);
    const names = new Set<string>();
    const informer = informers.informer<ConfigMap>(coreV1.configmaps, { namespace });
    informer.addHandler({ onAdd: o => void names.add(o.metadata.name) });
    const running = informers.run(stop.signal);
    await systemClock.sleep(1_500);
    lag.goOn();
    await informer.whenSynced();
    assert.ok(names.has('here') && !names.has('gone'), [...names].join());
    stop.abort();
    await running;
  });

  test('who comes to it from another sees nothing twice and nothing old, and misses nothing', async () => {
    await make('moved');
    await eventually(() => seen(behind, 'moved'));
    const { client, move } = moving(current);
    const informers = createInformerFactory(client, common);
    const told: string[] = [];
    const informer = informers.informer<ConfigMap>(coreV1.configmaps, { namespace });
    const tell = (what: string) => (o: KubeObject) => {
      const { v } = (o as ConfigMap).data ?? {};
      if (o.metadata.name === 'moved') told.push(`${what} ${v}`);
    };
    informer.addHandler({ onAdd: tell('add'), onUpdate: tell('update'), onDelete: tell('delete') });
    const stop = new AbortController();
    const running = informers.run(stop.signal);
    await informer.whenSynced();
    lag.stand();
    const put = async (v: string) => {
      const object = await current.get(coreV1.configmaps, { namespace, name: 'moved' });
      await current.update(coreV1.configmaps, { ...object, data: { v } } as never);
    };
    for (const v of ['1', '2']) await put(v);
    await eventually(() => told.includes('update 2'));
    move(behind);
    await put('3');
    await systemClock.sleep(1_500);
    assert.deepEqual(told, ['add 0', 'update 1', 'update 2']);
    lag.goOn();
    await eventually(() => told.includes('update 3'));
    assert.deepEqual(told, ['add 0', 'update 1', 'update 2', 'update 3']);
    stop.abort();
    await running;
  });

  test('what is asked of it without a version is the newest, what is written rests on the newest', async () => {
    const old = await make('fresh');
    await eventually(() => seen(behind, 'fresh'));
    lag.stand();
    await current.update(coreV1.configmaps, { ...old, data: { v: '1' } } as never);
    const written = behind.update(coreV1.configmaps, { ...old, data: { v: '2' } } as never).catch(error => error);
    const read = behind.get(coreV1.configmaps, { namespace, name: 'fresh' });
    // While it lags it does not know, and says neither the one nor the other.
    assert.equal(await Promise.race([written, read, systemClock.sleep(1_000)]), undefined);
    lag.goOn();
    assert.ok(isConflict(await written), String(await written));
    assert.equal((await read).data?.v, '1');
  });
}
