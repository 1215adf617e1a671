import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cloneDeep, type Draft } from '../../api/meta.ts';
import { coreV1, policyV1 } from '../../api/refs.ts';
import { modified } from '../../api/status.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import type { PodDisruptionBudget } from '../../api/type/policy-v1.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { disruptionController } from './disruption.ts';

const budget = (spec: object, status: object = {}, name = 'b'): Draft<PodDisruptionBudget> => ({
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: { name, namespace: 'a', generation: 3 },
  spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
  status,
});
const pod = (
  name: string,
  owner?: readonly [kind: string, apiVersion: string, name: string],
  ready = 'True',
): Draft<Pod> => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace: 'a',
    labels: { app: 'web' },
    ...(owner
      ? {
          ownerReferences: [
            { kind: owner[0], apiVersion: owner[1], name: owner[2], uid: `uid-${owner[2]}`, controller: true },
          ],
        }
      : {}),
  },
  spec: { containers: [] },
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready }] },
});
const workload = (kind: string, name: string, replicas: number, owner?: string) => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: {
    name,
    namespace: 'a',
    uid: `uid-${name}`,
    ...(owner
      ? {
          ownerReferences: [
            { kind: 'Deployment', apiVersion: 'apps/v1', name: owner, uid: `uid-${owner}`, controller: true },
          ],
        }
      : {}),
  },
  spec: { replicas },
});
const rs = ['ReplicaSet', 'apps/v1', 'rs'] as const;
const status = (bench: ControllerBench, name = 'b') =>
  bench.client.object(policyV1.poddisruptionbudgets, `a/${name}`)!.status;
const numbers = (bench: ControllerBench) => {
  const { disruptionsAllowed, currentHealthy, desiredHealthy, expectedPods } = status(bench);
  return [disruptionsAllowed, currentHealthy, desiredHealthy, expectedPods];
};
const condition = (bench: ControllerBench) => {
  const c = status(bench).conditions![0]!;
  return `${c.type} ${c.status} ${c.reason} ${c.message}`.trim();
};

describe('disruption-controller', () => {
  it('counts a number of pods', async () => {
    await using bench = await controllerBench([disruptionController()], {
      objects: [budget({ minAvailable: 2 }), pod('p0'), pod('p1'), pod('p2'), pod('p3', undefined, 'False')],
    });
    await bench.settle();
    assert.deepEqual(numbers(bench), [1, 3, 2, 4]);
    assert.equal(condition(bench), 'DisruptionAllowed True SufficientPods');
    assert.equal(status(bench).observedGeneration, 3);
    bench.client.remove(coreV1.pods, 'a/p0');
    await bench.settle();
    assert.deepEqual(numbers(bench), [0, 2, 2, 3]);
    assert.equal(condition(bench), 'DisruptionAllowed False InsufficientPods');
    bench.client.clearActions();
    bench.client.set(coreV1.pods, { ...pod('p1'), spec: { nodeName: 'n', containers: [] } });
    await bench.advance(600_000);
    assert.deepEqual(bench.client.writes(), []);
  });

  it('counts a share of what a Deployment wants, over its replica sets', async () => {
    await using bench = await controllerBench([disruptionController()], {
      objects: [
        budget({ maxUnavailable: '30%' }),
        workload('Deployment', 'd', 10),
        workload('ReplicaSet', 'rs', 7, 'd'),
        workload('ReplicaSet', 'rs2', 3, 'd'),
        ...Array.from({ length: 8 }, (_, i) => pod(`p${i}`, rs)),
        pod('q', ['ReplicaSet', 'apps/v1', 'rs2']),
      ],
    });
    await bench.settle();
    assert.deepEqual(numbers(bench), [2, 9, 7, 10]);
  });

  it('rounds up, and adds controllers up', async () => {
    await using bench = await controllerBench([disruptionController()], {
      objects: [
        budget({ minAvailable: '50%' }),
        workload('ReplicaSet', 'rs', 3),
        workload('StatefulSet', 's', 2),
        ...['p0', 'p1', 'p2'].map(n => pod(n, rs)),
        ...['s0', 's1'].map(n => pod(n, ['StatefulSet', 'apps/v1', 's'])),
      ],
    });
    await bench.settle();
    assert.deepEqual(numbers(bench), [2, 5, 3, 5]);
  });

  it('asks for the scale of anything else, and fails safe when there is none', async () => {
    await using bench = await controllerBench([disruptionController()], {
      objects: [budget({ maxUnavailable: 1 }, { disruptionsAllowed: 5 }), pod('p', ['Foo', 'example.com/v1', 'f'])],
    });
    await bench.settle();
    assert.equal(status(bench).disruptionsAllowed, 0);
    assert.equal(
      condition(bench),
      'DisruptionAllowed False SyncFailed no matches for kind "Foo" in version "example.com/v1"',
    );
    assert.ok(bench.events().some(e => e.startsWith('Warning CalculateExpectedPodCountFailed: Failed to calculate')));
  });

  it('tells of pods that nobody manages, and of budgets without pods', async () => {
    const other = {
      ...budget({ minAvailable: 1 }, {}, 'empty'),
      spec: { minAvailable: 1, selector: { matchLabels: { x: 'y' } } },
    };
    await using bench = await controllerBench([disruptionController()], {
      objects: [budget({ maxUnavailable: 1 }), other, pod('p')],
    });
    await bench.settle();
    assert.equal(status(bench).disruptionsAllowed, 0);
    assert.ok(
      bench
        .events()
        .some(e =>
          e.startsWith('Warning UnmanagedPods: Pods selected by this PodDisruptionBudget (selector: "&LabelSelector{'),
        ),
    );
    assert.ok(bench.events().includes('Normal NoPods: No matching pods found'));
    assert.equal(bench.client.objects(coreV1.events)[0]?.source?.component, 'controllermanager');
  });

  it('does not count pods that an eviction has taken, until two minutes have passed without their deletion', async () => {
    const disrupted = { disruptedPods: { p0: '2026-01-01T00:00:00Z', gone: '2026-01-01T00:00:00Z' } };
    await using bench = await controllerBench([disruptionController()], {
      objects: [budget({ minAvailable: 1 }, disrupted), pod('p0'), pod('p1'), pod('p2')],
    });
    await bench.settle();
    assert.deepEqual(numbers(bench), [1, 2, 1, 3]);
    assert.deepEqual(status(bench).disruptedPods, { p0: '2026-01-01T00:00:00Z' });
    await bench.advance(121_000);
    assert.deepEqual(numbers(bench), [2, 3, 1, 3]);
    assert.equal(status(bench).disruptedPods, undefined);
    assert.ok(bench.events().includes("Warning NotDeleted: Pod was expected by PDB a/b to be deleted but it wasn't"));
  });

  it('warns of a pod that several budgets count', async () => {
    await using bench = await controllerBench([disruptionController()], {
      objects: [budget({ minAvailable: 1 }), budget({ minAvailable: 1 }, {}, 'c'), pod('p')],
    });
    await bench.settle();
    const warning =
      'Warning MultiplePodDisruptionBudgets: Pod "a"/"p" matches multiple PodDisruptionBudgets.  Chose "b" arbitrarily.';
    assert.ok(bench.events().includes(warning));
  });

  it('takes back a condition that nothing came of', async () => {
    const target = (reason: string) => ({
      type: 'DisruptionTarget',
      status: 'True',
      reason,
      message: 'x',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    });
    const marked = (name: string, reason: string) => ({
      ...pod(name),
      status: { phase: 'Running' as const, conditions: [target(reason)] },
    });
    await using bench = await controllerBench([disruptionController()], {
      objects: [marked('p', 'EvictionByEvictionAPI'), marked('k', 'TerminationByKubelet')],
    });
    await bench.advance(119_000);
    assert.deepEqual(bench.client.writes(), []);
    await bench.advance(1_000);
    const after = (name: string) => bench.client.object(coreV1.pods, `a/${name}`)!.status!.conditions![0]!;
    assert.deepEqual([after('p').status, after('p').reason, after('k').status], ['False', undefined, 'True']);
  });

  it('tries again after a conflict, without failing safe', async () => {
    await using bench = await controllerBench([disruptionController()], {
      objects: [budget({ minAvailable: 1 }), pod('p0'), pod('p1')],
      prepare: c => {
        const conflict = modified({ group: 'policy', resource: 'poddisruptionbudgets' }, 'b');
        c.failNext('update', policyV1.poddisruptionbudgets, conflict);
      },
    });
    await bench.advance(1_000);
    assert.equal(condition(bench), 'DisruptionAllowed True SufficientPods');
    const bad = cloneDeep(bench.client.object(policyV1.poddisruptionbudgets, 'a/b')!) as Draft<PodDisruptionBudget>;
    bad.spec!.selector = { matchExpressions: [{ key: 'x', operator: 'Sometimes' }] };
    bench.client.set(policyV1.poddisruptionbudgets, bad);
    await bench.settle();
    assert.match(
      condition(bench),
      /^DisruptionAllowed False SyncFailed "Sometimes" is not a valid label selector operator/,
    );
  });
});
