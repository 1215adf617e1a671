// The rules of ResourceQuotas.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import { goValue } from '../../go-value.ts';
import { IMMUTABLE } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { ResourceQuota, ResourceQuotaSpec, ScopedResourceSelectorRequirement } from '../../type/core-v1.ts';
import { isHugePages, validateResourceAmount, validateResourceName } from './resource-name.ts';

const SPEC = path('spec');
const STATUS = path('status');
const COMPUTE = ['cpu', 'memory', 'ephemeral-storage'];
const POD_RESOURCES = new Set(['pods', ...COMPUTE, ...COMPUTE.flatMap(r => [`requests.${r}`, `limits.${r}`])]);
const CLAIM_RESOURCES = new Set(['persistentvolumeclaims', 'requests.storage']);
const STANDARD = new Set([
  ...POD_RESOURCES,
  ...CLAIM_RESOURCES,
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'services.nodeports',
  'services.loadbalancers',
]);
/** What each scope can limit. */
const SCOPES: Readonly<Record<string, (resource: string) => boolean>> = {
  BestEffort: r => r === 'pods',
  NotBestEffort: r => POD_RESOURCES.has(r),
  Terminating: r => POD_RESOURCES.has(r),
  NotTerminating: r => POD_RESOURCES.has(r),
  PriorityClass: r => POD_RESOURCES.has(r),
  CrossNamespacePodAffinity: r => POD_RESOURCES.has(r),
  VolumeAttributesClass: r => CLAIM_RESOURCES.has(r),
};
const EXISTS_ONLY = ['BestEffort', 'NotBestEffort', 'Terminating', 'NotTerminating', 'CrossNamespacePodAffinity'];
const OPPOSITES = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const;

const isStandard = (name: string): boolean =>
  STANDARD.has(name) || isHugePages(name) || (name.startsWith('requests.') && isHugePages(name.slice(9)));

function validateAmounts(list: Readonly<Record<string, string>> | undefined, at: FieldPath, errors: FieldErrors): void {
  for (const name in list) {
    const here = at.key(name);
    if (!isStandard(name)) {
      validateResourceName(name, here, errors);
      if (!name.includes('/')) errors.invalid(here, name, 'must be a standard resource for quota');
    }
    validateResourceAmount(name, list[name]!, here, errors);
  }
}

/** Each of them is told. */
function unsuitedTo(scope: string, spec: ResourceQuotaSpec): string[] {
  const limits = Object.hasOwn(SCOPES, scope) ? SCOPES[scope] : undefined;
  return limits ? Object.keys(spec.hard ?? {}).filter(r => isStandard(r) && !limits(r)) : [];
}

function validateScopes(spec: ResourceQuotaSpec, errors: FieldErrors): void {
  const scopes = spec.scopes ?? [];
  const at = SPEC.child('scopes');
  for (const scope of scopes) {
    if (!Object.hasOwn(SCOPES, scope)) errors.invalid(at, scopes, 'unsupported scope');
    for (const _ of unsuitedTo(scope, spec)) errors.invalid(at, scopes, 'unsupported scope applied to resource');
  }
  for (const pair of OPPOSITES)
    if (pair.every(s => scopes.includes(s))) errors.invalid(at, scopes, 'conflicting scopes');
}

function validateSelector(spec: ResourceQuotaSpec, errors: FieldErrors): void {
  if (!spec.scopeSelector) return;
  const at = SPEC.child('scopeSelector', 'matchExpressions');
  const seen: string[] = [];
  for (const requirement of spec.scopeSelector.matchExpressions ?? []) {
    const { scopeName } = requirement;
    if (!Object.hasOwn(SCOPES, scopeName)) errors.invalid(at.child('scopeName'), scopeName, 'unsupported scope');
    for (const _ of unsuitedTo(scopeName, spec))
      errors.invalid(at, goValue('core.v1.ScopeSelector', spec.scopeSelector), 'unsupported scope applied to resource');
    validateRequirement(requirement, at, errors);
    seen.push(scopeName);
  }
  for (const pair of OPPOSITES)
    if (pair.every(s => seen.includes(s))) errors.invalid(at, spec.scopes ?? null, 'conflicting scopes');
}

function validateRequirement(r: ScopedResourceSelectorRequirement, at: FieldPath, errors: FieldErrors): void {
  const count = r.values?.length ?? 0;
  if (EXISTS_ONLY.includes(r.scopeName) && r.operator !== 'Exists')
    errors.invalid(
      at.child('operator'),
      r.operator,
      "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
    );
  if (r.operator === 'In' || r.operator === 'NotIn') {
    if (count === 0)
      errors.required(
        at.child('values'),
        "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
      );
  } else if (r.operator === 'Exists' || r.operator === 'DoesNotExist') {
    if (count > 0)
      errors.invalid(
        at.child('values'),
        r.values,
        "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
      );
  } else errors.invalid(at.child('operator'), r.operator, 'not a valid selector operator');
}

export const resourceQuotaStrategy: Strategy<ResourceQuota> = {
  nameRule: 'dnsSubdomain',
  prepareForCreate(quota) {
    quota.status = {};
  },
  validate({ spec, status }, errors, context) {
    if (context.subresource === 'status') {
      for (const field of ['hard', 'used'] as const) validateAmounts(status?.[field], STATUS.child(field), errors);
      return;
    }
    if (!spec) return;
    validateAmounts(spec.hard, SPEC.child('hard'), errors);
    validateScopes(spec, errors);
    validateSelector(spec, errors);
  },
  validateUpdate(now, old, errors, context) {
    if (context.subresource !== '') return;
    const sorted = (q: ResourceQuota) => [...new Set(q.spec?.scopes)].sort().join();
    if (sorted(now) !== sorted(old)) errors.invalid(SPEC.child('scopes'), now.spec?.scopes ?? null, IMMUTABLE);
  },
};
