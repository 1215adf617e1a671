// Every kind's hand-written rules, by `group/resource`; the same for all versions of a group.
import type { Resource } from '../resource.ts';
import type { Strategy } from '../strategy.ts';
import { clusterStrategies } from './index-cluster.ts';
import { workloadStrategies } from './index-workload.ts';

const strategies: Readonly<Record<string, Strategy<any>>> = { ...clusterStrategies, ...workloadStrategies };

const plain: Strategy = {};

export function strategyOf(resource: Resource): Strategy {
  return strategies[`${resource.group}/${resource.resource}`] ?? plain;
}
