import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinResources } from '../resource.ts';
import { strategyOf } from './index.ts';
import { clusterStrategies } from './index-cluster.ts';
import { workloadStrategies } from './index-workload.ts';

test('rules belong to resources that exist, and to one index', () => {
  const known = new Set(builtinResources().resources.map(r => `${r.group}/${r.resource}`));
  for (const id of [...Object.keys(clusterStrategies), ...Object.keys(workloadStrategies)])
    assert.ok(known.has(id), id);
  for (const id of Object.keys(clusterStrategies)) assert.ok(!(id in workloadStrategies), id);
  const pods = builtinResources().resources.find(r => r.resource === 'pods')!;
  assert.equal(strategyOf(pods), workloadStrategies['/pods']);
});
