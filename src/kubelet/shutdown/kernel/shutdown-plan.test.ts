import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../../api/type/core-v1.ts';
import { endingGroups, graceOf, groupsOfPeriods, wholeSeconds } from './shutdown-plan.ts';

const pod = (name: string, priority?: number, terminationGracePeriodSeconds?: number) =>
  ({ metadata: { name }, spec: { priority, terminationGracePeriodSeconds } }) as unknown as Pod;
const names = (groups: Parameters<typeof endingGroups>[0], pods: readonly Pod[]) =>
  endingGroups(groups, pods).map(g => [g.seconds, g.pods.map(p => p.metadata.name).join()]);

test('critical pods end after the others', () => {
  const groups = groupsOfPeriods(30, 10);
  assert.equal(wholeSeconds(groups), 30);
  assert.deepEqual(names(groups, [pod('critical', 2_000_001_000), pod('a'), pod('b', 1000), pod('low', -5)]), [
    [20, 'a,b,low'],
    [10, 'critical'],
  ]);
  assert.deepEqual(names(groups, [pod('critical', 2_000_000_000)]), [[10, 'critical']]);
});

test('pods end by their priority, each range in its time', () => {
  const groups = [
    { priority: 100_000, seconds: 10 },
    { priority: 0, seconds: 60 },
    { priority: 1000, seconds: 120 },
  ];
  const pods = [pod('a', 100_000), pod('b', 99_999), pod('c', 1000), pod('d', 999), pod('e', -1)];
  assert.deepEqual(names(groups, pods), [
    [60, 'd,e'],
    [120, 'b,c'],
    [10, 'a'],
  ]);
  assert.deepEqual(
    [graceOf(pod('x', 0, 30), groups[0]!), graceOf(pod('x', 0, 5), groups[0]!), graceOf(pod('x'), groups[0]!)],
    [10, 5, 10],
  );
});
