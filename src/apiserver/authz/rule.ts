// Policy rules: whether one matches, whether some cover others, how they read. Pure.
import type { PolicyRule } from '../../api/type/rbac-v1.ts';
import type { Attributes } from './authorizer.ts';

const none: readonly string[] = [];

/** Whether one rule allows the action. The plain form; RBAC's hot path uses RuleIndex. */
export function ruleAllows(rule: PolicyRule, a: Attributes): boolean {
  if (!hasOrAll(rule.verbs, a.verb)) return false;
  if (!a.isResource) return (rule.nonResourceURLs ?? none).some(url => urlMatches(url, a.path));
  return (
    hasOrAll(rule.apiGroups ?? none, a.group) &&
    resourceMatches(rule.resources ?? none, a.resource, a.subresource) &&
    nameMatches(rule.resourceNames ?? none, a.name)
  );
}

const hasOrAll = (list: readonly string[], value: string) => list.includes('*') || list.includes(value);

function resourceMatches(resources: readonly string[], resource: string, subresource: string): boolean {
  const whole = subresource ? `${resource}/${subresource}` : resource;
  return (
    resources.includes('*') ||
    resources.includes(whole) ||
    (subresource !== '' && resources.includes(`*/${subresource}`))
  );
}

const nameMatches = (names: readonly string[], name: string) => names.length === 0 || names.includes(name);

function urlMatches(pattern: string, path: string): boolean {
  return pattern === '*' || pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.replace(/\*+$/, '')));
}

interface Entry<T> {
  readonly rule: PolicyRule;
  readonly anyVerb: boolean;
  readonly verbs: readonly string[];
  readonly anyGroup: boolean;
  readonly groups: readonly string[];
  readonly names: readonly string[];
  readonly tag: T;
}

/** Many rules, prepared for one question: which one, if any, allows this. `tag` says where a rule comes from. */
export class RuleIndex<T> {
  // By resource with its subresource, as rules spell it: `pods`, `pods/log`, `*/scale`, `*`.
  readonly #byResource = new Map<string, Entry<T>[]>();
  readonly #nonResource: Entry<T>[] = [];

  add(rules: readonly PolicyRule[], tag: T): void {
    for (const rule of rules) {
      const entry: Entry<T> = {
        rule,
        anyVerb: rule.verbs.includes('*'),
        verbs: rule.verbs,
        anyGroup: rule.apiGroups?.includes('*') ?? false,
        groups: rule.apiGroups ?? none,
        names: rule.resourceNames ?? none,
        tag,
      };
      for (const resource of new Set(rule.resources ?? none)) {
        const list = this.#byResource.get(resource);
        if (list) list.push(entry);
        else this.#byResource.set(resource, [entry]);
      }
      if (rule.nonResourceURLs?.length) this.#nonResource.push(entry);
    }
  }

  /** The tag of a rule that allows it; undefined when none does. */
  find(a: Attributes): T | undefined {
    if (!a.isResource) return this.#nonResource.find(e => ruleAllows(e.rule, a))?.tag;
    const { resource, subresource } = a;
    let found: Entry<T> | undefined;
    if (subresource === '') {
      found = firstAllowing(this.#byResource.get(resource), a);
    } else {
      found =
        firstAllowing(this.#byResource.get(`${resource}/${subresource}`), a) ??
        firstAllowing(this.#byResource.get(`*/${subresource}`), a);
    }
    return (found ?? firstAllowing(this.#byResource.get('*'), a))?.tag;
  }
}

function firstAllowing<T>(entries: readonly Entry<T>[] | undefined, a: Attributes): Entry<T> | undefined {
  if (!entries) return undefined;
  for (const e of entries) {
    if (
      (e.anyVerb || e.verbs.includes(a.verb)) &&
      (e.anyGroup || e.groups.includes(a.group)) &&
      (e.names.length === 0 || e.names.includes(a.name))
    )
      return e;
  }
  return undefined;
}

/** Takes a rule apart: one verb, one group, one resource, at most one name (or one URL) each. */
export function breakDown(rule: PolicyRule): PolicyRule[] {
  const out: PolicyRule[] = [];
  for (const group of rule.apiGroups ?? none) {
    for (const resource of rule.resources ?? none) {
      for (const verb of rule.verbs) {
        const part = { verbs: [verb], apiGroups: [group], resources: [resource] };
        if (rule.resourceNames?.length)
          for (const name of rule.resourceNames) out.push({ ...part, resourceNames: [name] });
        else out.push(part);
      }
    }
  }
  for (const url of rule.nonResourceURLs ?? none)
    for (const verb of rule.verbs) out.push({ verbs: [verb], nonResourceURLs: [url] });
  return out;
}

export interface Coverage {
  readonly covered: boolean;
  /** The parts nobody covers, taken apart. */
  readonly missing: readonly PolicyRule[];
}

/** Whether who holds `owner` may hand out `requested`: each part of a requested rule lies within one owned rule. */
export function covers(owner: readonly PolicyRule[], requested: readonly PolicyRule[]): Coverage {
  const missing = requested.flatMap(breakDown).filter(part => !owner.some(rule => ruleCovers(rule, part)));
  return { covered: missing.length === 0, missing };
}

function ruleCovers(owner: PolicyRule, part: PolicyRule): boolean {
  if (!coversAll(owner.verbs, part.verbs)) return false;
  const urls = part.nonResourceURLs ?? none;
  const resources = part.resources ?? none;
  const ownerNames = owner.resourceNames ?? none;
  const names = part.resourceNames ?? none;
  return (
    coversAll(owner.apiGroups ?? none, part.apiGroups ?? none) &&
    resources.every(r => resourceCovered(owner.resources ?? none, r)) &&
    urls.every(u => urlCovered(owner.nonResourceURLs ?? none, u)) &&
    (ownerNames.length === 0 || (names.length > 0 && names.every(n => ownerNames.includes(n))))
  );
}

const coversAll = (owner: readonly string[], asked: readonly string[]) =>
  owner.includes('*') || asked.every(a => owner.includes(a));

function resourceCovered(owner: readonly string[], resource: string): boolean {
  if (owner.includes('*') || owner.includes(resource)) return true;
  const slash = resource.indexOf('/');
  return slash >= 0 && owner.includes(`*/${resource.slice(slash + 1)}`);
}

function urlCovered(owner: readonly string[], url: string): boolean {
  return owner.some(
    pattern => pattern === url || (pattern.endsWith('*') && url.startsWith(pattern.replace(/\*+$/, ''))),
  );
}

/** Joins parts that differ in their verb alone. */
export function compact(rules: readonly PolicyRule[]): PolicyRule[] {
  const simple = new Map<string, { rule: PolicyRule; verbs: string[] }>();
  const out: PolicyRule[] = [];
  for (const rule of rules) {
    const { apiGroups = none, resources = none, resourceNames = none, nonResourceURLs = none } = rule;
    if (apiGroups.length !== 1 || resources.length !== 1 || resourceNames.length > 1 || nonResourceURLs.length) {
      out.push(rule);
      continue;
    }
    const key = JSON.stringify([apiGroups[0], resources[0], resourceNames]);
    const known = simple.get(key);
    if (known) known.verbs.push(...rule.verbs.filter(v => !known.verbs.includes(v)));
    else simple.set(key, { rule, verbs: [...rule.verbs] });
  }
  return [...out, ...[...simple.values()].map(({ rule, verbs }) => ({ ...rule, verbs }))];
}

/** `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}` */
export function describeRule(rule: PolicyRule): string {
  const parts: string[] = [];
  const add = (name: string, values: readonly string[] | undefined) => {
    if (values?.length) parts.push(`${name}:[${values.map(v => JSON.stringify(v)).join(' ')}]`);
  };
  add('APIGroups', rule.apiGroups);
  add('Resources', rule.resources);
  add('NonResourceURLs', rule.nonResourceURLs);
  add('ResourceNames', rule.resourceNames);
  add('Verbs', rule.verbs);
  return `{${parts.join(', ')}}`;
}
