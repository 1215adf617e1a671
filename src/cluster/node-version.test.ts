import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkNodeVersion } from './node-version.ts';

test('an older Node is told what to do', () => {
  checkNodeVersion();
  checkNodeVersion('27.0.0');
  assert.throws(() => checkNodeVersion('20.20.2'), /k8ts needs Node 26 or newer .* Node 20\.20\.2: run it from an npm/);
});
