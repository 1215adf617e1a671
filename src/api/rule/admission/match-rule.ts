// Which requests a webhook or an admission policy is asked about.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import type { MatchCondition, RuleWithOperations } from '../../type/admissionregistration-v1.ts';
import { validateOneOf } from '../core/pod-common.ts';
import { validateLabelName } from '../meta.ts';

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const SCOPES = ['*', 'Cluster', 'Namespaced'];
const MAX_CONDITIONS = 64;

export function ruleDefaults(rules: readonly Mutable<RuleWithOperations>[] | undefined): void {
  for (const rule of rules ?? []) rule.scope ??= '*';
}

export function validateRule(rule: RuleWithOperations, at: FieldPath, errors: FieldErrors): void {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [], scope } = rule;
  if (operations.length === 0) errors.required(at.child('operations'));
  validateAlone(operations, 'operations', at.child('operations'), errors);
  for (const [i, operation] of operations.entries())
    validateOneOf(operation, OPERATIONS, at.child('operations').index(i), errors);
  if (apiGroups.length === 0) errors.required(at.child('apiGroups'));
  validateAlone(apiGroups, 'API groups', at.child('apiGroups'), errors);
  if (apiVersions.length === 0) errors.required(at.child('apiVersions'));
  validateAlone(apiVersions, 'API versions', at.child('apiVersions'), errors);
  for (const [i, version] of apiVersions.entries())
    if (version === '') errors.required(at.child('apiVersions').index(i));
  validateResources(resources, at.child('resources'), errors);
  validateOneOf(scope, SCOPES, at.child('scope'), errors);
}

function validateAlone(list: readonly string[], what: string, at: FieldPath, errors: FieldErrors): void {
  if (list.length > 1 && list.includes('*'))
    errors.invalid(at, list, `if '*' is present, must not specify other ${what}`);
}

function validateResources(resources: readonly string[], at: FieldPath, errors: FieldErrors): void {
  if (resources.length === 0) errors.required(at);
  // What stands for several, and what it then covers already.
  const wildBefore = new Set(resources.filter(r => r.endsWith('/*')).map(r => r.slice(0, -2)));
  const wildAfter = new Set(resources.filter(r => r.startsWith('*/')).map(r => r.slice(2)));
  for (const [i, resource] of resources.entries()) {
    if (resource === '') {
      errors.required(at.index(i));
      continue;
    }
    if (resource === '*/*' && resources.length > 1)
      errors.invalid(at, resources, "if '*/*' is present, must not specify other resources");
    if (resource === '*' && resources.some(r => !r.includes('/') && r !== '*'))
      errors.invalid(at, resources, "if '*' is present, must not specify other resources without subresources");
    const [name = '', sub] = resource.split('/');
    if (sub === undefined) continue;
    if (sub !== '*' && wildBefore.has(name))
      errors.invalid(at.index(i), resource, `if '${name}/*' is present, must not specify ${resource}`);
    if (name !== '*' && wildAfter.has(sub))
      errors.invalid(at.index(i), resource, `if '*/${sub}' is present, must not specify ${resource}`);
  }
}

/** Names and presence; `checkConditions` compiles. */
export function validateConditions(conditions: readonly MatchCondition[], at: FieldPath, errors: FieldErrors): void {
  if (conditions.length > MAX_CONDITIONS) errors.tooMany(at, conditions.length, MAX_CONDITIONS);
  const seen = new Set<string>();
  for (const [i, { name, expression }] of conditions.entries()) {
    const here = at.index(i);
    if (!expression?.trim()) errors.required(here.child('expression'));
    if (!name) errors.required(here.child('name'));
    else {
      validateLabelName(name, here.child('name'), errors);
      if (seen.has(name)) errors.duplicate(here.child('name'), name);
      seen.add(name);
    }
  }
}
