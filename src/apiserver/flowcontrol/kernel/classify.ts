// Which flow schema a request matches.
import type {
  FlowSchema,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  Subject,
} from '../../../api/type/flowcontrol-v1.ts';
import type { UserInfo } from '../../authn/user.ts';
import type { RequestInfo } from '../../request-info.ts';

export const accountPrefix = 'system:serviceaccount:';

/** The logically highest first: by precedence, then by name. */
export function byPrecedence(a: FlowSchema, b: FlowSchema): number {
  const difference = precedenceOf(a) - precedenceOf(b);
  if (difference) return difference;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

const precedenceOf = (schema: FlowSchema) => schema.spec.matchingPrecedence ?? 1000;

/** The rules of a schema that are about this user. */
export function rulesFor(schema: FlowSchema, user: UserInfo): PolicyRulesWithSubjects[] {
  return (schema.spec.rules ?? []).filter(r => r.subjects.some(s => matchesSubject(s, user)));
}

function matchesSubject({ kind, user: byName, group, serviceAccount }: Subject, user: UserInfo): boolean {
  if (kind === 'User') return byName !== undefined && (byName.name === '*' || byName.name === user.name);
  if (kind === 'Group') return group !== undefined && (group.name === '*' || user.groups.includes(group.name));
  if (!serviceAccount) return false;
  const { namespace, name } = serviceAccount;
  if (name !== '*') return user.name === `${accountPrefix}${namespace}:${name}`;
  return user.name.startsWith(`${accountPrefix}${namespace}:`);
}

/**
 * Whether rules about the user match the request. `depends` when that is so for some namespaces only: the answer holds
 * for this request, else for every one that is alike but for its namespace.
 */
export function matchRules(
  rules: readonly PolicyRulesWithSubjects[],
  info: RequestInfo,
): { readonly matches: boolean; readonly depends: boolean } {
  let depends = false;
  for (const rule of rules) {
    if (!info.isResource) {
      if (rule.nonResourceRules?.some(r => matchesPath(r, info))) return { matches: true, depends };
      continue;
    }
    for (const r of rule.resourceRules ?? []) {
      if (!matchesResource(r, info)) continue;
      if (info.namespace === '') {
        if (r.clusterScope) return { matches: true, depends };
      } else if (has(r.namespaces, '*')) return { matches: true, depends };
      else {
        depends = true;
        if (has(r.namespaces, info.namespace)) return { matches: true, depends };
      }
    }
  }
  return { matches: false, depends };
}

const has = (list: readonly string[] | undefined, value: string) => list?.includes(value) === true;
const hasOrAll = (list: readonly string[] | undefined, value: string) => has(list, '*') || has(list, value);

function matchesResource(rule: ResourcePolicyRule, info: RequestInfo): boolean {
  return (
    hasOrAll(rule.verbs, info.verb) &&
    hasOrAll(rule.apiGroups, info.group) &&
    hasOrAll(rule.resources, info.subresource ? `${info.resource}/${info.subresource}` : info.resource)
  );
}

function matchesPath({ verbs, nonResourceURLs }: NonResourcePolicyRule, { verb, path }: RequestInfo): boolean {
  return (
    hasOrAll(verbs, verb) &&
    nonResourceURLs.some(
      url => url === '*' || url === path || (url.endsWith('/*') && path.startsWith(url.slice(0, -1))),
    )
  );
}
