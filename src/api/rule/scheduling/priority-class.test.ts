// One fault each, and all that a client is told of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, update } from '../testing.ts';
import { priorityClassStrategy } from './priority-class.ts';

const priority = (body: object, name = 'p'): any => ({ metadata: { name }, value: 5, ...body });
const told = (body: object, name?: string) => create(priorityClassStrategy, priority(body, name)).errors;
const RESERVED = "Forbidden: priority class names with 'system-' prefix are reserved for system use only. error:";

test('of a priority', () => {
  assert.deepEqual(told({ value: 1_000_000_001 }), [
    'value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
  ]);
  assert.deepEqual(told({ preemptionPolicy: 'Some' }), [
    'preemptionPolicy: Unsupported value: "Some": supported values: "Never", "PreemptLowerPriority"',
  ]);
  assert.deepEqual(told({}, 'system-mine'), [
    `metadata.name: ${RESERVED} system-mine is not a known system priority class`,
  ]);
  assert.deepEqual(told({ value: 5 }, 'system-node-critical'), [
    `metadata.name: ${RESERVED} value of system-node-critical PriorityClass must be 2000001000`,
  ]);
  assert.deepEqual(told({ value: 2_000_001_000, globalDefault: true }, 'system-node-critical'), [
    `metadata.name: ${RESERVED} globalDefault of system-node-critical PriorityClass must be false`,
  ]);
});

test('of a changed priority', () => {
  const old = create(priorityClassStrategy, priority({})).object;
  const becomes = (body: object) => update(priorityClassStrategy, { ...old, ...body }, old).errors;
  assert.deepEqual(becomes({ description: 'd' }), []);
  assert.deepEqual(becomes({ value: 6 }), ['value: Forbidden: may not be changed in an update.']);
  assert.deepEqual(becomes({ preemptionPolicy: 'Never' }), [
    'preemptionPolicy: Invalid value: "Never": field is immutable',
  ]);
});
