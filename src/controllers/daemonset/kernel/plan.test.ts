import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DaemonSet } from '../../../api/type/apps-v1.ts';
import type { Node, Pod } from '../../../api/type/core-v1.ts';
import { daemonTolerations, placementOf, targetNode } from './daemon-pod.ts';
import { groupByNode, type PlanInput, planNodes, planUpdate, updateLimits } from './plan.ts';

const daemonSet = (rollingUpdate: object = {}, spec: object = {}) =>
  ({
    metadata: { name: 'd', namespace: 'a', uid: 'u' },
    spec: { template: { spec }, updateStrategy: { type: 'RollingUpdate', rollingUpdate } },
    status: {},
  }) as unknown as DaemonSet;
const node = (name: string, labels: Record<string, string> = {}, taints: object[] = []) =>
  ({ metadata: { name, labels }, spec: { taints } }) as unknown as Node;

interface PodOptions {
  hash?: string;
  ready?: boolean;
  phase?: string;
  age?: number;
  deleted?: boolean;
}
const pod = (name: string, nodeName: string, options: PodOptions = {}) => {
  const { hash = 'new', ready = true, phase = 'Running', age = 0, deleted = false } = options;
  return {
    metadata: {
      name,
      uid: name,
      creationTimestamp: `2026-01-01T00:00:0${9 - age}Z`,
      labels: { 'controller-revision-hash': hash },
      ...(deleted ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: { nodeName },
    status: { phase, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  } as unknown as Pod;
};
const input = (ds: DaemonSet, names: string[], pods: Pod[]): PlanInput => {
  const nodes = names.map(n => node(n));
  const place = placementOf(ds);
  const placements = new Map(nodes.map(n => [n.metadata.name, place(n)]));
  return { ds, hash: 'new', nodes, placements, pods: groupByNode(pods), nowMs: 0 };
};
const removed = (plan: { remove: readonly Pod[] }) => plan.remove.map(p => p.metadata.name).sort();

describe('placement', () => {
  const affinity = (term: object) => ({
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } } },
  });
  const expression = (operator: string, values: string[]) =>
    affinity({ matchExpressions: [{ key: 'x', operator, values }] });
  const taint = (effect: string) => [{ key: 'k', value: 'v', effect }];
  const here = { shouldRun: true, mayStay: true };
  const nowhere = { shouldRun: false, mayStay: false };
  const table: [what: string, spec: object, node: Node, want: object][] = [
    ['anywhere', {}, node('n'), here],
    ['by name', { nodeName: 'n' }, node('n'), here],
    ['by another name', { nodeName: 'm' }, node('n'), nowhere],
    ['by selector', { nodeSelector: { x: '1' } }, node('n', { x: '1' }), here],
    ['by another selector', { nodeSelector: { x: '2' } }, node('n', { x: '1' }), nowhere],
    ['In', expression('In', ['1', '2']), node('n', { x: '1' }), here],
    ['NotIn', expression('NotIn', ['1']), node('n', { x: '1' }), nowhere],
    ['Exists', expression('Exists', []), node('n', { x: '1' }), here],
    ['DoesNotExist', expression('DoesNotExist', []), node('n', { x: '1' }), nowhere],
    ['Gt', expression('Gt', ['5']), node('n', { x: '10' }), here],
    ['Lt', expression('Lt', ['5']), node('n', { x: '10' }), nowhere],
    ['Gt of no number', expression('Gt', ['5']), node('n', { x: 'a' }), nowhere],
    ['an empty term', affinity({}), node('n'), nowhere],
    ['by field', affinity({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }] }), node('n'), here],
    ['NoSchedule', {}, node('n', {}, taint('NoSchedule')), { shouldRun: false, mayStay: true }],
    ['NoExecute', {}, node('n', {}, taint('NoExecute')), nowhere],
    ['PreferNoSchedule', {}, node('n', {}, taint('PreferNoSchedule')), here],
    ['tolerated', { tolerations: [{ key: 'k', value: 'v' }] }, node('n', {}, taint('NoExecute')), here],
    ['tolerated otherwise', { tolerations: [{ key: 'k', value: 'w' }] }, node('n', {}, taint('NoExecute')), nowhere],
    ['cordoned', {}, node('n', {}, [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }]), here],
  ];
  for (const [what, spec, n, want] of table)
    it(what, () => assert.deepEqual(placementOf(daemonSet({}, spec))(n), want));

  it('adds each toleration once', () => {
    const own = { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 };
    const all = daemonTolerations({ tolerations: [own], containers: [] } as never);
    assert.equal(all.length, 6);
    assert.equal(all[0]!.tolerationSeconds, undefined, 'for ever');
  });

  it('reads the node a pod is meant for', () => {
    assert.equal(targetNode(pod('p', 'n')), 'n');
    assert.equal(targetNode({ metadata: {}, spec: {} } as Pod), '');
  });
});

describe('pods of nodes', () => {
  it('come where they are missing, and go where there are two', () => {
    const pods = [pod('young', 'n1', { age: 1 }), pod('old', 'n1', { age: 5 }), pod('ok', 'n2')];
    const plan = planNodes(input(daemonSet(), ['n1', 'n2', 'n3'], pods));
    assert.deepEqual(plan.create, ['n3']);
    assert.deepEqual(removed(plan), ['young']);
  });

  it('wait for one that is going, and go when they have ended', () => {
    const pods = [
      pod('going', 'n1', { deleted: true }),
      pod('failed', 'n2', { phase: 'Failed' }),
      pod('done', 'n3', { phase: 'Succeeded' }),
      pod('gone', 'n4', { phase: 'Failed', deleted: true }),
    ];
    const plan = planNodes(input(daemonSet(), ['n1', 'n2', 'n3', 'n4'], pods));
    assert.deepEqual(plan.create, ['n4']);
    assert.deepEqual(removed(plan), ['done', 'failed']);
    assert.deepEqual(
      plan.failed.map(p => p.metadata.name),
      ['failed'],
    );
  });

  it('may be two with surge, an old one and a new one, until the new one is available', () => {
    const ds = daemonSet({ maxSurge: 1, maxUnavailable: 0 });
    const pair = (old: PodOptions, fresh: PodOptions) => [
      pod('old', 'n', { hash: 'old', age: 5, ...old }),
      pod('new', 'n', { age: 1, ...fresh }),
      pod('newer', 'n', { age: 0 }),
    ];
    assert.deepEqual(removed(planNodes(input(ds, ['n'], pair({}, { ready: false })))), ['newer']);
    assert.deepEqual(removed(planNodes(input(ds, ['n'], pair({}, {})))), ['newer', 'old']);
    assert.deepEqual(removed(planNodes(input(ds, ['n'], pair({ ready: false }, { ready: false })))), ['newer', 'old']);
  });
});

describe('rolling update', () => {
  it('resolves amounts rounding up, and both zero as one', () => {
    const of = (rolling: object, desired: number) => Object.values(updateLimits(daemonSet(rolling), desired));
    assert.deepEqual(of({ maxUnavailable: '10%' }, 15), [0, 2]);
    assert.deepEqual(of({ maxSurge: '30%', maxUnavailable: 0 }, 5), [2, 0]);
    assert.deepEqual(of({ maxSurge: 0, maxUnavailable: 0 }, 5), [0, 1]);
    assert.deepEqual(of({}, 5), [0, 1]);
  });

  it('replaces what is not available first, and counts it', () => {
    const old = (name: string, ready: boolean) => pod(name, name, { hash: 'old', ready });
    const names = ['n1', 'n2', 'n3'];
    const ds = daemonSet({ maxUnavailable: 1 });
    assert.deepEqual(
      removed(
        planUpdate(
          input(
            ds,
            names,
            names.map(n => old(n, n !== 'n2')),
          ),
        ),
      ),
      ['n2'],
    );
    assert.equal(
      removed(
        planUpdate(
          input(
            ds,
            names,
            names.map(n => old(n, true)),
          ),
        ),
      ).length,
      1,
    );
    const waiting = [old('n1', true), old('n2', true), pod('fresh', 'n3', { ready: false })];
    assert.deepEqual(removed(planUpdate(input(ds, names, waiting))), []);
  });

  it('surges where the old one is not available, beyond the limit', () => {
    const ds = daemonSet({ maxSurge: 1, maxUnavailable: 0 });
    const pods = ['n1', 'n2', 'n3'].map(n => pod(n, n, { hash: 'old', ready: n !== 'n3' }));
    assert.deepEqual(planUpdate(input(ds, ['n1', 'n2', 'n3'], pods)).create, ['n3', 'n1']);
  });
});
