import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitCode } from './exit.ts';
import { parseNodeAddresses } from './node-addresses.ts';

test('a node has one address, or one of each family', () => {
  assert.deepEqual(parseNodeAddresses('10.0.0.5'), ['10.0.0.5']);
  assert.deepEqual(parseNodeAddresses('10.0.0.5, fd00::5'), ['10.0.0.5', 'fd00::5']);
  for (const wrong of ['', 'node-1', '10.0.0.5,', '10.0.0.5,10.0.0.6', '10.0.0.5/24'])
    assert.throws(() => parseNodeAddresses(wrong), { code: exitCode.usage });
});
