// The rules of FlowSchemas.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import { isDns1123Label, isDns1123Subdomain } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type {
  FlowSchema,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  ServiceAccountSubject,
  Subject,
} from '../../type/flowcontrol-v1.ts';
import { validateOneOf } from '../core/pod-common.ts';
import { validateFlowConditions } from './flow-condition.ts';
import { validateMandatorySchema } from './mandatory.ts';

const SPEC = path('spec');
const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];
const MAX_PRECEDENCE = 10_000;
const DEFAULT_PRECEDENCE = 1000;
const SUBJECTS = { Group: 'group', ServiceAccount: 'serviceAccount', User: 'user' } as const;

function validatePrecedence({ metadata, spec }: FlowSchema, errors: FieldErrors): void {
  const precedence = spec.matchingPrecedence ?? 0;
  const at = SPEC.child('matchingPrecedence');
  if (precedence === 1 && metadata.name !== 'exempt')
    errors.invalid(at, precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
  if (precedence <= 0) errors.invalid(at, precedence, 'must be a positive value');
  if (precedence > MAX_PRECEDENCE) errors.invalid(at, precedence, `must not be greater than ${MAX_PRECEDENCE}`);
}

function validateRules(rules: PolicyRulesWithSubjects, at: FieldPath, errors: FieldErrors): void {
  const resources = rules.resourceRules ?? [];
  const others = rules.nonResourceRules ?? [];
  if (!rules.subjects?.length) errors.required(at.child('subjects'), 'subjects must contain at least one value');
  for (const [i, subject] of (rules.subjects ?? []).entries())
    validateSubject(subject, at.child('subjects').index(i), errors);
  if (resources.length + others.length === 0)
    errors.required(at, 'at least one of resourceRules and nonResourceRules has to be non-empty');
  for (const [i, rule] of resources.entries()) validateResourceRule(rule, at.child('resourceRules').index(i), errors);
  for (const [i, rule] of others.entries()) validateOtherRule(rule, at.child('nonResourceRules').index(i), errors);
}

function validateSubject(subject: Subject, at: FieldPath, errors: FieldErrors): void {
  const { kind } = subject;
  if (!Object.hasOwn(SUBJECTS, kind)) {
    errors.notSupported(at.child('kind'), kind, Object.keys(SUBJECTS));
    return;
  }
  for (const [name, field] of Object.entries(SUBJECTS)) {
    const value = subject[field];
    const here = at.child(field);
    if (name !== kind) {
      if (value) errors.forbidden(here, `${field} is forbidden when subject kind is not '${name}'`);
    } else if (!value) errors.required(here, `${field} is required when subject kind is '${name}'`);
    else if (!value.name) errors.required(here.child('name'));
  }
  if (kind === 'ServiceAccount' && subject.serviceAccount)
    validateAccount(subject.serviceAccount, at.child('serviceAccount'), errors);
}

function validateAccount({ name, namespace }: ServiceAccountSubject, at: FieldPath, errors: FieldErrors): void {
  if (name && name !== '*') for (const m of isDns1123Subdomain(name)) errors.invalid(at.child('name'), name, m);
  if (!namespace) errors.required(at.child('namespace'), 'must specify namespace for service account');
  else for (const m of isDns1123Label(namespace)) errors.invalid(at.child('namespace'), namespace, m);
}

/** Not empty, and the asterisk stands alone. */
function validateList(
  list: readonly string[] | null | undefined,
  missing: string,
  what: string,
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (!list?.length) errors.required(at, missing);
  else if (list.length > 1 && list.includes('*'))
    errors.invalid(at, list, `if '*' is present, must not specify other ${what}`);
}

function verbsOf({ verbs }: { readonly verbs: readonly string[] }, parent: FieldPath, errors: FieldErrors): void {
  const at = parent.child('verbs');
  validateList(verbs, 'verbs must contain at least one value', 'verbs', at, errors);
  if (verbs?.length && !verbs.includes('*') && !verbs.every(v => VERBS.includes(v)))
    errors.notSupported(at, verbs, VERBS);
}

function validateResourceRule(rule: ResourcePolicyRule, at: FieldPath, errors: FieldErrors): void {
  verbsOf(rule, at, errors);
  const missing = (what: string) => `resource rules must supply at least one ${what}`;
  validateList(rule.apiGroups, missing('api group'), 'api groups', at.child('apiGroups'), errors);
  validateList(rule.resources, missing('resource'), 'resources', at.child('resources'), errors);
  const here = at.child('namespaces');
  if (!rule.namespaces?.length) {
    if (!rule.clusterScope)
      errors.required(here, 'resource rules that are not cluster scoped must supply at least one namespace');
    return;
  }
  validateList(rule.namespaces, '', 'namespaces', here, errors);
  for (const [i, namespace] of rule.namespaces.entries()) {
    if (namespace === '*') continue;
    for (const m of isDns1123Label(namespace)) errors.invalid(here.index(i), namespace, m);
  }
}

function validateOtherRule(rule: NonResourcePolicyRule, at: FieldPath, errors: FieldErrors): void {
  verbsOf(rule, at, errors);
  validateList(
    rule.nonResourceURLs,
    'nonResourceURLs must contain at least one value',
    'non-resource URLs',
    at.child('nonResourceURLs'),
    errors,
  );
  for (const [i, url] of (rule.nonResourceURLs ?? []).entries()) {
    const fault = url === '*' ? undefined : urlFault(url);
    if (fault) errors.invalid(at.child('nonResourceURLs').index(i), url, fault);
  }
}

function urlFault(url: string): string | undefined {
  if (url === '') return 'must not be empty';
  if (url === '/') return undefined;
  if (!url.startsWith('/')) return 'must start with slash';
  if (url.includes(' ')) return 'must not contain white-space';
  if (url.includes('//')) return 'must not contain double slash';
  return /^[^*]*(\/\*)?$/.test(url) ? undefined : 'wildcard can only do suffix matching';
}

export const flowSchemaStrategy: Strategy<FlowSchema> = {
  statusKeeps: 'metadata',
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: false,
  default({ spec }) {
    if (spec) spec.matchingPrecedence ||= DEFAULT_PRECEDENCE;
  },
  prepareForCreate(schema) {
    schema.status = {};
  },
  validate(schema, errors, context) {
    const { spec } = schema;
    if (context.subresource === 'status') validateFlowConditions(schema.status?.conditions, errors);
    if (context.subresource !== '' || !spec) return;
    validateMandatorySchema(schema.metadata.name, spec, errors);
    validatePrecedence(schema, errors);
    if (spec.distinguisherMethod)
      validateOneOf(
        spec.distinguisherMethod.type,
        ['ByNamespace', 'ByUser'],
        SPEC.child('distinguisherMethod', 'type'),
        errors,
      );
    const name = spec.priorityLevelConfiguration?.name;
    const at = SPEC.child('priorityLevelConfiguration', 'name');
    if (!name) errors.required(at, 'must reference a priority level');
    else for (const m of isDns1123Subdomain(name)) errors.invalid(at, name, m);
    for (const [i, rules] of (spec.rules ?? []).entries()) validateRules(rules, SPEC.child('rules').index(i), errors);
  },
};
