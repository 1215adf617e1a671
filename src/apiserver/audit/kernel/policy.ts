// Which requests an audit policy wants recorded, and how much of them. The first rule that matches decides.
import { isDns1123Subdomain } from '../../../api/name-rule.ts';
import type { Policy, PolicyRule } from '../../../api/type/audit-v1.ts';
import { quote } from '../../../base/quote.ts';
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
  if (group !== '*' && group !== info.group) return false;
  if (!resources?.length) return true;
  if (resourceNames?.length && !resourceNames.includes(info.name)) return false;
  const { resource, subresource } = info;
  const whole = subresource ? `${resource}/${subresource}` : resource;
  return resources.some(
    r => r === '*' || r === whole || (subresource !== '' && r === `*/${subresource}`) || r === `${resource}/*`,
  );
}

/** Throws an error that names all that is wrong, in the words of kube-apiserver. */
export function checkPolicy(policy: Policy): Policy {
  const { kind = '', apiVersion = '', rules = [] } = policy ?? {};
  if (!kind && !apiVersion)
    throw new Error('unknown group version field audit.k8s.io/__internal, Kind=Policy in policy');
  if (kind !== 'Policy' || apiVersion !== 'audit.k8s.io/v1')
    throw new Error(`failed decoding: no kind ${quote(kind)} is registered for version ${quote(apiVersion)}`);
  if (!rules?.length) throw new Error('loaded illegal policy with 0 rules');
  const faults = [
    ...stageFaults(policy.omitStages, 'omitStages'),
    ...rules.flatMap((rule, i) => ruleFaults(rule, `rules[${i}]`)),
  ];
  if (faults.length) throw new Error(faults.length === 1 ? faults[0] : `[${faults.join(', ')}]`);
  return policy;
}

function ruleFaults(rule: PolicyRule, at: string): string[] {
  const { level, nonResourceURLs: urls = [], resources = [], namespaces = [] } = rule;
  const faults: string[] = [];
  if (!level) faults.push(`${at}.level: Required value`);
  else if (!(levels as readonly string[]).includes(level))
    faults.push(`${at}.level: Unsupported value: ${quote(level)}: supported values: ${levels.map(quote).join(', ')}`);
  for (const [i, url] of (urls ?? []).entries()) {
    if (url === '*') continue;
    const wrong = (why: string) =>
      faults.push(`${at}.nonResourceURLs[${i}]: Invalid value: ${quote(url)}: non-resource URL ${why}`);
    if (!url.startsWith('/')) wrong("rules must begin with a '/' character");
    if (url.slice(0, -1).includes('*')) wrong("wildcards '*' must be the final character of the rule");
  }
  for (const [i, { group = '', resources: of, resourceNames: names }] of (resources ?? []).entries()) {
    const path = `${at}.resources`;
    if (group && group !== '*' && isDns1123Subdomain(group).length)
      faults.push(
        ...isDns1123Subdomain(group).map(why => `${path}[${i}].group: Invalid value: ${quote(group)}: ${why}`),
      );
    if (names?.length && !of?.length)
      faults.push(
        `${path}.resourceNames: Invalid value: ${JSON.stringify(names)}: using resourceNames requires at least one resource`,
      );
  }
  if (urls?.length && (resources?.length || namespaces?.length))
    faults.push(
      `${at}.nonResourceURLs: Invalid value: ${JSON.stringify(urls)}: rules cannot apply to both regular resources and non-resource URLs`,
    );
  return [...faults, ...stageFaults(rule.omitStages, `${at}.omitStages`)];
}

function stageFaults(given: readonly string[] | undefined, at: string): string[] {
  return (given ?? []).flatMap((stage, i) =>
    (stages as readonly string[]).includes(stage)
      ? []
      : [`${at}[${i}]: Invalid value: ${quote(stage)}: allowed stages are ${stages.join(',')}`],
  );
}
