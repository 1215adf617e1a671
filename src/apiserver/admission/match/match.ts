// Which requests a webhook or an admission policy is about: rules, exclusions, selectors, equivalent versions.
import { type Selector, selectorFromLabelSelector } from '../../../api/label-selector.ts';
import type { KubeObject } from '../../../api/meta.ts';
import { type Resource, resourceId } from '../../../api/resource.ts';
import { internalError, notFound } from '../../../api/status.ts';
import type { NamedRuleWithOperations } from '../../../api/type/admissionregistration-v1.ts';
import type { LabelSelector } from '../../../api/type/meta-v1.ts';
import type { AdmissionAttributes } from '../admission.ts';

/** What webhooks and policies have in common. Absent selectors select everything. */
export interface MatchCriteria {
  /** A webhook without rules matches nothing; a policy's binding without any matches all: see `noRulesMatchAll`. */
  readonly rules: readonly NamedRuleWithOperations[];
  readonly excludeRules?: readonly NamedRuleWithOperations[] | undefined;
  /** `Equivalent` unless it is `Exact`. */
  readonly matchPolicy?: string | undefined;
  readonly namespaceSelector?: LabelSelector | undefined;
  readonly objectSelector?: LabelSelector | undefined;
  readonly noRulesMatchAll?: boolean;
}

export interface MatchDeps {
  /** The namespace by name, from the cache. */
  namespace(name: string): KubeObject | undefined;
  /** Served resources by `group/version/resource`. */
  readonly resources: ReadonlyMap<string, Resource>;
}

/** The form of the request a rule matched: the request's own resource, or an equivalent one of another version. */
export interface Match {
  readonly resource: Resource;
  /** Kind and group version of the object in that form: those of the subresource where it has its own. */
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
}

export interface Matcher {
  /** Undefined when the request is none of its business. Throws StatusError when a selector can't be decided. */
  match(attributes: AdmissionAttributes, deps: MatchDeps): Match | undefined;
}

const POLICIES = new Set([
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
]);
const CONFIGURATION = new Set([...POLICIES, 'validatingwebhookconfigurations', 'mutatingwebhookconfigurations']);

/** Policies never judge policies; they may judge the configuration of webhooks. */
export const isPolicyExempt = ({ resource }: AdmissionAttributes): boolean =>
  resource.group === 'admissionregistration.k8s.io' && POLICIES.has(resource.resource);

/** The configuration of admission itself is never subject to webhooks, or nobody could repair it. */
export const isExempt = ({ resource }: AdmissionAttributes): boolean =>
  resource.group === 'admissionregistration.k8s.io' && CONFIGURATION.has(resource.resource);

/** Prepares criteria once for many requests. A selector that is none fails each request it is asked about. */
export function matcherOf(criteria: MatchCriteria): Matcher {
  const namespaces = selectorOf(criteria.namespaceSelector);
  const objects = selectorOf(criteria.objectSelector);
  return {
    match(attributes, deps) {
      // Rules first: they are the cheapest, and a selector's error is no concern of requests the rules leave out.
      const match = matchRules(criteria, attributes, deps);
      if (!match) return undefined;
      if (namespaces && !matchesNamespace(namespaces(), attributes, deps)) return undefined;
      if (objects && !matchesObject(objects(), attributes)) return undefined;
      return match;
    },
  };
}

function selectorOf(given: LabelSelector | undefined): (() => Selector) | undefined {
  if (!given) return undefined;
  try {
    const selector = selectorFromLabelSelector(given);
    return selector.empty ? undefined : () => selector;
  } catch (error) {
    return () => {
      throw internalError(error);
    };
  }
}

function matchRules(criteria: MatchCriteria, attributes: AdmissionAttributes, deps: MatchDeps): Match | undefined {
  const exact = criteria.matchPolicy === 'Exact';
  if (criteria.excludeRules?.length && matchAny(criteria.excludeRules, attributes, deps, exact)) return undefined;
  if (criteria.rules.length === 0 && criteria.noRulesMatchAll)
    return asMatch(attributes.resource, attributes.subresource);
  return matchAny(criteria.rules, attributes, deps, exact);
}

function matchAny(
  rules: readonly NamedRuleWithOperations[],
  attributes: AdmissionAttributes,
  deps: MatchDeps,
  exact: boolean,
): Match | undefined {
  const { resource, subresource } = attributes;
  for (const rule of rules) if (matchesRule(rule, attributes, resource)) return asMatch(resource, subresource);
  if (exact) return undefined;
  for (const rule of rules) {
    for (const other of equivalents(rule, resource, deps.resources)) {
      if (other === resource || !matchesRule(rule, attributes, other)) continue;
      const match = asMatch(other, subresource);
      if (match) return match;
    }
  }
  return undefined;
}

function asMatch(resource: Resource, subresource: string): Match | undefined {
  const { group, version, kind } = resource;
  if (!subresource) return { resource, kind: { group, version, kind } };
  const sub = resource.subresources.get(subresource);
  if (!sub) return { resource, kind: { group, version, kind } };
  if (!sub.apiVersion) return { resource, kind: { group, version, kind: sub.kind } };
  const slash = sub.apiVersion.indexOf('/');
  return {
    resource,
    kind: {
      group: slash < 0 ? '' : sub.apiVersion.slice(0, slash),
      version: sub.apiVersion.slice(slash + 1),
      kind: sub.kind,
    },
  };
}

// The same objects served under two groups.
const COHABITANTS: Readonly<Record<string, readonly string[]>> = {
  '/events': ['', 'events.k8s.io'],
  'events.k8s.io/events': ['', 'events.k8s.io'],
};

/** Other served forms of the resource that the rule names. */
function* equivalents(
  rule: NamedRuleWithOperations,
  resource: Resource,
  resources: ReadonlyMap<string, Resource>,
): Generator<Resource> {
  const groups = COHABITANTS[`${resource.group}/${resource.resource}`] ?? [resource.group];
  for (const group of groups) {
    if (!includes(rule.apiGroups, group)) continue;
    if (!rule.apiVersions?.includes('*')) {
      for (const version of rule.apiVersions ?? []) {
        const found = resources.get(resourceId({ group, version, resource: resource.resource }));
        if (found) yield found;
      }
    } else if (group !== resource.group) {
      for (const r of resources.values()) if (r.group === group && r.resource === resource.resource) yield r;
    }
  }
}

const includes = (list: readonly string[] | undefined, value: string): boolean =>
  list !== undefined && (list.includes('*') || list.includes(value));

/** Whether one rule is about the request when its resource is taken as `resource`. */
export function matchesRule(
  rule: NamedRuleWithOperations,
  attributes: AdmissionAttributes,
  resource: Resource = attributes.resource,
): boolean {
  return (
    includes(rule.operations, attributes.operation) &&
    includes(rule.apiGroups, resource.group) &&
    includes(rule.apiVersions, resource.version) &&
    matchesResource(rule.resources, resource.resource, attributes.subresource) &&
    matchesScope(rule.scope, attributes) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(attributes.name))
  );
}

function matchesResource(resources: readonly string[] | undefined, name: string, subresource: string): boolean {
  for (const entry of resources ?? []) {
    const slash = entry.indexOf('/');
    const [r, s] = slash < 0 ? [entry, ''] : [entry.slice(0, slash), entry.slice(slash + 1)];
    if ((r === '*' || r === name) && (s === '*' || s === subresource)) return true;
  }
  return false;
}

// A Namespace counts as cluster-wide, whatever namespace the request names.
function matchesScope(scope: string | undefined, attributes: AdmissionAttributes): boolean {
  if (!scope || scope === '*') return true;
  const namespaced = attributes.namespace !== '' && !isNamespaceResource(attributes.resource);
  return scope === 'Namespaced' ? namespaced : scope === 'Cluster' && !namespaced;
}

const isNamespaceResource = (r: Resource): boolean => r.group === '' && r.resource === 'namespaces';

function matchesNamespace(selector: Selector, attributes: AdmissionAttributes, deps: MatchDeps): boolean {
  const { resource, subresource, operation, object } = attributes;
  const own = isNamespaceResource(resource);
  if (own && subresource === '' && object && (operation === 'CREATE' || operation === 'UPDATE'))
    return selector.matches(object.metadata.labels as Record<string, string> | undefined);
  const name = own ? attributes.name : attributes.namespace;
  if (!name) return true;
  const namespace = deps.namespace(name);
  if (!namespace) throw notFound({ group: '', resource: 'namespaces' }, name);
  return selector.matches(namespace.metadata.labels);
}

function matchesObject(selector: Selector, { object, old }: AdmissionAttributes): boolean {
  return hasLabels(object, selector) || hasLabels(old, selector);
}

// What has no metadata (an exec's options) has no labels to select.
function hasLabels(object: { readonly metadata?: object } | undefined, selector: Selector): boolean {
  if (!object?.metadata) return false;
  return selector.matches((object.metadata as { labels?: Record<string, string> }).labels);
}
