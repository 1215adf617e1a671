import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SortedTree } from './sorted-tree.ts';

const key = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '/'), maxLength: 5 });
const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('set' as const), key, value: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), key }) },
);

const entries = (tree: SortedTree<number>, prefix = '', after?: string) => {
  const out: [string, number][] = [];
  tree.scan(prefix, after, (v, k) => {
    out.push([k, v]);
    return undefined;
  });
  return out;
};

test('behaves like a sorted map, and snapshots stay as they were', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 600 }), key, key, (operations, prefix, after) => {
      const twin = new Map<string, number>();
      let tree = SortedTree.empty<number>();
      let late = SortedTree.empty<number>();
      const changes = new Map<string, number | undefined>();
      const snapshots: [SortedTree<number>, [string, number][]][] = [];
      const sorted = () => [...twin].sort(([a], [b]) => (a < b ? -1 : 1));
      operations.forEach((o, i) => {
        if (o.kind === 'set') {
          twin.set(o.key, o.value);
          tree = tree.set(o.key, o.value);
        } else {
          twin.delete(o.key);
          tree = tree.delete(o.key);
        }
        changes.set(o.key, o.kind === 'set' ? o.value : undefined);
        // Few at a time, and more than there is.
        if (i % 7 === 0 || i % 300 > 280) {
          late = late.changed(changes);
          changes.clear();
          assert.deepEqual(entries(late), sorted());
          assert.equal(late.size, twin.size);
        }
        if (i % 50 === 0) snapshots.push([tree, sorted()], [late.changed(changes), sorted()]);
      });
      assert.equal(tree.size, twin.size);
      assert.deepEqual(entries(tree), sorted());
      assert.deepEqual(
        entries(tree, prefix, after),
        sorted().filter(([k]) => k.startsWith(prefix) && k > after),
      );
      assert.equal(tree.count(prefix, after), entries(tree, prefix, after).length);
      for (const [k, v] of twin) assert.equal(tree.get(k), v);
      for (const [snapshot, then] of snapshots) assert.deepEqual(entries(snapshot), then);
    }),
    { numRuns: 60 },
  );
});

test('splits leaves and branches', () => {
  let tree = SortedTree.empty<number>();
  const n = 40_000;
  for (let i = 0; i < n; i++) tree = tree.set(`k${String((i * 7919) % n).padStart(6, '0')}`, i);
  assert.equal(tree.size, n);
  let last = '';
  tree.scan('', undefined, (_, k) => {
    assert.ok(k > last);
    last = k;
    return undefined;
  });
  assert.equal(tree.count('k0001'), 100);
  for (let i = 0; i < n; i += 2) tree = tree.delete(`k${String(i).padStart(6, '0')}`);
  assert.equal(tree.size, n / 2);
  assert.equal(SortedTree.from(entriesOf(tree)).count(''), n / 2);
});

function entriesOf(tree: SortedTree<number>): [string, number][] {
  const out: [string, number][] = [];
  tree.scan('', undefined, (v, k) => {
    out.push([k, v]);
    return undefined;
  });
  return out;
}
