// What an admission policy or its binding matches.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { isPathSegmentName } from '../../name-rule.ts';
import type { MatchResources, NamedRuleWithOperations } from '../../type/admissionregistration-v1.ts';
import { validateOneOf } from '../core/pod-common.ts';
import { validateLabelSelector } from '../meta.ts';
import { ruleDefaults, validateRule } from './match-rule.ts';

export function matchDefaults(match: Mutable<MatchResources>): void {
  match.matchPolicy ??= 'Equivalent';
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  ruleDefaults(match.resourceRules);
  ruleDefaults(match.excludeResourceRules);
}

export function validateMatch(match: MatchResources, at: FieldPath, errors: FieldErrors): void {
  for (const field of ['namespaceSelector', 'objectSelector'] as const) {
    if (match[field]) validateLabelSelector(match[field], at.child(field), errors);
    else errors.required(at.child(field));
  }
  if (match.matchPolicy === undefined) errors.required(at.child('matchPolicy'));
  else validateOneOf(match.matchPolicy, ['Equivalent', 'Exact'], at.child('matchPolicy'), errors);
  for (const field of ['resourceRules', 'excludeResourceRules'] as const)
    for (const [i, rule] of (match[field] ?? []).entries()) validateNamedRule(rule, at.child(field).index(i), errors);
}

function validateNamedRule(rule: NamedRuleWithOperations, at: FieldPath, errors: FieldErrors): void {
  const names = rule.resourceNames ?? [];
  for (const [i, name] of names.entries()) {
    const here = at.child('resourceNames').index(i);
    for (const m of isPathSegmentName(name)) errors.invalid(here, name, m);
    if (names.indexOf(name) < i) errors.duplicate(here, name);
  }
  validateRule(rule, at, errors);
}
