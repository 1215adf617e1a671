// Attribute-based access control: a file of policies, one a line (abac.authorization.kubernetes.io/v1beta1).
import { messageOf } from '../../base/assert.ts';
import type { UserInfo } from '../authn/user.ts';
import type { Attributes, ResolvedRules, RuleResolver, SyncAuthorizer, Verdict } from './authorizer.ts';

interface Policy {
  readonly user?: string;
  readonly group?: string;
  readonly readonly?: boolean;
  readonly apiGroup?: string;
  readonly resource?: string;
  readonly namespace?: string;
  readonly nonResourcePath?: string;
}

const version = 'abac.authorization.kubernetes.io/v1beta1';
const reading = new Set(['get', 'list', 'watch']);
const allowed: Verdict = { decision: 'allow', reason: '' };
const noOpinion: Verdict = { decision: 'noOpinion', reason: 'No policy matched.' };

/** Throws an error that names the line. Empty lines and comments (#) are skipped. */
export function abacAuthorizer(text: string, file = 'policies'): SyncAuthorizer & RuleResolver {
  const policies = parse(text, file);
  return {
    authorize: attributes => (policies.some(p => matches(p, attributes)) ? allowed : noOpinion),
    rulesFor: (user, namespace) => rulesOf(policies, user, namespace),
  };
}

function parse(text: string, file: string): readonly Policy[] {
  return text.split('\n').flatMap((line, i) => {
    if (!line.trim() || line.trim().startsWith('#')) return [];
    try {
      const { apiVersion, kind, spec } = JSON.parse(line) as { apiVersion?: string; kind?: string; spec?: Policy };
      if (apiVersion !== version || kind !== 'Policy' || !spec) throw new Error(`a Policy of ${version} is needed`);
      return spec;
    } catch (error) {
      throw new Error(`error reading policy file ${file}, line ${i + 1}: ${line}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  });
}

function matches(policy: Policy, a: Attributes): boolean {
  if (!isFor(policy, a.user) || (policy.readonly && !reading.has(a.verb))) return false;
  if (!a.isResource) return pathMatches(policy.nonResourcePath ?? '', a.path);
  return fits(policy.namespace, a.namespace) && fits(policy.resource, a.resource) && fits(policy.apiGroup, a.group);
}

const fits = (wanted = '', given: string) => wanted === '*' || wanted === given;

/** Both, where a policy names both; nobody, where it names neither. */
function isFor({ user = '', group = '' }: Policy, who: UserInfo): boolean {
  if (!user && !group) return false;
  return (!user || fits(user, who.name)) && (!group || group === '*' || who.groups.includes(group));
}

function pathMatches(wanted: string, path: string): boolean {
  if (wanted === '*' || wanted === path) return true;
  return wanted.endsWith('*') && path.startsWith(wanted.replace(/\*+$/, ''));
}

function rulesOf(policies: readonly Policy[], user: UserInfo, namespace: string): ResolvedRules {
  const rules = policies
    .filter(p => isFor(p, user))
    .flatMap(p => {
      const verbs = p.readonly ? [...reading] : ['*'];
      return [
        ...(p.resource && fits(p.namespace, namespace)
          ? [{ verbs, apiGroups: [p.apiGroup ?? ''], resources: [p.resource] }]
          : []),
        ...(p.nonResourcePath ? [{ verbs, nonResourceURLs: [p.nonResourcePath] }] : []),
      ];
    });
  return { rules, incomplete: false, errors: [] };
}
