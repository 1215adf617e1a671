// One fault each, and all that a client is told of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, update } from '../testing.ts';
import { clusterRoleBindingStrategy, roleBindingStrategy } from './binding.ts';

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const GROUP = 'rbac.authorization.k8s.io';
const binding = (roleRef: object, subjects: object[] = []): any => ({
  metadata: { name: 'b', namespace: 'n' },
  roleRef: { apiGroup: GROUP, kind: 'ClusterRole', name: 'r', ...roleRef },
  subjects,
});
const toRole = (roleRef: object) => create(clusterRoleBindingStrategy, binding(roleRef)).errors;
const toSubject = (subject: object, strategy: typeof clusterRoleBindingStrategy = clusterRoleBindingStrategy) =>
  create(strategy, binding({}, [{ kind: 'ServiceAccount', name: 's', namespace: 'n', ...subject }])).errors;

test('of the role of a binding', () => {
  assert.deepEqual(toRole({}), []);
  assert.deepEqual(toRole({ apiGroup: 'other' }), [
    `roleRef.apiGroup: Unsupported value: "other": supported values: "${GROUP}"`,
  ]);
  assert.deepEqual(toRole({ kind: 'Role' }), [
    'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
  ]);
  assert.deepEqual(create(roleBindingStrategy, binding({ kind: 'Some' })).errors, [
    'roleRef.kind: Unsupported value: "Some": supported values: "Role", "ClusterRole"',
  ]);
  assert.deepEqual(toRole({ name: '' }), ['roleRef.name: Required value']);
  assert.deepEqual(toRole({ name: 'a/b' }), [`roleRef.name: Invalid value: "a/b": may not contain '/'`]);
  const [moved, ...others] = update(roleBindingStrategy, binding({ name: 's' }), binding({})).errors;
  assert.match(moved!, /^roleRef: Invalid value: \{.*\}: cannot change roleRef$/);
  assert.deepEqual(others, []);
});

test('of the subjects of a binding', () => {
  assert.deepEqual(toSubject({}), []);
  assert.deepEqual(toSubject({ name: '' }), ['subjects[0].name: Required value']);
  assert.deepEqual(toSubject({ name: 'S' }), [`subjects[0].name: Invalid value: "S": ${SUBDOMAIN}`]);
  assert.deepEqual(toSubject({ apiGroup: GROUP }), [
    `subjects[0].apiGroup: Unsupported value: "${GROUP}": supported values: ""`,
  ]);
  assert.deepEqual(toSubject({ namespace: '' }), ['subjects[0].namespace: Required value']);
  assert.deepEqual(toSubject({ namespace: '' }, roleBindingStrategy as typeof clusterRoleBindingStrategy), []);
  for (const kind of ['User', 'Group'])
    assert.deepEqual(toSubject({ kind, apiGroup: 'other', namespace: undefined }), [
      `subjects[0].apiGroup: Unsupported value: "other": supported values: "${GROUP}"`,
    ]);
  assert.deepEqual(toSubject({ kind: 'Some' }), [
    'subjects[0].kind: Unsupported value: "Some": supported values: "ServiceAccount", "User", "Group"',
  ]);
});
