import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Deployment, ReplicaSet } from '../../../api/type/apps-v1.ts';
import { maxSurge, maxUnavailable } from './amount.ts';
import { availableOf, sizeOf, sum } from './replica-sets.ts';
import { type Resize, resizeCurrent, resizeOld, scaleSets } from './rollout.ts';

const amount = fc.oneof(
  fc.nat({ max: 12 }),
  fc.nat({ max: 100 }).map(n => `${n}%`),
);

function deployment(replicas: number, maxSurge: number | string, maxUnavailable: number | string): Deployment {
  const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } };
  return { metadata: { name: 'd' }, spec: { replicas, strategy }, status: {} } as unknown as Deployment;
}

function set(name: string, replicas: number, available: number, max?: number, desired?: number): ReplicaSet {
  const annotations = {
    ...(max === undefined ? {} : { 'deployment.kubernetes.io/max-replicas': String(max) }),
    ...(desired === undefined ? {} : { 'deployment.kubernetes.io/desired-replicas': String(desired) }),
  };
  return {
    metadata: { name, uid: name, creationTimestamp: `2026-01-01T00:00:0${name.slice(1)}Z`, annotations },
    spec: { replicas, template: { spec: { containers: [{ name }] } } },
    status: { replicas, availableReplicas: available },
  } as unknown as ReplicaSet;
}

const resized = (rs: ReplicaSet, resizes: readonly Resize[]): ReplicaSet => {
  const to = resizes.find(r => r.set === rs)?.to;
  if (to === undefined) return rs;
  // Pods that are not available go first.
  return {
    ...rs,
    spec: { ...rs.spec, replicas: to },
    status: { ...rs.status, availableReplicas: Math.min(to, availableOf(rs)) },
  };
};

const sizes = (resizes: readonly Resize[]) => Object.fromEntries(resizes.map(r => [r.set.metadata.name, r.to]));

describe('rolling update', () => {
  it('resolves amounts: surge rounds up, unavailable rounds down, and both zero is one unavailable', () => {
    const table: [number, number | string, number | string, number, number][] = [
      [10, '25%', '25%', 3, 2],
      [1, '25%', '25%', 1, 0],
      [3, '0%', '10%', 0, 1],
      [4, 0, 9, 0, 4],
      [0, 2, 2, 2, 0],
    ];
    for (const [replicas, surge, unavailable, wantSurge, wantUnavailable] of table) {
      const d = deployment(replicas, surge, unavailable);
      assert.deepEqual(
        [maxSurge(d), maxUnavailable(d)],
        [wantSurge, wantUnavailable],
        `${replicas} ${surge} ${unavailable}`,
      );
    }
  });

  it('never has more than wanted and surge, nor fewer available than wanted less unavailable, and ends', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        amount,
        amount,
        fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 60 }),
        (replicas, surge, unavailable, arrivals) => {
          const d = deployment(replicas, surge, unavailable);
          const most = replicas + maxSurge(d);
          const least = replicas - maxUnavailable(d);
          let current = set('s2', 0, 0);
          let old = [set('s1', replicas, replicas)];
          const check = () => {
            assert.ok(sum([current, ...old], sizeOf) <= most, 'too many');
            assert.ok(sum([current, ...old], availableOf) >= least, 'too few available');
          };
          for (let i = 0; i < 400; i++) {
            const grow = resizeCurrent(d, current, old);
            current = resized(current, grow);
            check();
            if (grow.length === 0) {
              const shrink = resizeOld(d, current, old);
              old = old.map(rs => resized(rs, shrink));
              check();
            }
            const arrived = i < arrivals.length ? arrivals[i]! : 1;
            const available = Math.min(sizeOf(current), availableOf(current) + arrived);
            current = { ...current, status: { ...current.status, availableReplicas: available } };
          }
          assert.deepEqual([sizeOf(current), availableOf(current), sum(old, sizeOf)], [replicas, replicas, 0]);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('takes pods away first that are not available anyway', () => {
    const d = deployment(10, 2, 2);
    const old = [set('s1', 4, 4), set('s2', 5, 0)];
    assert.deepEqual(sizes(resizeOld(d, set('s3', 3, 3), old)), { s2: 1 });
    assert.deepEqual(sizes(resizeOld(d, set('s3', 3, 0), [set('s1', 9, 9)])), { s1: 8 });
  });

  it('takes nothing away by a status of before the last size', () => {
    const d = deployment(4, 1, 1);
    assert.deepEqual(resizeOld(d, set('s2', 2, 1), [set('s1', 3, 4)]), []);
    assert.deepEqual(sizes(resizeOld(d, set('s2', 2, 1), [set('s1', 3, 3)])), { s1: 2 });
  });
});

describe('scaling', () => {
  it('gives all to the only ReplicaSet with pods', () => {
    const split = { current: set('s2', 0, 0), old: [set('s1', 4, 4)] };
    assert.deepEqual(sizes(scaleSets(deployment(7, 1, 1), split)), { s1: 7 });
  });

  it('shares out in proportion in the middle of a rolling update', () => {
    const split = { current: set('s2', 5, 5, 13, 10), old: [set('s1', 8, 8, 13, 10)] };
    assert.deepEqual(sizes(scaleSets(deployment(15, 3, 2), split)), { s1: 11, s2: 7 });
    assert.deepEqual(sizes(scaleSets(deployment(5, 3, 2), split)), { s1: 5, s2: 3 });
    assert.deepEqual(sizes(scaleSets(deployment(0, 3, 2), split)), { s1: 0, s2: 0 });
  });

  it('always comes to wanted and surge in all, with nothing below zero', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10 }),
        fc.integer({ min: 0, max: 40 }),
        amount,
        fc.array(fc.integer({ min: 1, max: 15 }), { minLength: 2, maxLength: 5 }),
        (missing, after, surge, parts) => {
          const d = deployment(after, surge, 1);
          const max = parts.reduce((a, b) => a + b) + missing;
          const [first, ...rest] = parts.map((n, i) => set(`s${i}`, n, 0, max, max));
          const resizes = scaleSets(d, { current: first!, old: rest });
          const total = resizes.reduce((n, r) => n + r.to, 0);
          assert.ok(resizes.every(r => r.to >= 0));
          assert.equal(total, after === 0 ? 0 : after + maxSurge(d));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('ends what is old when the current one is complete', () => {
    const split = { current: set('s3', 5, 5, 6, 5), old: [set('s1', 1, 1), set('s2', 2, 0)] };
    assert.deepEqual(sizes(scaleSets(deployment(5, 1, 1), split)), { s1: 0, s2: 0 });
  });
});
