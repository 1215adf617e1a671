// Strategic patches of long lists: how often the items are looked at grows with the lists, not with their product.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { equalityText, equalJson } from './plain.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const podSpec = 'io.k8s.api.core.v1.PodSpec';
const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const count = 2000;
const upTo = <T>(make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));

/** Volumes that count how often their names are read. */
function countedVolumes() {
  const counted = { volumes: [] as { name: string }[], reads: 0 };
  counted.volumes = upTo(n => ({
    get name() {
      counted.reads++;
      return `v${n}`;
    },
  }));
  return counted;
}

test('thousands of items merge by their keys', () => {
  const live = countedVolumes();
  const patch = { volumes: upTo(n => ({ name: `${n % 2 ? 'v' : 'w'}${n}`, emptyDir: {} })) };
  const merged = applyStrategicMergePatch(podSpec, { volumes: live.volumes }, patch);
  assert.equal(merged.volumes.length, count * 1.5);
  assert.ok(live.reads < 20 * count, `${live.reads} reads`);
});

test('thousands of items are taken out by their keys', () => {
  const live = countedVolumes();
  const patch = { volumes: upTo(n => ({ $patch: 'delete', name: `v${n}` })) };
  assert.deepEqual(applyStrategicMergePatch(podSpec, { volumes: live.volumes }, patch), { volumes: [] });
  assert.ok(live.reads < 20 * count, `${live.reads} reads`);
});

test('thousands of values are taken out', () => {
  let reads = 0;
  const get = (target: string[], key: string | symbol): unknown => {
    reads++;
    return Reflect.get(target, key);
  };
  const values = new Proxy(
    upTo(n => `e.x/${n}`),
    { get },
  );
  const live = { finalizers: upTo(n => `e.x/${n + 10}`) };
  const patched = applyStrategicMergePatch(objectMeta, live, { '$deleteFromPrimitiveList/finalizers': values });
  assert.equal(patched.finalizers.length, 10);
  assert.ok(reads < 20 * count, `${reads} reads`);
});

test('a key that the patch takes away is not found again', () => {
  const patch = { volumes: [{ name: null }, { name: null, emptyDir: {} }] };
  const merged = applyStrategicMergePatch<unknown>(podSpec, { volumes: [{ name: null, a: 1 }, { name: 'b' }] }, patch);
  assert.deepEqual(merged, { volumes: [{ name: 'b' }, { a: 1 }, { emptyDir: {} }] });
});

test('two values have one text when they are equal, and only then', () => {
  const value = fc.jsonValue({ depthSize: 'small' });
  fc.assert(
    fc.property(value, value, (a, b) => {
      assert.equal(equalityText(a) === equalityText(b), equalJson(a, b));
      assert.equal(equalityText(a), equalityText(JSON.parse(JSON.stringify(a))));
    }),
  );
  const alike: [unknown, unknown][] = [
    [
      { a: 1, b: [2] },
      { b: [2], a: 1n },
    ],
    [Symbol('1.0'), 1],
    [-0, 0],
    [{ a: undefined }, {}],
  ];
  for (const [a, b] of alike) assert.equal(equalityText(a), equalityText(b));
  const different = [1, '1', true, 'true', null, 'null', [1], ['1'], { a: 1 }, [{ a: 1 }], [], {}, '', [[]]];
  assert.equal(new Set(different.map(equalityText)).size, different.length);
});
