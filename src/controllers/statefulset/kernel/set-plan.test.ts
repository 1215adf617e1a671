import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StatefulSet } from '../../../api/type/apps-v1.ts';
import type { Pod } from '../../../api/type/core-v1.ts';
import { type PlanInput, planSet } from './set-plan.ts';

const statefulSet = (replicas: number, more: object = {}) =>
  ({ metadata: { name: 'db', namespace: 'a' }, spec: { replicas, ...more }, status: {} }) as unknown as StatefulSet;

interface PodOptions {
  revision?: string;
  ready?: boolean;
  phase?: string;
  deleted?: boolean;
}
const pod = (ordinal: number, { revision = 'r2', ready = true, phase = 'Running', deleted }: PodOptions = {}) =>
  ({
    metadata: {
      name: `db-${ordinal}`,
      uid: `db-${ordinal}`,
      labels: { 'controller-revision-hash': revision },
      ...(deleted ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    status: { phase, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  }) as unknown as Pod;

function plan(set: StatefulSet, pods: Pod[], more: Partial<PlanInput> = {}) {
  const { remove, create, isBlocked } = planSet({
    set,
    pods,
    currentRevision: 'r1',
    updateRevision: 'r2',
    nowMs: 0,
    usesMaxUnavailable: false,
    isStale: () => false,
    ...more,
  });
  return {
    remove: remove.map(p => p.metadata.name),
    create: create.map(b => `${b.ordinal} ${b.revision}`),
    ...(isBlocked ? { isBlocked } : {}),
  };
}
const nothing = { remove: [], create: [] };
const parallel = { podManagementPolicy: 'Parallel' };
const partition = (n: number, maxUnavailable?: number) => ({
  updateStrategy: {
    type: 'RollingUpdate',
    rollingUpdate: { partition: n, ...(maxUnavailable ? { maxUnavailable } : {}) },
  },
});

describe('pods in order', () => {
  it('come one at a time, the lowest first', () => {
    assert.deepEqual(plan(statefulSet(3), []), { remove: [], create: ['0 r2'] });
    assert.deepEqual(plan(statefulSet(3), [pod(0, { ready: false })]), nothing);
    assert.deepEqual(plan(statefulSet(3), [pod(0), pod(2)]), { remove: [], create: ['1 r2'] });
    assert.deepEqual(plan(statefulSet(3), [pod(0, { deleted: true })]), nothing);
  });

  it('go one at a time, the highest first, and not while another is unhealthy', () => {
    assert.deepEqual(plan(statefulSet(1), [pod(0), pod(1), pod(2)]), { remove: ['db-2'], create: [] });
    assert.deepEqual(plan(statefulSet(1), [pod(0), pod(1), pod(2, { deleted: true })]), nothing);
    assert.deepEqual(plan(statefulSet(1), [pod(0, { ready: false }), pod(1)]), nothing);
    assert.deepEqual(plan(statefulSet(1), [pod(0), pod(1, { ready: false }), pod(2, { ready: false })]), nothing);
    assert.deepEqual(plan(statefulSet(1), [pod(0), pod(1), pod(2, { ready: false })]), {
      remove: ['db-2'],
      create: [],
    });
  });

  it('are removed when they have ended', () => {
    assert.deepEqual(plan(statefulSet(2), [pod(0, { phase: 'Succeeded' })]), { remove: ['db-0'], create: [] });
    assert.deepEqual(plan(statefulSet(2), [pod(0, { phase: 'Failed', deleted: true })]), nothing);
  });

  it('count from the start ordinal', () => {
    const set = statefulSet(2, { ordinals: { start: 3 } });
    assert.deepEqual(plan(set, [pod(3), pod(1), pod(0)]), { remove: [], create: ['4 r2'] });
    assert.deepEqual(plan(set, [pod(3), pod(4), pod(1), pod(0)]), { remove: ['db-1'], create: [] });
  });

  it('wait for claims of their predecessors', () => {
    const isStale = (name: string) => name === 'db-0';
    assert.deepEqual(plan(statefulSet(2), [], { isStale }), { ...nothing, isBlocked: true });
    assert.deepEqual(plan(statefulSet(2, parallel), [], { isStale }), {
      remove: [],
      create: ['1 r2'],
      isBlocked: true,
    });
  });
});

describe('pods in parallel', () => {
  it('come and go all at once', () => {
    assert.deepEqual(plan(statefulSet(3, parallel), []), { remove: [], create: ['0 r2', '1 r2', '2 r2'] });
    const five = [0, 1, 2, 3, 4].map(n => pod(n, { ready: n < 2 }));
    assert.deepEqual(plan(statefulSet(3, parallel), five), { remove: ['db-4', 'db-3'], create: [] });
  });
});

describe('update', () => {
  const old = (n: number, more: PodOptions = {}) => pod(n, { revision: 'r1', ...more });

  it('takes the highest outdated pod once those above are available', () => {
    assert.deepEqual(plan(statefulSet(3), [old(0), old(1), old(2)]).remove, ['db-2']);
    assert.deepEqual(plan(statefulSet(3), [old(0), old(1), pod(2)]).remove, ['db-1']);
    assert.deepEqual(plan(statefulSet(3, parallel), [old(0), old(1), pod(2, { ready: false })]).remove, []);
    assert.deepEqual(plan(statefulSet(3, parallel), [old(0), old(1), old(2, { ready: false })]).remove, ['db-2']);
  });

  it('leaves alone what is below the partition, which comes back as it was', () => {
    assert.deepEqual(plan(statefulSet(3, partition(2)), [old(0), old(1), pod(2)]), nothing);
    assert.deepEqual(plan(statefulSet(3, partition(2)), [old(0), pod(2)]).create, ['1 r1']);
    assert.deepEqual(plan(statefulSet(2, { ...partition(1), ordinals: { start: 5 } }), []).create, ['5 r1']);
  });

  it('is left to whoever deletes pods with OnDelete', () => {
    assert.deepEqual(plan(statefulSet(1, { updateStrategy: { type: 'OnDelete' } }), [old(0)]), nothing);
  });

  it('takes as many as may be unavailable', () => {
    const many = { usesMaxUnavailable: true };
    const set = statefulSet(4, { ...parallel, ...partition(0, 2) });
    assert.deepEqual(
      plan(
        set,
        [0, 1, 2, 3].map(n => old(n)),
        many,
      ).remove,
      ['db-3', 'db-2'],
    );
    assert.deepEqual(plan(set, [old(0), old(1), old(2), pod(3, { ready: false })], many).remove, ['db-2']);
    assert.deepEqual(plan(set, [old(0, { ready: false }), old(1), old(2), pod(3, { ready: false })], many).remove, [
      'db-0',
    ]);
  });
});
