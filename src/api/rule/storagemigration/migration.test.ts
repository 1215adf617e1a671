import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StorageVersionMigration } from '../../type/storagemigration-v1beta1.ts';
import { create, ruleContext, update } from '../testing.ts';
import { migrationStrategy } from './migration.ts';

const migration = (resource: object, status: object = {}) =>
  ({ metadata: { name: 'm' }, spec: { resource }, status }) as unknown as StorageVersionMigration;
const secrets = { group: '', resource: 'secrets' };

test('a migration names a resource, once and for all', () => {
  const errorsOf = (resource: object) => create(migrationStrategy, migration(resource)).errors;
  assert.deepEqual(errorsOf(secrets), []);
  assert.deepEqual(errorsOf({}), ['spec.resource.resource: Required value: resource is required to be set']);
  const [resource, group] = errorsOf({ group: 'A', resource: '.' });
  assert.match(resource!, /^spec\.resource\.resource: Invalid value: "\.": a DNS-1035 label must consist of/);
  assert.match(group!, /^spec\.resource\.group: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of/);
  const status = { resourceVersion: '5' };
  assert.deepEqual(create(migrationStrategy, migration(secrets, status)).object.status, {});
  assert.deepEqual(update(migrationStrategy, migration({ resource: 'pods' }), migration(secrets)).errors, [
    'spec: Invalid value: {"resource":{"resource":"pods"}}: field is immutable',
  ]);
});

test('how a migration goes is told once', () => {
  const condition = (type: string, status: string) => ({
    ...{ type, status, reason: 'R', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
  });
  const told = (now: object, before: object = {}) => {
    const old = migration(secrets, before);
    return update(migrationStrategy, migration(secrets, now), old, { ...ruleContext('status'), old }).errors.map(e =>
      e.replace(/Invalid value: \[.*\]: /, ''),
    );
  };
  const running = { resourceVersion: '5', conditions: [condition('Running', 'True')] };
  const done = {
    resourceVersion: '5',
    conditions: [condition('Running', 'False'), condition('Succeeded', 'True')],
  };
  const failed = { resourceVersion: '5', conditions: [condition('Failed', 'True')] };
  assert.deepEqual(told(running), []);
  assert.deepEqual(told(done, running), []);
  assert.deepEqual(told(failed, failed), []);
  assert.deepEqual(told({ conditions: [condition('Failed', 'True')] }), [], 'before it began');
  assert.deepEqual(told({ ...running, resourceVersion: '6' }, running), [
    'status.resourceVersion: Invalid value: "6": field is immutable',
  ]);
  for (const text of ['abc', '0', '01'])
    assert.deepEqual(told({ ...running, resourceVersion: text }), [
      `status.resourceVersion: Invalid value: "${text}": resource version is not well formed: ${text}`,
    ]);
  assert.deepEqual(told({ ...done, conditions: [condition('Succeeded', 'True'), condition('Failed', 'True')] }, done), [
    'status.conditions: Both success and failed conditions cannot be true at the same time',
  ]);
  assert.deepEqual(told({ ...done, conditions: [condition('Succeeded', 'True'), condition('Running', 'True')] }), [
    'status.conditions: Running condition cannot be true when success condition is true',
  ]);
  assert.deepEqual(told(running, done), [
    'status.conditions: Success condition cannot be set to false once it is true',
  ]);
  assert.deepEqual(told(running, failed), [
    'status.conditions: Failed condition cannot be set to false once it is true',
  ]);
});
