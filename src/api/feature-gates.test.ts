import assert from 'node:assert/strict';
import { test } from 'node:test';
import { featureGates } from './feature-gates.ts';

test('defaults are those of 1.36, switched ones win', () => {
  const on = featureGates({ HPAScaleToZero: true });
  assert.equal(on('HPAScaleToZero'), true);
  assert.equal(on('MaxUnavailableStatefulSet'), false);
  assert.equal(on('APIResponseCompression'), true);
  assert.equal(on('GoneLongAgo'), true);
});

test('what cannot be switched is refused by name', () => {
  assert.throws(() => featureGates({ Nonsense: true }), /unrecognized feature gate: Nonsense/);
  assert.throws(
    () => featureGates({ APIServerTracing: false }),
    /APIServerTracing to false, feature is locked to true/,
  );
});
