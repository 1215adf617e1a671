import { selectorFromLabelSelector } from '../../../api/label-selector.ts';
import type { ClusterRole, PolicyRule } from '../../../api/type/rbac-v1.ts';

/** The rules of all roles that the role's selectors pick, each rule once; undefined when the role has them already. */
export function aggregatedRules(role: ClusterRole, all: readonly ClusterRole[]): readonly PolicyRule[] | undefined {
  if (!role.aggregationRule) return undefined;
  const byName = [...all].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const rules = new Map<string, PolicyRule>();
  for (const labelSelector of role.aggregationRule.clusterRoleSelectors ?? []) {
    const selector = selectorFromLabelSelector(labelSelector);
    for (const other of byName) {
      if (other.metadata.name === role.metadata.name || !selector.matches(other.metadata.labels ?? {})) continue;
      for (const rule of other.rules ?? []) {
        const text = textOf(rule);
        if (!rules.has(text)) rules.set(text, rule);
      }
    }
  }
  const wanted = [...rules.keys()];
  const has = (role.rules ?? []).map(textOf);
  return wanted.length === has.length && wanted.every((text, i) => text === has[i]) ? undefined : [...rules.values()];
}

/** An absent list and an empty one are the same. */
function textOf({
  verbs = [],
  apiGroups = [],
  resources = [],
  resourceNames = [],
  nonResourceURLs = [],
}: PolicyRule): string {
  return JSON.stringify([verbs, apiGroups, resources, resourceNames, nonResourceURLs]);
}
