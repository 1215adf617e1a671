import assert from 'node:assert/strict';
import { test } from 'node:test';
import { denial, reviewVersion, verdictOf } from './review.ts';

const answer = (response: object | undefined, apiVersion = 'admission.k8s.io/v1') => ({
  kind: 'AdmissionReview',
  apiVersion,
  ...(response ? { response } : {}),
});

test('the first version both speak', () => {
  assert.equal(reviewVersion(['v2', 'v1beta1', 'v1']), 'v1beta1');
  assert.throws(() => reviewVersion(['v2']), {
    message: 'could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)',
  });
});

test('answers in version 1 are held to the letter', () => {
  const cases: [boolean, unknown, string][] = [
    [true, undefined, 'webhook response was absent'],
    [true, answer(undefined), 'webhook response was absent'],
    [true, answer({ uid: 'b' }), 'expected response.uid="a", got "b"'],
    [
      true,
      answer({ uid: 'a' }, 'admission.k8s.io/v1beta1'),
      'expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got admission.k8s.io/v1beta1, Kind=AdmissionReview',
    ],
    [
      true,
      { response: { uid: 'a' } },
      'expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind=',
    ],
    [true, answer({ uid: 'a', patch: 'x' }), 'webhook returned response.patch but not response.patchType'],
    [true, answer({ uid: 'a', patchType: 'JSONPatch' }), 'webhook returned response.patchType but not response.patch'],
    [true, answer({ uid: 'a', patch: 'x', patchType: '' }), 'webhook returned invalid response.patchType of ""'],
    [false, answer({ uid: 'a', patch: 'x' }), 'validating webhook may not return response.patch'],
    [false, answer({ uid: 'a', patchType: 'JSONPatch' }), 'validating webhook may not return response.patchType'],
  ];
  for (const [mutating, given, message] of cases)
    assert.throws(() => verdictOf('v1', 'a', mutating, given), { message });
  const { allowed, patch, patchType } = verdictOf(
    'v1',
    'a',
    true,
    answer({ uid: 'a', allowed: true, patch: 'x', patchType: 'JSONPatch' }),
  );
  assert.deepEqual({ allowed, patch, patchType }, { allowed: true, patch: 'x', patchType: 'JSONPatch' });
});

test('answers in version 1beta1 are not', () => {
  const verdict = verdictOf('v1beta1', 'a', true, { response: { allowed: true, patch: 'x' } });
  assert.equal(verdict.patch, 'x');
  assert.equal(verdict.patchType, 'JSONPatch');
  assert.equal(verdictOf('v1beta1', 'a', false, { response: { allowed: true, patch: 'x' } }).patch, undefined);
});

test('a denial is a failure with a code from 400 on', () => {
  const { message, code, status } = denial('w', { status: 'Success', code: 200, reason: 'Because' } as never);
  assert.deepEqual(
    { message, code, status },
    {
      message: 'admission webhook "w" denied the request: Because',
      code: 400,
      status: 'Failure',
    },
  );
  assert.equal(denial('w', undefined).message, 'admission webhook "w" denied the request without explanation');
  assert.equal(
    denial('w', { message: 'm', reason: 'r', code: 409 } as never).message,
    'admission webhook "w" denied the request: m',
  );
});
