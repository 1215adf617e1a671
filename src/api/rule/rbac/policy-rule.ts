// The rules of Roles and ClusterRoles.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type { Strategy } from '../../strategy.ts';
import type { ClusterRole, PolicyRule, Role } from '../../type/rbac-v1.ts';
import { validateLabelSelector } from '../meta.ts';

const RULES = path('rules');
const SELECTORS = path('aggregationRule.clusterRoleSelectors');

function validateRule(rule: PolicyRule, namespaced: boolean, at: FieldPath, errors: FieldErrors): void {
  const { verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
  if (!verbs?.length) errors.required(at.child('verbs'), 'verbs must contain at least one value');
  if (nonResourceURLs.length > 0) {
    const here = at.child('nonResourceURLs');
    if (namespaced) errors.invalid(here, nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs');
    if (apiGroups.length + resources.length + resourceNames.length > 0)
      errors.invalid(here, nonResourceURLs, 'rules cannot apply to both regular resources and non-resource URLs');
    return;
  }
  if (apiGroups.length === 0)
    errors.required(at.child('apiGroups'), 'resource rules must supply at least one api group');
  if (resources.length === 0)
    errors.required(at.child('resources'), 'resource rules must supply at least one resource');
}

function validateRules(
  rules: readonly PolicyRule[] | null | undefined,
  namespaced: boolean,
  errors: FieldErrors,
): void {
  for (const [i, rule] of (rules ?? []).entries()) validateRule(rule, namespaced, RULES.index(i), errors);
}

const rbac = { nameRule: 'pathSegment', allowCreateOnUpdate: true } as const;

export const roleStrategy: Strategy<Role> = {
  ...rbac,
  validate: (role, errors) => validateRules(role.rules, true, errors),
};

export const clusterRoleStrategy: Strategy<ClusterRole> = {
  ...rbac,
  validate(role, errors) {
    validateRules(role.rules, false, errors);
    if (!role.aggregationRule) return;
    const selectors = role.aggregationRule.clusterRoleSelectors ?? [];
    if (selectors.length === 0)
      errors.required(SELECTORS, 'at least one clusterRoleSelector required if aggregationRule is non-nil');
    for (const [i, selector] of selectors.entries()) validateLabelSelector(selector, SELECTORS.index(i), errors);
  },
};
