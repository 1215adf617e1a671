// What the objects of a namespace use of a quota.
import { parseQuantity, type Quantity, zeroQuantity } from '../../../api/quantity.ts';
import { increase, listOf } from '../../../api/quota/amounts.ts';
import { concerns, matchesScopes } from '../../../api/quota/scope.ts';
import { type Counted, countName, isDeviceName, usageOf } from '../../../api/quota/usage.ts';
import type { ResourceQuota, ResourceQuotaStatus } from '../../../api/type/core-v1.ts';

/** Names of a quota that this kind of object uses up. */
export const namesFor = (quota: ResourceQuota, counted: Counted): readonly string[] =>
  Object.keys(quota.spec?.hard ?? {}).filter(name => concerns(counted, name));

/** Adds up what the objects use, for all names that concern them; 0 where they use nothing. */
export function tally(
  used: Map<string, Quantity>,
  quota: ResourceQuota,
  counted: Counted,
  objects: readonly object[],
  nowMs: number,
): void {
  const names = namesFor(quota, counted);
  for (const name of names) if (!used.has(name)) used.set(name, zeroQuantity);
  for (const object of objects) {
    if (!matchesScopes(quota, counted, object)) continue;
    const usage = usageOf(counted, object, nowMs);
    for (const name of names) {
      const amount = usage.get(name);
      if (amount) used.set(name, used.get(name)!.add(amount));
    }
  }
}

/** Undefined when the quota says so already. What nobody could count keeps its old amount. */
export function nextStatus(
  quota: ResourceQuota,
  counted: ReadonlyMap<string, Quantity>,
): ResourceQuotaStatus | undefined {
  const hard = quota.spec?.hard ?? {};
  const old = quota.status?.used ?? {};
  const fresh = listOf(counted);
  const used: Record<string, string> = {};
  for (const name of Object.keys(hard).sort()) {
    const amount = fresh[name] ?? old[name];
    if (amount !== undefined) used[name] = amount;
  }
  const done =
    quota.status?.hard !== undefined &&
    quota.status.used !== undefined &&
    isSame(quota.status.hard, hard) &&
    isSame(old, used);
  return done ? undefined : { hard, used };
}

/** Whether some amount in use is higher in `now` than in `before`. */
export function raises(before: ResourceQuota, now: ResourceQuota): boolean {
  const old = before.status?.used ?? {};
  return Object.entries(now.status?.used ?? {}).some(
    ([name, amount]) => old[name] !== amount && parseQuantity(amount).compare(parseQuantity(old[name] ?? '0')) > 0,
  );
}

/** True when these limits are the same. */
export function isSame(a: Readonly<Record<string, string>> = {}, b: Readonly<Record<string, string>> = {}): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every(k => a[k] === b[k]);
}

/** The object uses less than before: others may use it now. */
export const frees = (counted: Counted, object: object, old: object, nowMs: number): boolean =>
  increase(usageOf(counted, old, nowMs), usageOf(counted, object, nowMs)).size > 0;

const deviceClaims: Counted = { group: 'resource.k8s.io', resource: 'resourceclaims' };

/** Kinds outside `known` that the quota counts: `count/widgets.example.com`, and claims of devices. */
export function otherCounted(quota: ResourceQuota, known: readonly Counted[]): readonly Counted[] {
  const taken = new Set(known.map(countName));
  const found = new Map<string, Counted>();
  for (const name of Object.keys(quota.spec?.hard ?? {})) {
    if (isDeviceName(name)) found.set(countName(deviceClaims), deviceClaims);
    if (!name.startsWith('count/') || taken.has(name)) continue;
    const [resource = '', ...group] = name.slice('count/'.length).split('.');
    found.set(name, { resource, group: group.join('.') });
  }
  return [...found.values()];
}
