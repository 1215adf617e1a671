import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../../api/type/core-v1.ts';
import { testTopology } from '../../topology/test-topology.ts';
import { DeviceBook } from './device-book.ts';
import { deviceHints } from './device-hints.ts';

const topology = testTopology({ sockets: 2, coresPerNode: 2 });
const gpu = 'example.com/gpu';
const pod = {
  metadata: { uid: 'u' },
  spec: { initContainers: [{ name: 'init' }], containers: [{ name: 'c' }] },
} as unknown as Pod;

function bookOf(nodes: Record<string, number[]>): DeviceBook {
  const book = new DeviceBook();
  book.offer(
    gpu,
    Object.entries(nodes).map(([id, numaNodes]) => ({ id, numaNodes, healthy: id !== 'sick' })),
  );
  return book;
}
const hints = (book: DeviceBook, count: number, of = pod) =>
  deviceHints(book, topology, of, new Map([[gpu, count]]), of.spec.containers[0])[gpu]?.map(
    h => `${h.nodes!.toString(2)}${h.preferred ? '*' : ''}`,
  );

test('devices are to be had where enough of them are free and healthy', () => {
  const book = bookOf({ a: [0], b: [0], c: [1], sick: [1] });
  assert.deepEqual(hints(book, 1), ['1*', '10*', '11']);
  // Two lie on node 1, were they both well.
  assert.deepEqual(hints(book, 2), ['1*', '11']);
  assert.deepEqual(hints(book, 3), ['11*']);
  assert.deepEqual(hints(book, 5), []);
  book.assign({ podUid: 'other', container: 'c', resource: gpu, ids: ['a'], allocation: {} });
  assert.deepEqual(hints(book, 2), ['11']);
  assert.deepEqual(book.near(gpu, ['a', 'c'], 0b10), ['c']);
});

test('what an init container had is where its pod is to be; who has devices stays with them', () => {
  const book = bookOf({ a: [0], b: [0], c: [1], d: [1] });
  book.assign({ podUid: 'u', container: 'init', resource: gpu, ids: ['c'], allocation: {} });
  assert.deepEqual(hints(book, 1), ['10*', '11']);
  book.assign({ podUid: 'u', container: 'c', resource: gpu, ids: ['c'], allocation: {} });
  assert.deepEqual(hints(book, 1), ['10*', '11']);
  assert.deepEqual(hints(book, 2), []);
});

test('plugins that say nothing of nodes have no preference', () => {
  assert.equal(hints(bookOf({ a: [], b: [] }), 1), undefined);
});
