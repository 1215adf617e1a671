import assert from 'node:assert/strict';
import { test } from 'node:test';
import { featureGates, parseFeatureGates } from './feature-gates.ts';

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

// What kube-apiserver makes of the flag is in apiserver/testdata/switches.json.
test('a stage is switched whole, but for what is switched by name', () => {
  const on = (switched: Record<string, boolean>, ...gates: string[]) => gates.map(featureGates(switched));
  const some = ['HPAScaleToZero', 'GenericWorkload', 'PodCertificateRequest', 'EnvFiles', 'KMSv1'];
  assert.deepEqual(on({}, ...some), [false, false, false, true, false]);
  assert.deepEqual(on({ AllAlpha: true }, ...some), [true, true, false, true, false]);
  assert.deepEqual(on({ AllBeta: true }, ...some), [false, false, true, true, false]);
  assert.deepEqual(on({ AllAlpha: true, AllBeta: true }, ...some), [true, true, true, true, false]);
  assert.deepEqual(on({ AllAlpha: true, HPAScaleToZero: false }, ...some), [false, true, false, true, false]);
  assert.deepEqual(on({ AllBeta: false, EnvFiles: true }, ...some), [false, false, false, true, false]);
  assert.deepEqual(on({ AllBeta: false }, 'EnvFiles'), [false]);
});

test('a gate needs those it depends on', () => {
  const needs = (gate: string, on: string) => ({
    message: `${gate} is enabled, but depends on features that are disabled: [${on}]`,
  });
  assert.throws(() => featureGates({ WorkloadWithJob: true }), needs('WorkloadWithJob', 'GenericWorkload'));
  assert.throws(() => featureGates({ AllAlpha: true, GangScheduling: false }), {
    ...needs('WorkloadAwarePreemption', 'GangScheduling'),
  });
  assert.throws(() => featureGates({ APIServerIdentity: false }), {
    ...needs('UnknownVersionInteroperabilityProxy', 'APIServerIdentity'),
  });
  featureGates({ WorkloadWithJob: true, GenericWorkload: true });
});

test('--feature-gates is read as kube-apiserver reads it', () => {
  assert.deepEqual(parseFeatureGates(['HPAScaleToZero=true', ' EnvFiles = f ,,HPAScaleToZero=0']), {
    HPAScaleToZero: false,
    EnvFiles: false,
  });
  assert.deepEqual(parseFeatureGates(['kube:EnvFiles=T,kube:EnvFiles=False']), { EnvFiles: false });
  assert.deepEqual(parseFeatureGates(['']), {});
  const notBool = (text: string) => `err: strconv.ParseBool: parsing "${text}": invalid syntax`;
  const mixed = 'set kube feature gates with default empty prefix or kube: prefix consistently, do not mix use';
  for (const [flags, message] of [
    [['A'], 'missing bool value for A'],
    [['EnvFiles=x'], `invalid value of EnvFiles=x, ${notBool('x')}`],
    [['EnvFiles=true=true'], `invalid value of EnvFiles=true=true, ${notBool('true=true')}`],
    [['Nope=true'], 'unrecognized feature gate: Nope'],
    [['Nope=true,Also=false'], 'unrecognized feature gate: Also'],
    [['other:EnvFiles=true'], 'component not registered: other'],
    [['kube:EnvFiles=true', 'HPAScaleToZero=true'], mixed],
    [['kube:EnvFiles=true,HPAScaleToZero=true'], mixed],
    [
      ['APIServerTracing=false,Z=true,Nope=true'],
      '[cannot set feature gate APIServerTracing to false, feature is locked to true, unrecognized feature gate: Nope]',
    ],
  ] as const)
    assert.throws(() => parseFeatureGates(flags), { message }, flags.join(' '));
});
