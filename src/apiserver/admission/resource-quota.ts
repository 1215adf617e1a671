// ResourceQuota: nothing takes a namespace over what it may use. Usage is charged to the quota before the object is
// written, one charge of a namespace after the other, so that requests at the same time cannot exceed it together.
import { cloneDeep } from '../../api/meta.ts';
import type { Quantity } from '../../api/quantity.ts';
import { zeroQuantity } from '../../api/quantity.ts';
import { type Amounts, amountsOf, increase, listOf } from '../../api/quota/amounts.ts';
import { concerns, matchesScope, matchesScopes, scopesOf } from '../../api/quota/scope.ts';
import { type Counted, unstated, usageOf } from '../../api/quota/usage.ts';
import { coreV1 } from '../../api/refs.ts';
import { forbidden, isConflict, isNotFound, StatusError } from '../../api/status.ts';
import type { Pod, ResourceQuota } from '../../api/type/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { type LimitedResource, limitedAmounts, limitedScopes, scopeText } from './limited-resources.ts';

export interface ResourceQuotaDeps {
  readonly quotas: WatchCache;
  readonly client: Client;
  readonly clock: Clock;
  /** What nobody uses unless a quota covers it. */
  readonly limited?: readonly LimitedResource[] | undefined;
}

// An update of these may use more.
const growing = new Set(['services', 'persistentvolumeclaims']);

/** What is no object that stays, and Events: no quota counts them. */
const uncounted = new Set([
  '/bindings',
  '/events',
  'events.k8s.io/events',
  'authorization.k8s.io/localsubjectaccessreviews',
]);

export function resourceQuota({ quotas, client, clock, limited = [] }: ResourceQuotaDeps): AdmissionPlugin {
  /** The charge that is under way in a namespace. */
  const charging = new Map<string, Promise<void>>();

  function quotasOf(namespace: string): ResourceQuota[] {
    const out: ResourceQuota[] = [];
    quotas.snapshot().scan(`${namespace}/`, undefined, stored => {
      const newest = quotas.latest(stored.key);
      if (newest) out.push(newest.object as unknown as ResourceQuota);
      return undefined;
    });
    return out;
  }

  async function charge(attributes: AdmissionAttributes, counted: Counted): Promise<void> {
    /** By name: none is charged twice. */
    const charged = new Set<string>();
    for (;;) {
      const all = quotasOf(attributes.namespace);
      // What a pod has to state comes before what it would exceed, whichever quota says so.
      for (const quota of all) requireStated(quota, counted, attributes);
      if (limited.length) requireCovered(all, limited, counted, attributes, clock.now());
      const charges = all.flatMap(quota => {
        if (charged.has(quota.metadata.name)) return [];
        const used = chargeOf(quota, counted, attributes, clock.now());
        return used ? [{ quota, used }] : [];
      });
      if (attributes.dryRun) return;
      try {
        for (const { quota, used } of charges) {
          const draft = cloneDeep(quota);
          (draft.status as { used?: unknown }).used = listOf(used);
          await client.updateStatus(coreV1.resourcequotas, draft);
          charged.add(quota.metadata.name);
        }
        return;
      } catch (error) {
        // Somebody else counted meanwhile, or the quota is gone: look again.
        if (!isConflict(error) && !isNotFound(error)) throw error;
      }
    }
  }

  return {
    name: 'ResourceQuota',
    handles: ({ operation, resource, subresource }) => {
      if (!resource.namespaced || uncounted.has(`${resource.group}/${resource.resource}`)) return false;
      if (operation === 'CREATE') return subresource === '';
      if (operation !== 'UPDATE' || resource.group !== '') return false;
      return resource.resource === 'pods'
        ? subresource === 'resize'
        : subresource === '' && growing.has(resource.resource);
    },
    validate(attributes) {
      const { namespace, resource } = attributes;
      if (!limited.length && !hasAny(quotas, namespace)) return;
      const before = charging.get(namespace);
      const mine = (before ?? Promise.resolve()).catch(() => {}).then(() => charge(attributes, resource));
      charging.set(namespace, mine);
      const done = () => {
        if (charging.get(namespace) === mine) charging.delete(namespace);
      };
      mine.then(done, done);
      return mine;
    },
  };
}

function hasAny(quotas: WatchCache, namespace: string): boolean {
  let any = false;
  quotas.snapshot().scan(`${namespace}/`, undefined, () => {
    any = true;
    return true;
  });
  return any;
}

/** A quota holds from when the controller has taken note of it. */
const hardOf = (quota: ResourceQuota, counted: Counted): Amounts =>
  new Map([...amountsOf(quota.status?.hard)].filter(([r]) => concerns(counted, r)));

/** Throws 403 for a pod without the requests or limits that the quota counts. */
function requireStated(quota: ResourceQuota, counted: Counted, attributes: AdmissionAttributes): void {
  const { object, resource, name } = attributes;
  if (counted.resource !== 'pods' || counted.group !== '' || !object) return;
  const hard = hardOf(quota, counted);
  if (hard.size === 0 || !matchesScopes(quota, counted, object)) return;
  const missing = unstated(object as unknown as Pod, hard);
  if (missing) throw forbidden(resource, name, `failed quota: ${quota.metadata.name}: must specify ${missing}`);
}

/** Throws for what the server's configuration gives to nobody without a quota for it. */
function requireCovered(
  quotas: readonly ResourceQuota[],
  limited: readonly LimitedResource[],
  counted: Counted,
  { object, old, resource, name }: AdmissionAttributes,
  nowMs: number,
): void {
  if (!object) return;
  const usage = usageOf(counted, object, nowMs);
  const added = old ? increase(usage, usageOf(counted, old, nowMs)) : usage;
  if (![...added.values()].some(amount => amount.sign > 0)) return;
  const covered = new Set(
    quotas.filter(q => matchesScopes(q, counted, object)).flatMap(q => [...hardOf(q, counted).keys()]),
  );
  const bare = limitedAmounts(limited, counted, usage).filter(r => !covered.has(r));
  if (bare.length) throw forbidden(resource, name, `insufficient quota to consume: ${bare.join(',')}`);
  const scopes = quotas.flatMap(scopesOf).filter(scope => matchesScope(scope, counted, object));
  const uncovered = limitedScopes(limited, counted, object).filter(l => !scopes.some(s => s.scopeName === l.scopeName));
  // No 403 in Kubernetes, either.
  if (uncovered.length)
    throw new StatusError(500, '', `insufficient quota to match these scopes: [${uncovered.map(scopeText).join(' ')}]`);
}

/** What the quota has used once this object is written; undefined when it does not concern it. Throws 403. */
function chargeOf(
  quota: ResourceQuota,
  counted: Counted,
  attributes: AdmissionAttributes,
  nowMs: number,
): Amounts | undefined {
  const { object, old, resource, name } = attributes;
  const hard = hardOf(quota, counted);
  if (hard.size === 0 || !object) return undefined;
  const now = matchesScopes(quota, counted, object);
  const before = old !== undefined && matchesScopes(quota, counted, old);
  if (!now) return undefined;
  const deny = (why: string) => forbidden(resource, name, why);
  const quotaName = quota.metadata.name ?? '';
  const used = amountsOf(quota.status?.used);
  if ([...hard.keys()].some(r => !used.has(r)))
    throw deny(`status unknown for quota: ${quotaName}, resources: ${[...hard.keys()].sort()}`);
  const added = increase(
    usageOf(counted, object, nowMs),
    before && old ? usageOf(counted, old, nowMs) : new Map<string, Quantity>(),
  );
  const over: string[] = [];
  let charged = false;
  for (const [r, limit] of hard) {
    const delta = added.get(r);
    if (!delta) continue;
    const sum = (used.get(r) ?? zeroQuantity).add(delta);
    if (sum.compare(limit) > 0) over.push(r);
    used.set(r, sum);
    charged = true;
  }
  if (over.length) {
    const list = (of: (r: string) => string) =>
      over
        .sort()
        .map(r => `${r}=${of(r)}`)
        .join(',');
    const usedBefore = amountsOf(quota.status?.used);
    const requested = list(r => added.get(r)!.toString());
    const already = list(r => (usedBefore.get(r) ?? zeroQuantity).toString());
    const limited = list(r => hard.get(r)!.toString());
    throw deny(`exceeded quota: ${quotaName}, requested: ${requested}, used: ${already}, limited: ${limited}`);
  }
  return charged ? used : undefined;
}
