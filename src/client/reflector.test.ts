// What servers do that no fake of ours does: a reflector neither spins nor loses anything.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ResourceRef } from '../api/ref.ts';
import { coreV1, resourceV1 } from '../api/refs.ts';
import { StatusError } from '../api/status.ts';
import type { ConfigMap } from '../api/type/core-v1.ts';
import { settle, VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import type { Client, ListOptions, WatchHandler, WatchOptions } from './client.ts';
import { Reflector } from './reflector.ts';

const expired = () => new StatusError(410, 'Expired', 'too old');
const map = (name: string, resourceVersion: string): ConfigMap =>
  ({ metadata: { namespace: 'a', name, uid: name, resourceVersion } }) as ConfigMap;

interface Script {
  resource?: ResourceRef<any>;
  raw?(path: string): unknown;
  list?(options: ListOptions): object;
  watch?(handler: WatchHandler<ConfigMap>, options: WatchOptions): void;
}

/** A reflector of a server that does as the script says. */
function follow(script: Script, streamInitialList = false) {
  const { list = () => ({}), watch = () => {}, raw, resource = coreV1.configmaps } = script;
  const clock = new VirtualClock();
  const asked = { lists: [] as ListOptions[], watches: [] as WatchOptions[] };
  const held = new Set<string>();
  let replaced = 0;
  const client = {
    async list(_: unknown, options: ListOptions) {
      asked.lists.push(options);
      return { items: [], metadata: { resourceVersion: '5' }, ...list(options) };
    },
    raw: async (path: string) => raw?.(path),
    watch(_: unknown, options: WatchOptions, handler: WatchHandler<ConfigMap>) {
      asked.watches.push(options);
      setImmediate(() => watch(handler, options));
      return { stop() {} };
    },
  } as unknown as Client;
  const sink = {
    replace(items: readonly ConfigMap[]) {
      replaced++;
      held.clear();
      for (const item of items) held.add(item.metadata.name);
    },
    put: (object: ConfigMap) => void held.add(object.metadata.name),
    delete: (object: ConfigMap) => void held.delete(object.metadata.name),
    passed() {},
  };
  const warned: string[] = [];
  const log = {
    ...silentLog,
    warn: (text: string, fields?: Record<string, unknown>) => void warned.push(`${text}: ${fields?.error}`),
  };
  const common = { client, options: {}, sink, clock, random: seededRandom(1), log, streamInitialList };
  const stop = new AbortController();
  const reflector = new Reflector<ConfigMap>({ resource, ...common });
  reflector.run(stop.signal);
  return { clock, asked, held, warned, replaced: () => replaced, stop: () => stop.abort() };
}

describe('a reflector', () => {
  it('does not spin before a server that ends every watch after an event', async () => {
    let version = 5;
    const f = follow({
      watch(handler) {
        handler.onEvent('BOOKMARK', map('', String(++version)));
        handler.onClose(undefined);
      },
    });
    for (let i = 0; i < 50; i++) await settle();
    assert.equal(f.asked.watches.length, 2, 'the second at once, the third later');
    await f.clock.advance(60_000);
    assert.ok(f.asked.watches.length < 12, String(f.asked.watches.length));
    f.stop();
  });

  it('lists when every watch ends before it brings anything', async () => {
    let version = 5;
    const f = follow({
      list: () => ({ items: [map(`at-${++version}`, '4')], metadata: { resourceVersion: String(version) } }),
      watch: handler => handler.onClose(undefined),
    });
    await f.clock.advance(300_000);
    const { lists, watches } = f.asked;
    assert.ok(lists.length >= 6 && lists.length < 20 && watches.length < 25, `${lists.length}, ${watches.length}`);
    assert.deepEqual([...f.held], [`at-${version}`]);
    assert.deepEqual(f.warned, ['very short watch: undefined']);
    f.stop();
  });

  it('does not spin before a server that forgets every version after an event', async () => {
    const f = follow({
      watch(handler) {
        handler.onEvent('BOOKMARK', map('', '6'));
        handler.onClose(expired());
      },
    });
    for (let i = 0; i < 50; i++) await settle();
    assert.equal(f.asked.watches.length, 2);
    f.stop();
  });

  it('goes on at once when a connection breaks that held, and waits when the next does not', async () => {
    let watches = 0;
    const f = follow({
      watch(handler) {
        const lost = () => handler.onClose(new Error('read ECONNRESET'));
        if (++watches <= 8) f.clock.after(10_000, lost);
        else lost();
      },
    });
    await f.clock.advance(79_000);
    assert.equal(f.asked.watches.length, 8);
    await f.clock.advance(1_500);
    assert.equal(f.asked.watches.length, 9);
    await f.clock.advance(1_500);
    assert.equal(f.asked.watches.length, 10);
    f.stop();
  });

  it('tells why it cannot watch when it goes on', async () => {
    const f = follow({ watch: handler => handler.onClose(new Error('not an event: <html>')) });
    await f.clock.advance(10_000);
    assert.deepEqual(f.warned, []);
    await f.clock.advance(60_000);
    assert.equal(f.warned[0], 'watch configmaps ended: not an event: <html>');
    f.stop();
  });

  for (const [what, resource, held] of [
    ['once', coreV1.configmaps, ['one', 'new']],
    [
      'as it comes of a kind whose versions may be anything',
      { ...coreV1.configmaps, group: 'example.com' },
      ['one', 'old', 'new'],
    ],
  ] as const)
    it(`takes what was before a watch began ${what}`, async () => {
      const f = follow({
        resource,
        list: () => ({ items: [map('one', '4')], metadata: { resourceVersion: '100' } }),
        watch(handler) {
          handler.onEvent('ADDED', map('old', '99'));
          if (resource.group === '') handler.onEvent('DELETED', map('one', '98'));
          handler.onEvent('ADDED', map('new', '101'));
        },
      });
      await f.clock.advance(1_000);
      assert.deepEqual([...f.held], held);
      f.stop();
    });

  const notFound = () => new StatusError(404, 'NotFound', 'the server could not find the requested resource');
  const groups = (...names: string[]) => ({ groups: names.map(name => ({ name, versions: [{ version: 'v1' }] })) });
  for (const [server, raw, goesOn] of [
    ['has not the group', () => groups('apps'), true],
    ['has not the version', () => groups('apps', 'resource.k8s.io'), true],
    [
      'has not the resource',
      (path: string) => (path === '/apis' ? groups('apps', 'resource.k8s.io') : { resources: [] }),
      true,
    ],
    ['is none', () => groups(), false],
    [
      'does not say',
      () => {
        throw notFound();
      },
      false,
    ],
  ] as const)
    it(`${goesOn ? 'goes on without' : 'waits for'} what a server that ${server} does not serve`, async () => {
      const resource =
        server === 'has not the version' ? { ...resourceV1.resourceclaims, version: 'v2' } : resourceV1.resourceclaims;
      let served = false;
      const list = () => {
        if (!served) throw notFound();
        return { items: [map('one', '4')] };
      };
      const f = follow({ resource, raw, list });
      await f.clock.advance(5_000);
      assert.equal(f.replaced(), goesOn ? 1 : 0);
      assert.deepEqual([...f.held], []);
      const told = 'the server does not have this kind, going on without: undefined';
      assert.equal(f.warned.includes(told), goesOn);
      if (goesOn) assert.equal(f.warned.length, 2);
      served = true;
      await f.clock.advance(60_000);
      assert.deepEqual([...f.held], ['one']);
      f.stop();
    });

  it('comes back to watch when it was told to', async () => {
    const f = follow({
      watch: handler =>
        handler.onClose(new StatusError(429, 'TooManyRequests', 'slow down', { retryAfterSeconds: 40 })),
    });
    await f.clock.advance(39_000);
    assert.equal(f.asked.watches.length, 1);
    await f.clock.advance(2_000);
    assert.equal(f.asked.watches.length, 2);
    f.stop();
  });

  it('is not sent away for ever', async () => {
    const f = follow({
      watch: handler => handler.onClose(new StatusError(429, 'TooManyRequests', 'no', { retryAfterSeconds: 1e9 })),
    });
    await f.clock.advance(301_000);
    assert.equal(f.asked.watches.length, 2);
    f.stop();
  });

  it('lists in one when the server forgets where pages stopped', async () => {
    let watches = 0;
    const f = follow({
      list({ limit, continue: token }) {
        if (token) throw expired();
        const items = [map('one', '4')];
        return limit
          ? { items, metadata: { resourceVersion: '5', continue: 'more' } }
          : { items: [...items, map('two', '5')] };
      },
      watch(handler) {
        if (watches++ === 0) handler.onClose(expired());
      },
    });
    await f.clock.advance(20_000);
    assert.deepEqual([...f.held], ['one', 'two']);
    const shown = f.asked.lists.map(o => [o.resourceVersion ?? '', o.limit ?? 0, o.continue ?? '']);
    assert.deepEqual(shown, [
      ['', 0, ''],
      ['', 500, ''],
      ['', 500, 'more'],
      ['', 0, ''],
    ]);
    assert.equal(f.asked.watches.length, 2);
    f.stop();
  });

  it('begins with the newest there is, whatever the server has at hand', async () => {
    const f = follow({
      list: ({ resourceVersion }) => ({ items: [map(resourceVersion === '0' ? 'gone' : 'here', '4')] }),
    });
    await f.clock.advance(1_000);
    assert.deepEqual([...f.held], ['here']);
    f.stop();
  });

  it('lists when the server cannot stream the first state, and tries again when it lists anew', async () => {
    const f = follow(
      {
        list: () => ({ items: [map('one', '4')] }),
        watch(handler, { sendInitialEvents }) {
          if (sendInitialEvents)
            handler.onClose(new StatusError(500, 'InternalError', 'RequestWatchProgress is disabled'));
          else handler.onClose(expired());
        },
      },
      true,
    );
    await f.clock.advance(3_000);
    assert.deepEqual([...f.held], ['one']);
    assert.deepEqual(
      f.asked.watches.slice(0, 3).map(o => o.sendInitialEvents ?? false),
      [true, false, true],
    );
    f.stop();
  });

  it('begins anew when initial events break off, and keeps nothing of them', async () => {
    let watches = 0;
    const f = follow(
      {
        watch(handler) {
          handler.onEvent('ADDED', map(watches++ ? 'new' : 'old', '4'));
          if (watches === 1) return handler.onClose(new Error('reset'));
          const end = { ...map('', '5').metadata, annotations: { 'k8s.io/initial-events-end': 'true' } };
          handler.onEvent('BOOKMARK', { metadata: end } as ConfigMap);
        },
      },
      true,
    );
    await f.clock.advance(5_000);
    assert.deepEqual([...f.held], ['new']);
    assert.ok(f.asked.watches.every(o => o.sendInitialEvents && o.resourceVersion === undefined));
    f.stop();
  });
});
