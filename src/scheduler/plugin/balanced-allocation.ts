import type { Plugin } from '../framework.ts';
import { type Resources, resourceValue } from '../kernel/resources.ts';
import { balance } from '../kernel/score.ts';
import { skip } from '../status.ts';
import type { ResourceSpec } from './resource-scorer.ts';

/** NodeResourcesBalancedAllocationArgs of kubescheduler.config.k8s.io/v1. */
export interface BalancedAllocationArgs {
  readonly resources?: readonly ResourceSpec[];
}

const standard = ['cpu', 'memory', 'ephemeral-storage'];

/** Prefers nodes whose resources would be used evenly. */
export function nodeResourcesBalancedAllocation(_handle: unknown, args: unknown): Plugin {
  const given = (args as BalancedAllocationArgs | undefined)?.resources;
  const names = given?.length ? given.map(r => r.name) : ['cpu', 'memory'];
  const asksFor = (r: Resources) => names.some(n => resourceValue(r, n) > 0);
  return {
    name: 'NodeResourcesBalancedAllocation',
    sign: ({ requests }) => names.map(n => resourceValue(requests, n)).join('/'),
    preScore: (_state, pod) => (asksFor(pod.requests) ? undefined : skip),
    score(_state, pod, node) {
      const shares: number[] = [];
      for (const name of names) {
        const wants = resourceValue(pod.requests, name);
        if (wants === 0 && !standard.includes(name)) continue;
        const capacity = resourceValue(node.allocatable, name);
        if (capacity > 0) shares.push(Math.min(1, (resourceValue(node.requested, name) + wants) / capacity));
      }
      return balance(shares);
    },
  };
}
