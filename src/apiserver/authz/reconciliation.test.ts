// Roles and bindings that have lost something beside what Kubernetes' own helpers make of them (testdata/README.md).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { ClusterRole, ClusterRoleBinding } from '../../api/type/rbac-v1.ts';
import { completeBinding, completeRole } from './bootstrap-policy.ts';

interface Answer {
  readonly kind: 'role' | 'binding';
  readonly existing: object;
  readonly wanted: object;
  readonly operation: 'none' | 'update' | 'recreate';
  readonly result?: object;
}

/** Without what says nothing. */
const bare = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (_, v) => {
    if (typeof v !== 'object' || v === null || Array.isArray(v)) return v;
    return Object.fromEntries(
      Object.entries(v).filter(([, x]) => Object.keys(Object(x)).length || typeof x === 'string'),
    );
  });

test('roles and bindings get back what they have lost, as in Kubernetes', () => {
  const answers = JSON.parse(
    readFileSync(new URL('testdata/reconciliation.json', import.meta.url), 'utf8'),
  ) as readonly Answer[];
  for (const { kind, existing, wanted, operation, result } of answers) {
    const made =
      kind === 'role'
        ? completeRole(existing as ClusterRole, wanted as ClusterRole)
        : completeBinding(existing as ClusterRoleBinding, wanted as ClusterRoleBinding);
    const done = made === undefined ? 'none' : made === 'recreate' ? made : 'update';
    const text = JSON.stringify({ existing, wanted });
    assert.equal(done, operation, text);
    if (operation === 'update') assert.deepEqual(bare(made), bare(result), text);
  }
});
