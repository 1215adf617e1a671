// One fault each, and all that a client is told of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldErrors } from '../../field-error.ts';
import { cloneDeep, type KubeObject } from '../../meta.ts';
import type { Strategy } from '../../strategy.ts';
import { create, ruleContext, update } from '../testing.ts';
import { daemonSetStrategy } from './daemon-set.ts';
import { deploymentStrategy } from './deployment.ts';
import { statefulSetStrategy } from './stateful-set.ts';

const labels = { app: 'a' };
const workload = (spec: object) => ({
  metadata: { name: 'x', namespace: 'default', uid: 'u' },
  spec: {
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'x' }] } },
    ...spec,
  },
});
const GATE = ruleContext('', { MaxUnavailableStatefulSet: true });
const told = (strategy: Strategy<any>, spec: object) => create(strategy, workload(spec), GATE).errors;
/** What is wrong with an object as it comes, which defaults would mend. */
const undefaulted = (strategy: Strategy<any>, spec: object): string[] => {
  const errors = new FieldErrors();
  strategy.validate!(workload(spec) as never, errors, ruleContext());
  return errors.list.map(e => `${e.reason} ${e.field}: ${e.message}`);
};
const counted = (strategy: Strategy<any>, now: number, before: number): string[] => {
  const { object } = create(strategy, workload({}));
  const old = { ...object, status: { ...object.status, collisionCount: before } };
  const next: any = cloneDeep(old as KubeObject);
  next.status.collisionCount = now;
  return update(strategy, next, old, ruleContext('status')).errors;
};

const ROLLING = 'spec.updateStrategy.rollingUpdate';
test('of how a DaemonSet is updated', () => {
  const rolling = (rollingUpdate: object) =>
    told(daemonSetStrategy, { updateStrategy: { type: 'RollingUpdate', rollingUpdate } });
  assert.deepEqual(told(daemonSetStrategy, { updateStrategy: { type: 'Delete' } }), [
    'spec.updateStrategy: Unsupported value: {"Type":"Delete","RollingUpdate":null}: supported values: "RollingUpdate", "OnDelete"',
  ]);
  assert.deepEqual(
    told(daemonSetStrategy, {
      updateStrategy: { type: 'Delete', rollingUpdate: { maxUnavailable: 1, maxSurge: '5%' } },
    }),
    [
      'spec.updateStrategy: Unsupported value: {"Type":"Delete","RollingUpdate":{"MaxUnavailable":1,"MaxSurge":"5%"}}: supported values: "RollingUpdate", "OnDelete"',
    ],
  );
  assert.deepEqual(rolling({ maxUnavailable: 0 }), [
    `${ROLLING}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0`,
  ]);
  assert.deepEqual(rolling({ maxUnavailable: '0%', maxSurge: '0%' }), [
    `${ROLLING}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0`,
  ]);
  assert.deepEqual(rolling({ maxUnavailable: 1, maxSurge: 1 }), [
    `${ROLLING}.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero`,
  ]);
  assert.deepEqual(rolling({ maxUnavailable: '101%' }), [
    `${ROLLING}.maxUnavailable: Invalid value: "101%": must not be greater than 100%`,
  ]);
  assert.deepEqual(rolling({ maxUnavailable: -1 }), [
    `${ROLLING}.maxUnavailable: Invalid value: -1: must be greater than or equal to 0`,
  ]);
  assert.ok(
    undefaulted(daemonSetStrategy, { updateStrategy: { type: 'RollingUpdate' } }).includes(
      `FieldValueRequired ${ROLLING}: Required value`,
    ),
  );
  assert.deepEqual(counted(daemonSetStrategy, 1, 2), [
    'status.collisionCount: Invalid value: 1: cannot be decremented',
  ]);
});

test('of how a Deployment is updated', () => {
  assert.deepEqual(told(deploymentStrategy, { strategy: { type: 'Rolling' } }), [
    'spec.strategy.type: Unsupported value: "Rolling": supported values: "Recreate", "RollingUpdate"',
  ]);
  assert.deepEqual(told(deploymentStrategy, { strategy: { type: 'Recreate', rollingUpdate: {} } }), [
    "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
  ]);
  assert.deepEqual(told(deploymentStrategy, { strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: '0%' } } }), [
    'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0',
  ]);
  assert.deepEqual(told(deploymentStrategy, { minReadySeconds: 5, progressDeadlineSeconds: 5 }), [
    'spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds',
  ]);
  assert.ok(
    undefaulted(deploymentStrategy, { strategy: { type: 'RollingUpdate' } }).includes(
      'FieldValueRequired spec.strategy.rollingUpdate: Required value: this should be defaulted and never be nil',
    ),
  );
  assert.deepEqual(counted(deploymentStrategy, 1, 2), [
    'status.collisionCount: Invalid value: 1: cannot be decremented',
  ]);
});

test('of a StatefulSet', () => {
  const rolling = (rollingUpdate: object) =>
    told(statefulSetStrategy, { updateStrategy: { type: 'RollingUpdate', rollingUpdate } });
  assert.deepEqual(told(statefulSetStrategy, { podManagementPolicy: 'Any' }), [
    `spec.podManagementPolicy: Invalid value: "Any": must be 'OrderedReady' or 'Parallel'`,
  ]);
  assert.deepEqual(
    create(statefulSetStrategy, workload({ updateStrategy: { type: 'OnDelete', rollingUpdate: { partition: 1 } } }))
      .errors,
    [
      `${ROLLING}: Invalid value: {"Partition":1,"MaxUnavailable":null}: only allowed for updateStrategy 'RollingUpdate'`,
    ],
  );
  assert.deepEqual(told(statefulSetStrategy, { updateStrategy: { type: 'Delete' } }), [
    `spec.updateStrategy: Invalid value: {"Type":"Delete","RollingUpdate":null}: must be 'RollingUpdate' or 'OnDelete'`,
  ]);
  assert.deepEqual(rolling({ partition: -1 }), [
    `${ROLLING}.partition: Invalid value: -1: must be greater than or equal to 0`,
  ]);
  for (const none of [0, '0%'])
    assert.deepEqual(rolling({ maxUnavailable: none }), [
      `${ROLLING}.maxUnavailable: Invalid value: ${JSON.stringify(none)}: cannot be 0`,
    ]);
  assert.deepEqual(rolling({ maxUnavailable: '101%' }), [
    `${ROLLING}.maxUnavailable: Invalid value: "101%": must not be greater than 100%`,
  ]);
  assert.deepEqual(rolling({ maxUnavailable: -1 }), [
    `${ROLLING}.maxUnavailable: Invalid value: -1: must be greater than or equal to 0`,
  ]);
  assert.deepEqual(told(statefulSetStrategy, { serviceName: 'A' }), [
    "spec.serviceName: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
  ]);
  for (const when of ['whenDeleted', 'whenScaled'])
    assert.deepEqual(told(statefulSetStrategy, { persistentVolumeClaimRetentionPolicy: { [when]: 'Keep' } }), [
      `spec.persistentVolumeClaimRetentionPolicy.${when}: Unsupported value: "Keep": supported values: "Retain", "Delete"`,
    ]);
  const claim = { metadata: {}, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1' } } } };
  assert.ok(
    told(statefulSetStrategy, { volumeClaimTemplates: [claim] }).includes(
      'spec.volumeClaimTemplates[0].metadata.name: Required value',
    ),
  );
  const bare = undefaulted(statefulSetStrategy, {});
  assert.ok(bare.includes('FieldValueRequired spec.podManagementPolicy: Required value'));
  assert.ok(bare.includes('FieldValueRequired spec.updateStrategy: Required value'));
});

test('how many of a StatefulSet may be missing', () => {
  const made = (gate: boolean): unknown =>
    create(
      statefulSetStrategy,
      workload({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: {} } }),
      ruleContext('', { MaxUnavailableStatefulSet: gate }),
    ).object.spec.updateStrategy?.rollingUpdate?.maxUnavailable;
  assert.deepEqual([made(true), made(false)], [1, undefined]);
});
