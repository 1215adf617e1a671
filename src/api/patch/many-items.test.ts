// Strategic patches of long lists: how often the items are looked at grows with the lists, not with their product.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { applyJsonPatch } from './json-patch.ts';
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

test('a long list that operations of a JSON patch change in the middle is not moved for each of them', () => {
  const { splice } = Array.prototype;
  let moved = 0;
  Array.prototype.splice = function (this: unknown[], at: number, ...rest: unknown[]) {
    moved += this.length - at;
    return Reflect.apply(splice, this, [at, ...rest]) as unknown[];
  } as typeof splice;
  try {
    const operations = upTo(n => [
      { op: 'remove', path: '/list/0' },
      { op: 'add', path: '/list/1', value: n },
    ]).flat();
    applyJsonPatch({ list: Array.from({ length: 100_000 }, () => 0) }, operations);
  } finally {
    Array.prototype.splice = splice;
  }
  assert.ok(moved < 3000 * operationsOf(count), `${moved} items moved`);
});

const operationsOf = (pairs: number) => 2 * pairs;

test('operations on long lists do what they do to short ones', () => {
  // An array that is changed as the patch says it.
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('add', 'remove', 'replace', 'move', 'test', 'copy'), fc.nat(), fc.nat()), {
        maxLength: 40,
      }),
      given => {
        const naive: unknown[] = Array.from({ length: 9000 }, (_, n) => n);
        const operations = given.map(([op, a, b], n) => {
          const [at, to] = [a % naive.length, b % naive.length];
          const path = `/l/${at}`;
          if (op === 'add') naive.splice(at, 0, n);
          if (op === 'remove') naive.splice(at, 1);
          if (op === 'replace') naive[at] = n;
          if (op === 'test') return { op, path: b % 5 ? path : '/l', value: b % 5 ? naive[at] : [...naive] };
          if (op !== 'move' && op !== 'copy') return { op, path, value: n };
          const [item] = op === 'move' ? naive.splice(at, 1) : [naive[at]];
          naive.splice(to, 0, item);
          return { op, from: path, path: `/l/${to}` };
        });
        assert.deepEqual(applyJsonPatch({ l: Array.from({ length: 9000 }, (_, n) => n) }, operations), { l: naive });
      },
    ),
    { numRuns: 30 },
  );
  const grown = applyJsonPatch(
    { l: Array.from({ length: 5000 }, () => 0) },
    upTo(n => ({ op: 'add', path: '/l/7', value: n })),
  );
  assert.deepEqual(grown.l.slice(0, 9), [0, 0, 0, 0, 0, 0, 0, 1999, 1998]);
  assert.equal(grown.l.length, 7000);
  const emptied = applyJsonPatch(
    { l: Array.from({ length: 6000 }, (_, n) => n) },
    Array.from({ length: 6000 }, () => ({ op: 'remove', path: '/l/0' })),
  );
  assert.deepEqual(emptied, { l: [] });
  const nested = applyJsonPatch({ l: [Array.from({ length: 5000 }, (_, n) => n), 'b'] }, [
    { op: 'remove', path: '/l/0/0' },
    { op: 'copy', from: '/l/0', path: '/l/-' },
    { op: 'remove', path: '/l/0/0' },
    { op: 'move', from: '/l/0', path: '/m' },
    { op: 'add', path: '/m/-', value: 'end' },
    { op: 'replace', path: '/m/-1', value: 'last' },
  ]) as unknown as { l: unknown[][]; m: unknown[] };
  assert.deepEqual(
    [nested.l[0], nested.l[1]!.length, nested.l[1]![0], nested.m.length, nested.m[0], nested.m.at(-1)],
    ['b', 4999, 1, 4999, 2, 'last'],
  );
});
