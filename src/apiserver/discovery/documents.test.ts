import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RegisteredVersion } from '../aggregation/kernel/remote-discovery.ts';
import { aggregatedDiscovery, apiGroup, apiGroupList, type Served } from './documents.ts';

const registered = (name: string, groupPriority: number, versionPriority: number): RegisteredVersion => {
  const [version = '', ...group] = name.split('.');
  return { name, group: group.join('.'), version, groupPriority, versionPriority, remote: { resources: [] } };
};
const served = (...versions: RegisteredVersion[]): Served => ({ groups: [], resources: [], registered: versions });
const listed = (from: Served) =>
  (apiGroupList(from) as { groups: { name: string; versions: { version: string }[] }[] }).groups.map(
    g => `${g.name} ${g.versions.map(v => v.version)}`,
  );
const aggregated = (from: Served) =>
  (
    aggregatedDiscovery(from, false) as unknown as {
      items: { metadata: { name: string }; versions: { version: string; freshness: string }[] }[];
    }
  ).items.map(g => `${g.metadata.name} ${g.versions.map(v => `${v.version}:${v.freshness}`)}`);

// As kube-aggregator lists the same APIServices.
test('groups are in the order of their APIServices, by priority and then by name', () => {
  const from = served(
    registered('v1.t1', 500, 10),
    registered('v2.t0', 10, 20),
    registered('v3.t0', 500, 10),
    registered('v1.t2', 500, 10),
    registered('v0.t2', 500, 1),
    registered('v9.t3', 500, 50),
    registered('a1.t3', 500, 10),
    registered('v1.low', 100, 10),
  );
  assert.deepEqual(listed(from), ['t3 v9,a1', 't2 v1,v0', 't1 v1', 't0 v2,v3', 'low v1']);
  assert.deepEqual(
    aggregated(from).map(g => g.split(' ')[0]),
    ['t0', 't1', 't2', 't3', 'low'],
  );
});

test('a version nobody answers for is stale, one that is served here by none is only listed', () => {
  const { remote: _, ...local } = registered('v1.local', 100, 10);
  const from = served({ ...registered('v1.away', 200, 10), remote: { resources: undefined } }, local);
  assert.deepEqual(listed(from), ['away v1', 'local v1']);
  assert.deepEqual(aggregated(from), ['away v1:Stale']);
  const { items } = aggregatedDiscovery(from, false) as unknown as { items: { versions: object[] }[] };
  assert.deepEqual(items[0]!.versions, [{ version: 'v1', freshness: 'Stale' }]);
});

test('what is served without an APIService, since that was deleted, is no longer listed but still described', () => {
  const resource = { group: 'apps', version: 'v1', resource: 'things', subresources: new Map(), shortNames: [] };
  const from = {
    groups: [{ name: 'apps', preferredVersion: 'v1', priority: 5, versions: [{ version: 'v1', priority: 1 }] }],
    resources: [resource],
    registered: [],
  } as unknown as Served;
  assert.deepEqual(listed(from), ['apps v1']);
  const without = { ...from, withdrawn: new Set(['v1.apps']) };
  assert.deepEqual(listed(without), []);
  assert.ok(apiGroup(without, 'apps'));
});
