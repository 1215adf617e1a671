import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import { rbacV1 } from '../../api/refs.ts';
import type { ClusterRole, PolicyRule } from '../../api/type/rbac-v1.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { clusterRoleAggregationController } from './cluster-role-aggregation.ts';

const rule = (resource: string): Draft<PolicyRule> => ({ verbs: ['get'], apiGroups: [''], resources: [resource] });
const role = (name: string, labels: Record<string, string>, ...resources: string[]): Draft<ClusterRole> => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name, labels },
  rules: resources.map(rule),
});
const aggregate = (name: string, labels: Record<string, string>, ...selected: string[]): Draft<ClusterRole> => ({
  ...role(name, labels),
  aggregationRule: { clusterRoleSelectors: selected.map(key => ({ matchLabels: { [key]: 'true' } })) },
});
const resources = (bench: ControllerBench, name: string) =>
  bench.client.object(rbacV1.clusterroles, name)!.rules?.map(r => r.resources!.join()) ?? [];

describe('clusterrole-aggregation-controller', () => {
  it('gathers rules by selector, then by name, each once, through several levels', async () => {
    await using bench = await controllerBench([clusterRoleAggregationController()], {
      objects: [
        aggregate('admin', {}, 'to-admin', 'to-edit'),
        aggregate('edit', { 'to-admin': 'true' }, 'to-edit'),
        role('b', { 'to-edit': 'true' }, 'pods', 'secrets'),
        role('a', { 'to-edit': 'true' }, 'services', 'pods'),
        role('z', { 'to-admin': 'true' }, 'nodes'),
      ],
    });
    await bench.settle();
    assert.deepEqual(resources(bench, 'edit'), ['services', 'pods', 'secrets']);
    assert.deepEqual(resources(bench, 'admin'), ['services', 'pods', 'secrets', 'nodes']);
    const patch = bench.client.actions.find(a => a.verb === 'patch')!;
    assert.equal(patch.serviceAccount, 'clusterrole-aggregation-controller');
    bench.client.clearActions();
    bench.client.set(rbacV1.clusterroles, role('c', { other: 'true' }, 'x'));
    await bench.advance(600_000);
    assert.deepEqual(bench.client.writes(), []);
    bench.client.remove(rbacV1.clusterroles, 'b');
    await bench.settle();
    assert.deepEqual(resources(bench, 'edit'), ['services', 'pods']);
    assert.deepEqual(resources(bench, 'admin'), ['services', 'pods', 'nodes']);
  });

  it('takes away rules that nobody selected brings, and leaves plain roles alone', async () => {
    const doctored = { ...aggregate('edit', {}, 'to-edit'), rules: [rule('everything')] };
    await using bench = await controllerBench([clusterRoleAggregationController()], {
      objects: [doctored, role('plain', {}, 'pods')],
    });
    await bench.settle();
    assert.deepEqual(resources(bench, 'edit'), []);
    assert.deepEqual(resources(bench, 'plain'), ['pods']);
  });
});
