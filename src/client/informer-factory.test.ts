import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { keyOf } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import { StatusError, tooLargeResourceVersion, unavailable } from '../api/status.ts';
import type { ConfigMap, Pod } from '../api/type/core-v1.ts';
import { settle, VirtualClock } from '../base/clock.ts';
import { createLog, silentLog } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import { type FakeClient, fakeClient } from './fake-client.ts';
import { IndexedStore } from './indexed-store.ts';
import type { InformerHandler } from './informer.ts';
import { createInformerFactory } from './informer-factory.ts';

const { configmaps, pods } = coreV1;

function setUp(streamInitialList = false, log = silentLog) {
  const clock = new VirtualClock();
  const client = fakeClient([], { clock });
  const factory = createInformerFactory(client, { clock, random: seededRandom(1), log, streamInitialList });
  const stop = new AbortController();
  const put = (name: string, i = '0') =>
    client.set<ConfigMap>(configmaps, { metadata: { namespace: 'a', name }, data: { i } });
  return { clock, client, factory, stop, put };
}

function recorder() {
  const log: string[] = [];
  const handler: InformerHandler<ConfigMap> = {
    onAdd: o => log.push(`+${o.metadata.name}`),
    onUpdate: (o, old) => log.push(`~${o.metadata.name} ${old.data?.i}>${o.data?.i}`),
    onDelete: o => log.push(`-${o.metadata.name}`),
  };
  return { log, handler, take: () => log.splice(0) };
}

const calls = (client: FakeClient, verb: string) => client.actions.filter(a => a.verb === verb).length;

describe('informer', () => {
  for (const streamed of [false, true]) {
    it(`lists, then follows${streamed ? ' (initial events streamed)' : ''}`, async () => {
      const { client, factory, stop, put } = setUp(streamed);
      put('a');
      put('b');
      const informer = factory.informer(configmaps);
      const r = recorder();
      informer.addHandler(r.handler);
      assert.equal(informer.synced, false);
      const running = factory.run(stop.signal);
      await factory.whenSynced();
      assert.deepEqual(r.take(), ['+a', '+b']);
      const c = put('c');
      put('a', '1');
      client.remove(configmaps, 'a/b');
      await settle();
      assert.deepEqual(r.take(), ['+c', '~a 0>1', '-b']);
      assert.equal(informer.lister.get('a/c'), c, 'shared by reference');
      assert.equal(calls(client, 'list'), streamed ? 0 : 1);
      const late = recorder();
      const remove = informer.addHandler(late.handler);
      assert.deepEqual(late.take().sort(), ['+a', '+c']);
      remove();
      put('d');
      await settle();
      assert.deepEqual(late.take(), []);
      stop.abort();
      await running;
      assert.equal(client.watchCount, 0);
    });
  }

  it('ends when what its list brings stops it', async () => {
    const { client, factory, stop, put } = setUp();
    put('a');
    factory.informer(configmaps).addHandler({ onAdd: () => stop.abort() });
    let ended = false;
    factory.run(stop.signal).then(() => {
      ended = true;
    });
    await settle();
    assert.deepEqual([ended, calls(client, 'list'), calls(client, 'watch')], [true, 1, 0]);
  });

  it('falls back to a list when initial events are refused', async () => {
    const { client, factory, stop, put } = setUp(true);
    put('a');
    client.failNext('watch', configmaps, new StatusError(422, 'Invalid', 'sendInitialEvents is forbidden'));
    const informer = factory.informer(configmaps);
    factory.run(stop.signal);
    await informer.whenSynced();
    assert.equal(informer.lister.size, 1);
    assert.equal(calls(client, 'list'), 1);
    stop.abort();
  });

  it('shares one watch, and starts what is asked for later', async () => {
    const { client, factory, stop } = setUp();
    assert.equal(factory.informer(configmaps), factory.informer(configmaps, {}));
    assert.notEqual(factory.informer(configmaps), factory.informer(configmaps, { namespace: 'x' }));
    factory.run(stop.signal);
    await factory.whenSynced();
    await settle();
    assert.equal(client.watchCount, 2);
    await factory.informer(pods).whenSynced();
    await settle();
    assert.equal(client.watchCount, 3);
    stop.abort();
    await settle();
    assert.equal(client.watchCount, 0);
  });

  it('resumes a dropped watch without listing', async () => {
    const { clock, client, factory, stop, put } = setUp();
    put('a');
    const informer = factory.informer(configmaps);
    const r = recorder();
    informer.addHandler(r.handler);
    factory.run(stop.signal);
    await factory.whenSynced();
    await settle();
    put('b');
    await settle();
    client.dropWatches(new Error('connection reset'));
    await settle();
    put('c');
    client.remove(configmaps, 'a/a');
    await clock.advance(2000);
    assert.deepEqual(r.take(), ['+a', '+b', '+c', '-a']);
    assert.equal(calls(client, 'list'), 1);
    stop.abort();
  });

  it('lists again on 410 and tells what vanished', async () => {
    const { clock, client, factory, stop, put } = setUp();
    put('a');
    put('b');
    put('same');
    const informer = factory.informer(configmaps);
    const r = recorder();
    informer.addHandler(r.handler);
    factory.run(stop.signal);
    await factory.whenSynced();
    await settle();
    r.take();
    const before = informer.lister.get('a/same');
    client.dropWatches(unavailable('shutting down'));
    await settle();
    put('a', '1');
    client.remove(configmaps, 'a/b');
    put('d');
    client.compact();
    await clock.advance(5000);
    assert.deepEqual(r.take(), ['-b', '~a 0>1', '+d']);
    assert.equal(calls(client, 'list'), 2);
    assert.equal(informer.lister.get('a/same'), before);
    put('e');
    await settle();
    assert.deepEqual(r.take(), ['+e']);
    stop.abort();
  });

  it('tells of a new object under an old name as gone and come', async () => {
    const { clock, client, factory, stop, put } = setUp();
    put('a');
    const informer = factory.informer(configmaps);
    const r = recorder();
    informer.addHandler(r.handler);
    factory.run(stop.signal);
    await factory.whenSynced();
    await settle();
    client.dropWatches(new Error('lost'));
    await settle();
    client.remove(configmaps, 'a/a');
    put('a', '9');
    client.compact();
    await clock.advance(5000);
    assert.deepEqual(r.take(), ['+a', '-a', '+a']);
    stop.abort();
  });

  it('moves on by bookmarks', async () => {
    const { clock, client, factory, stop, put } = setUp();
    put('a');
    factory.informer(configmaps);
    factory.run(stop.signal);
    await factory.whenSynced();
    await settle();
    client.compact();
    client.bookmark();
    await settle();
    client.dropWatches();
    await clock.advance(5000);
    assert.equal(calls(client, 'list'), 1);
    assert.equal(calls(client, 'watch'), 2);
    stop.abort();
  });

  it('backs off with jitter while the server is away', async () => {
    const { clock, client, factory, stop, put } = setUp();
    put('a');
    client.failNext('list', configmaps, unavailable('starting'), { times: 6 });
    const times: number[] = [];
    client.react(a => {
      if (a.verb === 'list') times.push(clock.monotonic());
    });
    const informer = factory.informer(configmaps);
    factory.run(stop.signal);
    await clock.advance(120_000);
    assert.equal(informer.synced, true);
    const gaps = times.slice(1).map((t, i) => t - times[i]!);
    const bases = [800, 1600, 3200, 6400, 12_800, 25_600];
    for (const [i, gap] of gaps.entries()) assert.ok(gap >= bases[i]! && gap <= 2 * bases[i]!, `${i}: ${gap}`);
    stop.abort();
  });

  it('lists anew when the server is behind what it saw', async () => {
    const { clock, client, factory, stop, put } = setUp();
    put('a');
    factory.informer(configmaps);
    factory.run(stop.signal);
    await factory.whenSynced();
    await settle();
    client.failNext('watch', configmaps, tooLargeResourceVersion(99, 5));
    client.dropWatches(new Error('restarted'));
    await clock.advance(10_000);
    assert.equal(calls(client, 'list'), 2);
    stop.abort();
  });

  it('isolates a handler that throws', async () => {
    const lines: string[] = [];
    const log = createLog('test', { write: l => lines.push(l), clock: new VirtualClock() });
    const { factory, stop, put } = setUp(false, log);
    put('a');
    const informer = factory.informer(configmaps);
    informer.addHandler({
      onAdd() {
        assert.equal(informer.lister.size, 1, 'the store comes first');
        throw new Error('handler broke');
      },
    });
    const r = recorder();
    informer.addHandler(r.handler);
    factory.run(stop.signal);
    await factory.whenSynced();
    assert.deepEqual(r.take(), ['+a']);
    assert.equal(lines.filter(l => l.includes('handler broke')).length, 1);
    stop.abort();
  });
});

describe('informer under faults', () => {
  it('ends with what the server has, and handlers agree', async () => {
    const op = fc.oneof(
      fc.record({ do: fc.constant('put' as const), name: fc.constantFrom('a', 'b', 'c', 'd'), i: fc.nat(3) }),
      fc.record({ do: fc.constant('remove' as const), name: fc.constantFrom('a', 'b', 'c', 'd') }),
      fc.record({ do: fc.constantFrom('drop', 'end', 'compact', 'bookmark', 'failList', 'failWatch') }),
      fc.record({ do: fc.constant('advance' as const), ms: fc.nat(3000) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(op, { maxLength: 40 }), async (streamed, ops) => {
        const { clock, client, factory, stop, put } = setUp(streamed);
        const informer = factory.informer(configmaps);
        const told = new Map<string, ConfigMap>();
        informer.addHandler({
          onAdd(o) {
            assert.ok(!told.has(keyOf(o)));
            told.set(keyOf(o), o);
          },
          onUpdate(o, old) {
            assert.equal(told.get(keyOf(o)), old);
            told.set(keyOf(o), o);
          },
          onDelete(o) {
            assert.ok(told.delete(keyOf(o)));
          },
        });
        const running = factory.run(stop.signal);
        for (const o of ops) {
          if (o.do === 'put') put(o.name, String(o.i));
          else if (o.do === 'remove') client.remove(configmaps, `a/${o.name}`);
          else if (o.do === 'drop') client.dropWatches(unavailable('away'));
          else if (o.do === 'end') client.dropWatches();
          else if (o.do === 'compact') client.compact();
          else if (o.do === 'bookmark') client.bookmark();
          else if (o.do === 'failList') client.failNext('list', configmaps, unavailable('away'));
          else if (o.do === 'failWatch') client.failNext('watch', configmaps, unavailable('away'));
          else if ('ms' in o) await clock.advance(o.ms);
        }
        await clock.advance(3_600_000);
        const want = client.objects(configmaps);
        assert.deepEqual(
          [...informer.lister.list()].sort((x, y) => (keyOf(x) < keyOf(y) ? -1 : 1)),
          want,
        );
        assert.deepEqual(
          [...told.values()].sort((x, y) => (keyOf(x) < keyOf(y) ? -1 : 1)),
          want,
        );
        stop.abort();
        await running;
      }),
      { numRuns: 100 },
    );
  });
});

describe('indexed store', () => {
  it('agrees with a naive one', () => {
    const pod = (name: string, namespace: string, node: string) =>
      ({ metadata: { name, namespace }, spec: { nodeName: node } }) as unknown as Pod;
    const word = fc.constantFrom('a', 'b', 'c', 'd');
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('set', 'delete', 'read'), word, word, word)), ops => {
        const store = new IndexedStore<Pod>();
        const naive = new Map<string, Pod>();
        store.addIndex('node', p => [p.spec?.nodeName ?? '', p.metadata.name]);
        for (const [op, name, namespace, node] of ops) {
          const p = pod(name, namespace, node);
          if (op === 'set') {
            store.set(keyOf(p), p);
            naive.set(keyOf(p), p);
          } else if (op === 'delete') {
            store.delete(keyOf(p));
            naive.delete(keyOf(p));
          }
          const all = [...naive.values()];
          const sorted = (list: readonly Pod[]) => list.map(keyOf).sort();
          assert.deepEqual(sorted(store.list()), sorted(all));
          assert.deepEqual(sorted(store.list(namespace)), sorted(all.filter(o => o.metadata.namespace === namespace)));
          const wanted = all.filter(o => o.spec?.nodeName === node || o.metadata.name === node);
          assert.deepEqual(sorted(store.byIndex('node', node)), sorted(wanted));
        }
      }),
    );
  });
});
