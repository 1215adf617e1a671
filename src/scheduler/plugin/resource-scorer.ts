// How NodeResourcesFit scores: by what is left, by what is taken, or along a line the user draws.
import type { NodeInfo } from '../cache/node-info.ts';
import { resourceValue } from '../kernel/resources.ts';
import { brokenLine, leastRequested, mostRequested, type ShapePoint } from '../kernel/score.ts';
import type { PodInfo } from '../pod-info.ts';

export interface ResourceSpec {
  readonly name: string;
  readonly weight?: number;
}

export interface ScoringStrategy {
  readonly type?: 'LeastAllocated' | 'MostAllocated' | 'RequestedToCapacityRatio';
  readonly resources?: readonly ResourceSpec[];
  /** Utilization 0 to 100, score 0 to 10. */
  readonly requestedToCapacityRatio?: { readonly shape?: readonly ShapePoint[] };
}

/** NodeResourcesFitArgs of kubescheduler.config.k8s.io/v1. */
export interface NodeResourcesFitArgs {
  readonly ignoredResources?: readonly string[];
  readonly ignoredResourceGroups?: readonly string[];
  readonly scoringStrategy?: ScoringStrategy;
}

const defaultResources: readonly ResourceSpec[] = [{ name: 'cpu' }, { name: 'memory' }];

const isScalar = (resource: string) => !['cpu', 'memory', 'ephemeral-storage'].includes(resource);

export function resourceScorer(strategy: ScoringStrategy = {}): (pod: PodInfo, node: NodeInfo) => number {
  const resources = (strategy.resources?.length ? strategy.resources : defaultResources).map(r => ({
    name: r.name,
    weight: r.weight || 1,
    scalar: isScalar(r.name),
  }));
  const ratio = strategy.type === 'RequestedToCapacityRatio';
  const line = brokenLine((strategy.requestedToCapacityRatio?.shape ?? []).map(p => ({ ...p, score: p.score * 10 })));
  const scoreOne = ratio
    ? (requested: number, capacity: number) =>
        line(requested > capacity ? 100 : Math.trunc((requested * 100) / capacity))
    : strategy.type === 'MostAllocated'
      ? mostRequested
      : leastRequested;
  return (pod, node) => {
    let sum = 0;
    let weights = 0;
    for (const { name, weight, scalar } of resources) {
      const wants = resourceValue(pod.scored, name);
      // An extended resource matters to those who ask for it.
      if (scalar && wants === 0) continue;
      const capacity = resourceValue(node.allocatable, name);
      if (capacity === 0) continue;
      const score = scoreOne(resourceValue(node.scored, name) + wants, capacity);
      if (ratio && score <= 0) continue;
      sum += score * weight;
      weights += weight;
    }
    if (weights === 0) return 0;
    return ratio ? Math.round(sum / weights) : Math.trunc(sum / weights);
  };
}
