import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KubeObject } from '../../api/meta.ts';
import { type CacheEvent, type CacheListener, WatchCache } from './watch-cache.ts';

const nodeOf = (o: unknown): string => (o as { spec?: { nodeName?: string } } | undefined)?.spec?.nodeName ?? '';

/** The twin: every listener is asked about every event. */
function concerns(listener: Partial<CacheListener>, { key, stored, previous }: CacheEvent): boolean {
  const [namespace, name] = key.split('/');
  if (listener.namespace && listener.namespace !== namespace) return false;
  if (listener.name !== undefined) return listener.name === name;
  if (listener.node === undefined) return true;
  return (
    nodeOf(stored.object) === listener.node || (previous !== undefined && nodeOf(previous.object) === listener.node)
  );
}

const some = (...values: string[]) => fc.option(fc.constantFrom(...values), { nil: undefined });
const listener = fc.record({ namespace: some('a', 'b'), name: some('x', 'y'), node: some('n1', 'n2', '') });
const write = fc.record({
  key: fc.constantFrom('a/x', 'a/y', 'b/x', 'b/y'),
  node: fc.constantFrom('', 'n1', 'n2'),
  remove: fc.boolean(),
});

test('listeners found by name, node and namespace hear what asking each of them would tell', () => {
  fc.assert(
    fc.property(fc.array(listener, { maxLength: 8 }), fc.array(write, { maxLength: 30 }), (listeners, writes) => {
      const cache = new WatchCache({
        prefix: '/registry/pods/',
        decode: bytes => JSON.parse(Buffer.from(bytes).toString()) as KubeObject,
      });
      const all: CacheEvent[] = [];
      cache.listen({ onEvent: e => all.push(e) });
      const heard = listeners.map(() => [] as CacheEvent[]);
      const stops = listeners.map((l, i) => cache.listen({ ...l, onEvent: e => heard[i]!.push(e) }));
      writes.forEach(({ key, node, remove }, i) => {
        const [namespace, name] = key.split('/');
        const object = { metadata: { namespace, name, resourceVersion: String(i + 1) }, spec: { nodeName: node } };
        const value = Buffer.from(JSON.stringify(object));
        const gone = remove && cache.get(key) !== undefined;
        const type = gone ? ('delete' as const) : ('put' as const);
        cache.apply({ type, key: `/registry/pods/${key}`, revision: i + 1, value, previousRevision: 0 });
      });
      listeners.forEach((l, i) => {
        assert.deepEqual(
          heard[i]!.map(e => e.revision),
          all.filter(e => concerns(l, e)).map(e => e.revision),
        );
      });
      for (const stop of stops) stop();
      assert.equal(cache.watchers('a'), 0);
    }),
  );
});
