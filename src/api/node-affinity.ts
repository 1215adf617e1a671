// Node selectors: what a pod demands or prefers of a node's labels and name.
import { own } from '../base/own.ts';
import type {
  Node,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodSpec,
  PreferredSchedulingTerm,
} from './type/core-v1.ts';

type Labels = Readonly<Record<string, string>>;

const integer = /^[+-]?[0-9]+$/;
const noLabels: Labels = {};

/** One requirement on the value, which is undefined when there is none. */
export function requirementMatches(r: NodeSelectorRequirement, value: string | undefined): boolean {
  const values = r.values ?? [];
  switch (r.operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      const bound = values[0];
      if (value === undefined || bound === undefined || !integer.test(value) || !integer.test(bound)) return false;
      return r.operator === 'Gt' ? BigInt(value) > BigInt(bound) : BigInt(value) < BigInt(bound);
    }
    default:
      return false;
  }
}

/** A term without requirements selects nothing. */
export function termMatches(term: NodeSelectorTerm, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length + matchFields.length === 0) return false;
  const labels = node.metadata.labels ?? noLabels;
  for (const r of matchExpressions) if (!requirementMatches(r, own(labels, r.key))) return false;
  for (const r of matchFields)
    if (r.key !== 'metadata.name' || !requirementMatches(r, node.metadata.name)) return false;
  return true;
}

/** Any of the terms. */
export function nodeSelectorMatches(selector: NodeSelector, node: Node): boolean {
  for (const term of selector.nodeSelectorTerms ?? []) if (termMatches(term, node)) return true;
  return false;
}

/** What the pod requires: its nodeSelector and its required node affinity. */
export function requiredNodeAffinityMatches(
  { spec: { nodeSelector, affinity } }: { readonly spec: Pick<PodSpec, 'nodeSelector' | 'affinity'> },
  node: Node,
): boolean {
  if (nodeSelector) {
    const labels = node.metadata.labels ?? noLabels;
    for (const key in nodeSelector) if (own(labels, key) !== nodeSelector[key]) return false;
  }
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || nodeSelectorMatches(required, node);
}

/** The sum of the weights of the preferences that the node meets; an empty preference is met by none. */
export function preferenceScore(preferences: readonly PreferredSchedulingTerm[], node: Node): number {
  let sum = 0;
  for (const p of preferences) if (p.weight !== 0 && termMatches(p.preference, node)) sum += p.weight;
  return sum;
}

/** The only nodes the terms allow, when each of them names nodes. */
export function nodeNamesOf(selector: NodeSelector | undefined): Set<string> | undefined {
  if (!selector?.nodeSelectorTerms?.length) return undefined;
  const all = new Set<string>();
  for (const term of selector.nodeSelectorTerms) {
    let names: Set<string> | undefined;
    for (const r of term.matchFields ?? []) {
      if (r.key !== 'metadata.name' || r.operator !== 'In') continue;
      const these = new Set(r.values ?? []);
      names = names ? names.intersection(these) : these;
    }
    if (!names) return undefined;
    for (const n of names) all.add(n);
  }
  return all;
}
