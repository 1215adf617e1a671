import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../api/meta.ts';
import { OwnWrites } from './own-writes.ts';

const copy = (resourceVersion: string, uid = 'u') =>
  ({ metadata: { namespace: 'a', name: 'j', uid, resourceVersion } }) as KubeObject;

test('a copy is behind until it shows the last write, or another object of that name', () => {
  const writes = new OwnWrites();
  assert.equal(writes.isBehind(copy('9')), false);
  writes.wrote(copy('10'));
  assert.equal(writes.isBehind(copy('9')), true);
  assert.equal(writes.isBehind(copy('10')), false);
  writes.wrote(copy('12'));
  assert.equal(writes.isBehind(copy('100')), false);
  writes.wrote(copy('120'));
  assert.equal(writes.isBehind(copy('99', 'v')), false);
  writes.wrote(copy('130'));
  writes.forget('a/j');
  assert.equal(writes.isBehind(copy('1')), false);
});
