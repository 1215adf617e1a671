import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitCode } from './exit.ts';
import { parseGates } from './gates.ts';

test('what is wrong with --feature-gates is a fault of usage', () => {
  assert.deepEqual(parseGates(['StorageVersionMigrator=true', 'DRADeviceTaints=f', 'DRADeviceTaintRules=0', '']), {
    StorageVersionMigrator: true,
    DRADeviceTaints: false,
    DRADeviceTaintRules: false,
  });
  const message = '--feature-gates: unrecognized feature gate: NoSuch';
  assert.throws(() => parseGates(['NoSuch=true']), { message, code: exitCode.usage });
});
