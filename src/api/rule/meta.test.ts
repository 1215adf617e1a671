import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldErrors, path } from '../field-error.ts';
import type { KubeObject } from '../meta.ts';
import type { ObjectMeta } from '../type/meta-v1.ts';
import { nameComplaints, validateLabelSelector, validateObjectMeta, validateObjectMetaUpdate } from './meta.ts';

const meta = (over: Partial<ObjectMeta> = {}): KubeObject => ({
  metadata: { name: 'x', namespace: 'default', uid: 'u', resourceVersion: '1', creationTimestamp: 't', ...over },
});
const check = (run: (errors: FieldErrors) => void): string[] => {
  const errors = new FieldErrors();
  run(errors);
  return errors.list.map(e => `${e.field}: ${e.message}`);
};
const create = (over: Partial<ObjectMeta>) => check(e => validateObjectMeta(meta(over), true, 'dnsSubdomain', e));
const update = (now: Partial<ObjectMeta>, old: Partial<ObjectMeta>) =>
  check(e => validateObjectMetaUpdate(meta(now), meta(old), e));

test('accepts ordinary metadata', () => {
  assert.deepEqual(create({ generateName: 'x-', labels: { app: 'a' }, annotations: { 'Example.com/A': '' } }), []);
});

test('requires a name and a namespace', () => {
  assert.deepEqual(create({ name: '', namespace: '' }), [
    'metadata.name: Required value: name or generateName is required',
    'metadata.namespace: Required value',
  ]);
});

test('a cluster-wide object has no namespace', () => {
  assert.deepEqual(
    check(e => validateObjectMeta(meta(), false, 'dnsSubdomain', e)),
    ['metadata.namespace: Forbidden: not allowed on this type'],
  );
});

test('limits annotations to 256 KiB', () => {
  assert.deepEqual(create({ annotations: { a: 'x'.repeat(262143) } }), []);
  assert.deepEqual(create({ annotations: { a: 'x'.repeat(262144) } }), [
    'metadata.annotations: Too long: may not be more than 262144 bytes',
  ]);
});

test('owner references name one controller', () => {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'a', uid: '1', controller: true };
  const out = create({ ownerReferences: [owner, { ...owner, name: 'b' }] });
  assert.equal(out.length, 1);
  assert.match(
    out[0]!,
    /Only one reference can have Controller set to true\. Found "true" in references for ReplicaSet\/a and ReplicaSet\/b$/,
  );
  assert.deepEqual(create({ ownerReferences: [{ ...owner, apiVersion: '', uid: '' }] }), [
    'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty',
    'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
  ]);
});

test('countless owners that all are the controller are shown until they fill an answer', () => {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', uid: '1', controller: true };
  const out = create({ ownerReferences: Array.from({ length: 3000 }, (_, i) => ({ ...owner, name: `owner-${i}` })) });
  assert.equal(out.length, 2999);
  assert.match(out[0]!, /Invalid value: \[\{"apiVersion":"apps\/v1","kind":"ReplicaSet","name":"owner-0"/);
  assert.match(out.at(-1)!, /: Invalid value: Only one .*ReplicaSet\/owner-0 and ReplicaSet\/owner-2999$/);
  assert.ok(out.join().length < 6e6);
});

test('finalizers are standard or qualified', () => {
  assert.deepEqual(create({ finalizers: ['example.com/f', 'orphan'] }), []);
  assert.deepEqual(create({ finalizers: ['mine'] }), [
    'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
  ]);
});

test('updates keep what identifies an object', () => {
  assert.deepEqual(update({}, {}), []);
  assert.deepEqual(update({ uid: 'v', resourceVersion: '' }, {}), [
    'metadata.resourceVersion: Invalid value: "": must be specified for an update',
    'metadata.uid: Invalid value: "v": field is immutable',
  ]);
  assert.deepEqual(
    update({ deletionTimestamp: 'd', finalizers: ['a/b', 'a/c'] }, { deletionTimestamp: 'd', finalizers: ['a/b'] }),
    [
      'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"a/c"}',
    ],
  );
});

test('label selectors', () => {
  const out = check(e =>
    validateLabelSelector(
      {
        matchExpressions: [
          { key: 'a', operator: 'In' },
          { key: 'a', operator: 'Exists', values: ['x'] },
          { key: 'a', operator: 'Near' },
          { key: 'a', operator: 'In', values: ['-'] },
        ],
      },
      path('spec.selector'),
      e,
    ),
  );
  assert.deepEqual(out.slice(0, 3), [
    "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    "spec.selector.matchExpressions[1].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
    'spec.selector.matchExpressions[2].operator: Invalid value: "Near": not a valid selector operator',
  ]);
  assert.match(out[3]!, /^spec\.selector\.matchExpressions\[3\]\.values\[0\]: Invalid value: "-": a valid label must/);
});

test('what a name begins with may be a step to a folder', () => {
  for (const start of ['.', '..', 'a-']) assert.deepEqual(nameComplaints('pathSegment', start, true), []);
  assert.deepEqual(nameComplaints('pathSegment', '..'), ["may not be '..'"]);
  assert.deepEqual(nameComplaints('pathSegment', 'a/', true), ["may not contain '/'"]);
});

test('one fault of metadata each', () => {
  const label =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
  assert.deepEqual(create({ namespace: 'N' }), [`metadata.namespace: Invalid value: "N": ${label}`]);
  assert.deepEqual(create({ generation: -1 }), [
    'metadata.generation: Invalid value: -1: must be greater than or equal to 0',
  ]);
  assert.deepEqual(update({ resourceVersion: '' }, {}), [
    'metadata.resourceVersion: Invalid value: "": must be specified for an update',
  ]);
  assert.deepEqual(update({ generation: 1 }, { generation: 2 }), [
    'metadata.generation: Invalid value: 1: must not be decremented',
  ]);
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'a', uid: '1' };
  const at = 'metadata.ownerReferences';
  const owned = (more: object) => create({ ownerReferences: [{ ...owner, ...more }] });
  assert.deepEqual(owned({ kind: '' }), [`${at}.kind: Invalid value: "": must not be empty`]);
  assert.deepEqual(owned({ name: '' }), [`${at}.name: Invalid value: "": must not be empty`]);
  assert.deepEqual(owned({ uid: '' }), [`${at}.uid: Invalid value: "": must not be empty`]);
  assert.deepEqual(owned({ apiVersion: '' }), [`${at}.apiVersion: Invalid value: "": version must not be empty`]);
  assert.deepEqual(owned({ apiVersion: 'v1', kind: 'Event' }), [
    `${at}: Invalid value: {"apiVersion":"v1","kind":"Event","name":"a","uid":"1"}: /v1, Kind=Event is disallowed from being an owner`,
  ]);
  assert.deepEqual(create({ finalizers: ['orphan', 'foregroundDeletion'] }), [
    'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
  ]);
  const subdomain =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
  const part =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
  for (const field of ['name', 'generateName'])
    assert.deepEqual(create({ [field]: 'X' }), [`metadata.${field}: Invalid value: "X": ${subdomain}`]);
  for (const field of ['labels', 'annotations'])
    assert.deepEqual(create({ [field]: { 'a b': 'c' } }), [`metadata.${field}: Invalid value: "a b": ${part}`]);
  assert.deepEqual(create({ labels: { a: 'c d' } }), [
    "metadata.labels: Invalid value: \"c d\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
  ]);
  assert.equal(create({ finalizers: ['a b'] })[0], `metadata.finalizers: Invalid value: "a b": ${part}`);
});
