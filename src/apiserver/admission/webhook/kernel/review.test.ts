import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AdmissionReview } from '../../../../api/type/admission-v1.ts';
import { denial, readReview, reviewVersion, verdictOf } from './review.ts';

const answer = (response: object | undefined, apiVersion = 'admission.k8s.io/v1'): AdmissionReview => ({
  kind: 'AdmissionReview',
  apiVersion,
  ...(response ? { response: { uid: '', allowed: false, ...response } } : {}),
});

test('the first version both speak', () => {
  assert.equal(reviewVersion(['v2', 'v1beta1', 'v1']), 'v1beta1');
  assert.throws(() => reviewVersion(['v2']), {
    message: 'could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)',
  });
});

test('answers in version 1 are held to the letter', () => {
  const cases: [boolean, AdmissionReview, string][] = [
    [true, answer(undefined), 'webhook response was absent'],
    [true, answer({ uid: 'b' }), 'expected response.uid="a", got "b"'],
    [
      true,
      answer({ uid: 'a' }, 'admission.k8s.io/v1beta1'),
      'expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got admission.k8s.io/v1beta1, Kind=AdmissionReview',
    ],
    [
      true,
      { response: { uid: 'a', allowed: true } },
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

test('what is no review of the version is told in Go words', () => {
  const review = 'AdmissionReview';
  const registry = 'in scheme "pkg/runtime/scheme.go:111"';
  const cases: [unknown, string][] = [
    [
      [],
      `couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`,
    ],
    [{ kind: review, apiVersion: 'a/b/c' }, 'unexpected GroupVersion string: a/b/c'],
    [
      { kind: 'Other', apiVersion: 'admission.k8s.io/v1' },
      `no kind "Other" is registered for version "admission.k8s.io/v1" ${registry}`,
    ],
    [
      { kind: review, apiVersion: 'admission.k8s.io/v2' },
      `no kind "AdmissionReview" is registered for version "admission.k8s.io/v2" ${registry}`,
    ],
    [
      { kind: review, apiVersion: 'admission.k8s.io/v1beta1' },
      'converting (v1beta1.AdmissionReview) to (v1.AdmissionReview): unknown conversion',
    ],
    [{ kind: 'Status', apiVersion: 'v1' }, 'converting (v1.Status) to (v1.AdmissionReview): unknown conversion'],
    [
      { response: { allowed: 'true' } },
      'json: cannot unmarshal string into Go struct field AdmissionResponse.response.allowed of type bool',
    ],
    [
      { response: { uid: 5 } },
      'json: cannot unmarshal number into Go struct field AdmissionResponse.response.uid of type types.UID',
    ],
    [
      { response: { patch: 5 } },
      'json: cannot unmarshal number into Go struct field AdmissionResponse.response.patch of type []uint8',
    ],
    [{ response: { patch: '_-__' } }, 'illegal base64 data at input byte 0'],
    [
      { response: { status: { code: 418.5 } } },
      'json: cannot unmarshal number 418.5 into Go struct field Status.response.status.code of type int32',
    ],
  ];
  for (const [given, message] of cases) assert.throws(() => readReview('v1', given), { message });
  for (const given of [null, {}, { response: null }]) assert.equal(readReview('v1', given).response, undefined);
  assert.throws(() => readReview('v1beta1', answer({})), {
    message: 'converting (v1.AdmissionReview) to (v1beta1.AdmissionReview): unknown conversion',
  });
});

test('answers in version 1beta1 are not', () => {
  const verdict = verdictOf('v1beta1', 'a', true, answer({ allowed: true, patch: 'x' }));
  assert.equal(verdict.patch, 'x');
  assert.equal(verdict.patchType, 'JSONPatch');
  assert.equal(verdictOf('v1beta1', 'a', false, answer({ allowed: true, patch: 'x' })).patch, undefined);
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
