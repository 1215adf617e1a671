// Which requests an audit policy wants recorded, and how much of them. The first rule that matches decides.
import type { Policy, PolicyRule } from '../../../api/type/audit-v1.ts';
import type { UserInfo } from '../../authn/user.ts';
import type { RequestInfo } from '../../request-info.ts';

export const levels = ['None', 'Metadata', 'Request', 'RequestResponse'] as const;
export type Level = (typeof levels)[number];
export const stages = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;
export type Stage = (typeof stages)[number];

export interface Recording {
  readonly level: Level;
  readonly omitStages: ReadonlySet<string>;
  readonly omitManagedFields: boolean;
}

export const includes = (recording: Recording, level: Level): boolean =>
  levels.indexOf(recording.level) >= levels.indexOf(level);

const nothing: Recording = { level: 'None', omitStages: new Set(), omitManagedFields: false };

export function recordingOf(policy: Policy, info: RequestInfo, user: UserInfo | undefined): Recording {
  const rule = (policy.rules ?? []).find(r => matches(r, info, user));
  if (!rule || rule.level === 'None') return nothing;
  return {
    level: rule.level as Level,
    omitStages: new Set([...(policy.omitStages ?? []), ...(rule.omitStages ?? [])]),
    omitManagedFields: rule.omitManagedFields ?? policy.omitManagedFields ?? false,
  };
}

function matches(rule: PolicyRule, info: RequestInfo, user: UserInfo | undefined): boolean {
  const { users, userGroups, verbs, namespaces, resources, nonResourceURLs } = rule;
  if (users?.length && !(user && users.includes(user.name))) return false;
  if (userGroups?.length && !user?.groups.some(g => userGroups.includes(g))) return false;
  if (verbs?.length && !verbs.includes(info.verb)) return false;
  if (namespaces?.length || resources?.length)
    return (
      info.isResource &&
      (!namespaces?.length || namespaces.includes(info.namespace)) &&
      (!resources?.length || resources.some(r => matchesResource(r, info)))
    );
  if (!nonResourceURLs?.length) return true;
  return (
    !info.isResource &&
    nonResourceURLs.some(url =>
      url === '*' || !url.endsWith('*') ? url === '*' || url === info.path : info.path.startsWith(url.slice(0, -1)),
    )
  );
}

function matchesResource(
  { group = '', resources, resourceNames }: NonNullable<PolicyRule['resources']>[number],
  info: RequestInfo,
): boolean {
  if (group !== info.group) return false;
  if (!resources?.length) return true;
  if (resourceNames?.length && !resourceNames.includes(info.name)) return false;
  const { resource, subresource } = info;
  const whole = subresource ? `${resource}/${subresource}` : resource;
  return resources.some(
    r => r === '*' || r === whole || (subresource !== '' && r === `*/${subresource}`) || r === `${resource}/*`,
  );
}

/** Throws an error that names what is wrong. */
export function checkPolicy(policy: Policy): Policy {
  const fail = (what: string): never => {
    throw new Error(`read audit policy: ${what}`);
  };
  if (policy?.kind !== 'Policy' || policy.apiVersion !== 'audit.k8s.io/v1')
    fail('kind: Policy and apiVersion: audit.k8s.io/v1 are needed');
  if (!policy.rules?.length) fail('loaded illegal policy with 0 rules');
  const known = (list: readonly string[] | undefined, at: string) => {
    for (const stage of list ?? [])
      if (!(stages as readonly string[]).includes(stage)) fail(`${at}: Unsupported value: ${JSON.stringify(stage)}`);
  };
  known(policy.omitStages, 'omitStages');
  for (const [i, rule] of policy.rules.entries()) {
    const at = `rules[${i}]`;
    if (!(levels as readonly string[]).includes(rule.level))
      fail(`${at}.level: Unsupported value: ${JSON.stringify(rule.level)}`);
    known(rule.omitStages, `${at}.omitStages`);
    if (rule.nonResourceURLs?.length && (rule.resources?.length || rule.namespaces?.length))
      fail(`${at}.nonResourceURLs: rules cannot apply to both regular resources and non-resource URLs`);
    for (const url of rule.nonResourceURLs ?? [])
      if (url !== '*' && (!url.startsWith('/') || url.slice(0, -1).includes('*')))
        fail(`${at}.nonResourceURLs: ${JSON.stringify(url)} must begin with / and may have a * at its end only`);
  }
  return policy;
}
