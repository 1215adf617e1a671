import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Namespace } from '../../type/core-v1.ts';
import { create, ruleContext, update } from '../testing.ts';
import { namespaceStrategy } from './namespace.ts';

const made = (): Namespace => create(namespaceStrategy, { metadata: { name: 'a' }, spec: {}, status: {} }).object;

test('a new namespace is active, held by its finalizer and labelled with its name', () => {
  assert.deepEqual(made(), {
    metadata: { name: 'a', labels: { 'kubernetes.io/metadata.name': 'a' } },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  });
  assert.equal(namespaceStrategy.holdsDeletion!(made()), true);
});

test('only finalize changes the finalizers', () => {
  const emptied = { ...made(), spec: {} };
  assert.deepEqual(update(namespaceStrategy, emptied, made()).object.spec, { finalizers: ['kubernetes'] });
  const final = update(namespaceStrategy, { ...emptied, status: {} }, made(), ruleContext('finalize'));
  assert.deepEqual(final.object.spec, {});
  assert.deepEqual(final.object.status, { phase: 'Active' });
  assert.deepEqual(
    update(namespaceStrategy, { ...made(), spec: { finalizers: ['x'] } }, made(), ruleContext('finalize')).errors,
    ['spec.finalizers[0]: Invalid value: "x": name is neither a standard finalizer name nor is it fully qualified'],
  );
});

test('the phase follows the deletion timestamp', () => {
  const terminating = { ...made(), status: { phase: 'Terminating' } };
  assert.deepEqual(update(namespaceStrategy, terminating, made(), ruleContext('status')).errors, [
    'status.Phase: Invalid value: "Terminating": may only be \'Active\' if `deletionTimestamp` is empty',
  ]);
  const draft = structuredClone(made()) as Parameters<NonNullable<typeof namespaceStrategy.markDeleted>>[0];
  namespaceStrategy.markDeleted!(draft);
  assert.equal(draft.status.phase, 'Terminating');
});
