import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeImages, withExtended } from './node-resource.ts';

test('devices of plugins are counted anew, what others have advertised stays, and all is sorted and canonical', () => {
  const old = { capacity: { cpu: '2', 'example.com/gpu': '7', 'other.com/dongle': '4' } };
  const devices = {
    capacity: { 'example.com/gpu': 3, 'example.com/many': 2000 },
    allocatable: { 'example.com/gpu': 1, 'example.com/many': 0 },
  };
  const { capacity, allocatable } = withExtended(old, { cpu: '4' }, { cpu: '3' }, devices);
  const asText = (list: object) => JSON.stringify(list);
  assert.equal(
    asText(capacity),
    asText({ cpu: '4', 'example.com/gpu': '3', 'example.com/many': '2k', 'other.com/dongle': '4' }),
  );
  assert.equal(
    asText(allocatable),
    asText({ cpu: '3', 'example.com/gpu': '1', 'example.com/many': '0', 'other.com/dongle': '4' }),
  );
  assert.deepEqual(withExtended(old, { cpu: '4' }, { cpu: '3' }).allocatable, {
    ...{ cpu: '3', 'example.com/gpu': '7', 'other.com/dongle': '4' },
  });
});

test('the largest images are told of, so many as are asked for', () => {
  const images = [1, 3, 2].map(size => ({ id: `i${size}`, size, repo_tags: [`i:${size}`] }));
  const sizes = (max: number) => nodeImages(images, max).map(i => i.sizeBytes);
  assert.deepEqual([sizes(2), sizes(0), sizes(-1)], [[3, 2], [], [3, 2, 1]]);
});
