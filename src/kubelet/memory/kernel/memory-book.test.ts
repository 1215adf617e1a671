import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testTopology } from '../../topology/test-topology.ts';
import { MemoryBook, type ReservedMemory } from './memory-book.ts';
import { decodeMemoryState, encodeMemoryState } from './memory-state.ts';
import { checkReservations, checkReservedMemory } from './reserved-memory.ts';

const gi = 2 ** 30;
const topology = testTopology({ sockets: 4, coresPerNode: 1, memoryBytes: 10 * gi, hugepages: { '1Gi': 2 * gi } });
const reserved: ReservedMemory = new Map([[0, { memory: gi }]]);
const book = () => new MemoryBook(topology, reserved);
const masks = (b: MemoryBook, request: Record<string, number>) =>
  b.hints(request).map(h => `${h.nodes!.toString(2)}${h.preferred ? '*' : ''}`);
const tables = (b: MemoryBook) =>
  Object.values(b.toState('Static').machineState).map(n => [
    ...[n.numberOfAssignments, n.cells.join(), n.memoryMap.memory!.free / gi, n.memoryMap['hugepages-1Gi']!.free / gi],
  ]);

test('a fresh book: huge pages and what is reserved are not free', () => {
  assert.deepEqual(tables(book()), [
    [0, '0', 7, 2],
    [0, '1', 8, 2],
    [0, '2', 8, 2],
    [0, '3', 8, 2],
  ]);
});

test('memory comes from as few nodes as can be, and groups of nodes stay apart', () => {
  const b = book();
  assert.deepEqual(masks(b, { memory: 8 * gi }).slice(0, 3), ['10*', '100*', '1000*']);
  b.allocate('u', 'big', { memory: 12 * gi, 'hugepages-1Gi': gi }, undefined, []);
  assert.deepEqual(tables(b), [
    [2, '0,1', 0, 1],
    [2, '0,1', 3, 2],
    [0, '2', 8, 2],
    [0, '3', 8, 2],
  ]);
  // Three are free on node 1, and it belongs to the group of both.
  assert.deepEqual(masks(b, { memory: 3 * gi }), ['100*', '1000*', '11', '1100']);
  b.allocate('v', 'c', { memory: 2 * gi }, 0b100, []);
  b.allocate('w', 'c', { memory: 7 * gi }, 0b1000, []);
  assert.throws(
    () => b.allocate('x', 'c', { memory: 7 * gi }, undefined, []),
    /failed to get the default NUMA affinity/,
  );
  assert.throws(() => b.allocate('x', 'c', { memory: 7 * gi }, 0b100, []), /failed to find NUMA nodes to extend/);
  for (const uid of ['u', 'v', 'w']) assert.equal(b.release(uid), true);
  assert.deepEqual(b.toState('Static'), book().toState('Static'));
});

test('a hint that is too narrow is widened', () => {
  const b = book();
  b.allocate('u', 'c', { memory: 9 * gi }, 0b10, []);
  assert.deepEqual(b.blocks('u', 'c'), [{ numaAffinity: [0, 1], type: 'memory', size: 9 * gi }]);
});

test('what an init container had is left to those after it', () => {
  const b = book();
  b.allocate('u', 'init', { memory: 6 * gi }, 0b10, []);
  b.allocate('u', 'app', { memory: 4 * gi }, 0b10, ['init']);
  b.allocate('u', 'two', { memory: 2 * gi }, 0b10, ['init']);
  assert.deepEqual(tables(b)[1], [3, '1', 2, 2]);
  b.release('u');
  assert.deepEqual(b.toState('Static'), book().toState('Static'));
});

test('a restart takes it up; a machine with other memory does not', () => {
  const b = book();
  b.allocate('u', 'big', { memory: 12 * gi }, undefined, []);
  const state = decodeMemoryState(encodeMemoryState(b.toState('Static')));
  const again = book();
  again.restore(state);
  assert.deepEqual(again.toState('Static'), b.toState('Static'));
  const other = new MemoryBook(topology, new Map());
  assert.throws(() => other.restore(state), /the expected machine state is different from the real one/);
});

test("a state file without content is byte for byte a kubelet's", () => {
  const text = '{"policyName":"None","machineState":{},"checksum":4236770233}';
  assert.equal(encodeMemoryState(decodeMemoryState(text)), text);
  assert.throws(() => decodeMemoryState(text.replace('None', 'Static')), { message: 'checkpoint is corrupted' });
});

test('what is reserved by node adds up to what is reserved of the whole', () => {
  const total = (type: string) => (type === 'memory' ? 3 * gi : 0);
  const of = (...limits: Record<string, string>[]) => limits.map((l, numaNode) => ({ numaNode, limits: l }));
  assert.deepEqual(
    [...checkReservedMemory(of({ memory: '1Gi' }, { memory: '2Gi' }), topology, total)],
    [
      [0, { memory: gi }],
      [1, { memory: 2 * gi }],
    ],
  );
  assert.throws(() => checkReservedMemory(of({ memory: '1Gi' }), topology, total), {
    message: `the total amount "${gi}" of type "memory" is not equal to the value "${3 * gi}" determined by Node Allocatable feature`,
  });
  assert.throws(
    () => checkReservedMemory([{ numaNode: 9, limits: { memory: '3Gi' } }], topology, total),
    /references a NUMA node 9 that does not exist on this machine/,
  );
  assert.throws(() => checkReservations(of({ cpu: '1' })), /the limit type "cpu" for NUMA node 0 is not allowed/);
  assert.throws(() => checkReservations(of({ memory: '0' })), /reserved memory may not be zero for NUMA node 0/);
  const twice = [...of({ memory: '1Gi' }), ...of({ memory: '1Gi' })];
  assert.throws(() => checkReservations(twice), /duplicate value for NUMA node 0 and resource "memory"/);
});
