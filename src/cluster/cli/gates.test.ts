import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseGates } from './gates.ts';

test('gates are read as Kubernetes reads them', () => {
  assert.deepEqual(parseGates(['StorageVersionMigrator=true', 'DRADeviceTaints=f', 'StorageVersionMigrator=0', '']), {
    StorageVersionMigrator: false,
    DRADeviceTaints: false,
  });
  assert.throws(() => parseGates(['A']), /--feature-gates: missing bool value for A/);
  assert.throws(() => parseGates(['A=x']), /invalid value of A=x, err: strconv.ParseBool: parsing "x": invalid syntax/);
  assert.throws(() => parseGates(['NoSuch=true']), /unrecognized feature gate: NoSuch/);
});
