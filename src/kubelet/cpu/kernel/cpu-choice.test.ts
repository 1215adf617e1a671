import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { allCpus, type MachineTopology } from '../../topology/kernel/machine-topology.ts';
import { testTopology } from '../../topology/test-topology.ts';
import { type ChoiceOptions, chooseCpus } from './cpu-choice.ts';
import { formatCpus, parseCpus } from './cpu-set.ts';

const choose = (topology: MachineTopology, free: string, count: number, options?: ChoiceOptions) =>
  formatCpus(chooseCpus(topology, parseCpus(free), count, options));

// Cores 0-3 of node 0 and 4-7 of node 1; their second threads are 8-15.
const two = testTopology({ sockets: 2, coresPerNode: 4, threads: 2 });

test('whole sockets, whole cores, then threads: each where it fits best', () => {
  for (const [free, count, chosen] of [
    ['0-15', 1, '0'],
    ['0-15', 2, '0,8'],
    ['0-15', 3, '0-1,8'],
    ['0-15', 8, '0-3,8-11'],
    ['1-15', 8, '4-7,12-15'],
    // A core of which one thread is gone is used up first.
    ['1-15', 1, '8'],
    ['1-15', 2, '1,9'],
    // A node with less room, but enough of it, comes first.
    ['0-3,8-11,6-7,14-15', 4, '6-7,14-15'],
    ['0,4-7', 3, '4-6'],
    // No node has room for all: the emptiest is used up.
    ['1-7,9-15', 10, '1,4-7,9,12-15'],
  ] as const)
    assert.equal(choose(two, free, count), chosen, `${count} of ${free}`);
  assert.throws(() => choose(two, '0-1', 3), {
    message: 'not enough cpus available to satisfy request: requested=3, available=2',
  });
});

test('over NUMA nodes evenly where one is not enough', () => {
  const acrossNuma = true;
  assert.equal(choose(two, '0-15', 8, { acrossNuma }), '0-3,8-11');
  assert.equal(choose(two, '0-15', 10, { acrossNuma }), '0-2,4-6,8-9,12-13');
  assert.equal(choose(two, '0-15', 12, { acrossNuma, wholeCores: true }), '0-2,4-6,8-10,12-14');
  // An odd number of cores: the rest is one core, not a thread of each.
  assert.equal(choose(two, '0-15', 10, { acrossNuma, wholeCores: true }), '0-2,4-5,8-10,12-13');
  const four = testTopology({ sockets: 2, nodesPerSocket: 2, coresPerNode: 4 });
  // Two of four nodes are enough; the two that stay even are taken.
  assert.equal(choose(four, '0,4-15', 6, { acrossNuma }), '4-6,8-10');
  // No two nodes have room for all, and not all can give as much.
  assert.equal(choose(four, '0,4-15', 10, { acrossNuma }), '4-10,12-14');
});

test('on as many cores as there are', () => {
  const acrossCores = true;
  assert.equal(choose(two, '0-15', 3, { acrossCores }), '0-2');
  assert.equal(choose(two, '0-15', 6, { acrossCores }), '0-3,8-9');
  assert.equal(choose(two, '0-15', 10, { acrossCores }), '0-5,8-11');
});

test('behind as few last caches as can be', () => {
  const caches = testTopology({ coresPerNode: 12, coresPerCache: 4 });
  assert.equal(choose(caches, '1-11', 4), '1-4');
  assert.equal(choose(caches, '1-11', 4, { byCache: true }), '4-7');
  assert.equal(choose(caches, '1-11', 3, { byCache: true }), '1-3');
  assert.equal(choose(caches, '1-11', 6, { byCache: true }), '1-2,4-7');
});

test('always so many, of those that are free, and of no more nodes than needed', () => {
  const shapes = fc.record({
    ...{ sockets: fc.integer({ min: 1, max: 2 }), nodesPerSocket: fc.integer({ min: 1, max: 2 }) },
    ...{ coresPerNode: fc.integer({ min: 1, max: 4 }), threads: fc.integer({ min: 1, max: 2 }) },
  });
  const options = fc.record({ acrossNuma: fc.boolean(), acrossCores: fc.boolean(), byCache: fc.boolean() });
  fc.assert(
    fc.property(shapes, options, fc.integer(), fc.nat(), (shape, chosenOptions, seed, n) => {
      const topology = testTopology(shape);
      const free = new Set([...allCpus(topology)].filter(cpu => (seed >> (cpu % 31)) & 1));
      const count = free.size ? 1 + (n % free.size) : 0;
      if (!count) return;
      const chosen = chooseCpus(topology, free, count, chosenOptions);
      assert.equal(chosen.size, count);
      assert.ok(chosen.isSubsetOf(free));
      const room = topology.nodes.map(({ id }) => topology.cpus.filter(c => c.node === id && free.has(c.id)).length);
      const nodes = new Set(topology.cpus.filter(c => chosen.has(c.id)).map(c => c.node));
      if (room.some(r => r >= count) && shape.nodesPerSocket === 1) assert.equal(nodes.size, 1);
    }),
    { numRuns: 200 },
  );
});
