import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { testTopology } from '../test-topology.ts';
import { type Hint, type Hints, nodeMasks, width } from './hint.ts';
import { mergeHints, type TopologyManagerPolicy } from './hint-merge.ts';

const topology = testTopology({ sockets: 2, nodesPerSocket: 2, coresPerNode: 2 });
const merge = (policy: TopologyManagerPolicy, all: readonly Hints[], closest = false) =>
  mergeHints({ topology, policy, closest }, all);
const yes = (nodes: number): Hint => ({ nodes, preferred: true });
const no = (nodes: number): Hint => ({ nodes, preferred: false });
const told = (hint: Hint, admit: boolean) => ({ hint, admit });

test('what all prefer, the narrowest of it', () => {
  const cpu = { cpu: [yes(0b1), yes(0b10), no(0b11)] };
  const gpu = { gpu: [yes(0b10), no(0b11)] };
  for (const policy of ['best-effort', 'restricted', 'single-numa-node'] as const) {
    assert.deepEqual(merge(policy, [cpu, gpu]), told(yes(0b10), true));
    assert.deepEqual(merge(policy, [{}, cpu, { nic: undefined }]), told(yes(0b1), true));
    assert.deepEqual(merge(policy, []), told({ nodes: undefined, preferred: true }, true));
  }
  assert.deepEqual(merge('none', [{ cpu: [] }]).admit, true);
});

test('where they do not go together, the policy decides', () => {
  const far = [{ cpu: [yes(0b1), no(0b11)] }, { gpu: [yes(0b10), no(0b11)] }];
  assert.deepEqual(merge('best-effort', far), told(no(0b1), true));
  assert.deepEqual(merge('restricted', far), told(no(0b1), false));
  assert.equal(merge('single-numa-node', far).admit, false);
  // Two nodes are as narrow as it can be: preferred, but not single.
  const wide = [{ cpu: [yes(0b11), yes(0b1100)] }];
  assert.equal(merge('restricted', wide).admit, true);
  assert.equal(merge('single-numa-node', wide).admit, false);
  for (const policy of ['restricted', 'single-numa-node'] as const)
    assert.equal(merge(policy, [{ cpu: [] }]).admit, false);
});

test('of sets equally wide the closest, where that is asked for', () => {
  const hints = [{ cpu: [yes(0b101), yes(0b1100)] }];
  assert.deepEqual(merge('restricted', hints).hint.nodes, 0b101);
  assert.deepEqual(merge('restricted', hints, true).hint.nodes, 0b1100);
});

test('every choice of one hint a resource gives the same as going through them all', () => {
  const masks = nodeMasks(topology);
  const hint = fc.record({ nodes: fc.constantFrom(...masks), preferred: fc.boolean() });
  const lists = fc.array(fc.array(hint, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(lists, all => {
      const merged = merge(
        'restricted',
        all.map((list, i) => ({ [i]: list })),
      );
      const every = all.reduce<Hint[][]>((some, list) => some.flatMap(s => list.map(h => [...s, h])), [[]]);
      const results = every.map(some => ({
        nodes: some.reduce((mask, h) => mask & h.nodes!, 0b1111),
        preferred: some.every(h => h.preferred && h.nodes === some[0]!.nodes),
      }));
      const good = results.filter(r => r.preferred);
      assert.equal(merged.admit, good.length > 0);
      if (good.length) assert.equal(width(merged.hint.nodes!), Math.min(...good.map(r => width(r.nodes))));
      else assert.ok(merged.hint.nodes === undefined || results.some(r => r.nodes === merged.hint.nodes));
    }),
    { numRuns: 300 },
  );
});
