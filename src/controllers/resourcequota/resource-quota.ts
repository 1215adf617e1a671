// resourcequota-controller: keeps what each ResourceQuota says is used. Creation is charged by admission; this takes
// away what has gone, and counts anew every few minutes.
import type { KubeObject } from '../../api/meta.ts';
import { cloneDeep, keyOf } from '../../api/meta.ts';
import type { Quantity } from '../../api/quantity.ts';
import type { Counted } from '../../api/quota/usage.ts';
import { type ResourceRef, ref } from '../../api/ref.ts';
import { appsV1, batchV1, coreV1, networkingV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { ResourceQuota } from '../../api/type/core-v1.ts';
import type { APIGroup } from '../../api/type/meta-v1.ts';
import type { Controller, ControllerContext, Result, Watch } from '../../engine/controller.ts';
import { frees, isSame, namesFor, nextStatus, otherCounted, raises, tally } from './kernel/quota-status.ts';

const resyncMs = 300_000;
/** How often kinds are counted that are not watched here. */
const unwatchedMs = 10_000;
const pageSize = 500;
/** A create that was charged has been stored, and seen, by then. */
const settledMs = 200;
const longestWaitMs = 2000;

const watched: readonly ResourceRef<any>[] = [
  coreV1.pods,
  coreV1.services,
  coreV1.persistentvolumeclaims,
  coreV1.replicationcontrollers,
  coreV1.secrets,
  coreV1.configmaps,
  coreV1.serviceaccounts,
  appsV1.deployments,
  appsV1.replicasets,
  appsV1.statefulsets,
  appsV1.daemonsets,
  batchV1.jobs,
  batchV1.cronjobs,
  networkingV1.ingresses,
];
const counted: readonly ResourceRef<any>[] = [...watched, coreV1.resourcequotas];

export function resourceQuotaController(): Controller {
  return {
    name: 'resourcequota-controller',
    serviceAccount: 'resourcequota-controller',
    watches: [
      {
        resource: coreV1.resourcequotas,
        // Of updates only those of the limits: used amounts are written here and by admission all the time.
        keys: (quota: ResourceQuota, old, context, deleted) =>
          deleted
            ? keysFor(context, coreV1.resourcequotas, quota.metadata.namespace!)
            : old && isSame(old.spec?.hard, quota.spec?.hard)
              ? []
              : [keyOf(quota)],
      },
      ...watched.map(replenishment),
    ],
    writes: ['resourcequotas/status'],
    create: context => {
      const charges = followCharges(context);
      return {
        reconcile: key => reconcile(key, context, charges),
        run: signal => resync(context, signal),
      };
    },
  };
}

/** When an object goes, or uses less, quotas of its namespace are counted anew. */
const replenishment = (resource: ResourceRef<any>): Watch => ({
  resource,
  keys(object: KubeObject, old, context, deleted) {
    const namespace = object.metadata.namespace!;
    if (!old || context.lister(coreV1.resourcequotas).list(namespace).length === 0) return [];
    return deleted || frees(resource, object, old, context.clock.now()) ? keysFor(context, resource, namespace) : [];
  },
});

function keysFor(context: ControllerContext, of: Counted, namespace: string): readonly string[] {
  const quotas = context.lister(coreV1.resourcequotas).list(namespace);
  return quotas.filter(q => namesFor(q, of).length > 0).map(keyOf);
}

async function resync(context: ControllerContext, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await context.clock.sleep(resyncMs, signal).catch(() => {});
    for (const quota of context.lister(coreV1.resourcequotas).list()) context.enqueue(keyOf(quota));
  }
}

/** When admission last charged a quota, and since when a lower count waits; monotonic, by key. */
interface Charges {
  readonly chargedMs: Map<string, number>;
  readonly waitingMs: Map<string, number>;
  /** What was written here last: no charge. */
  readonly own: Map<string, Readonly<Record<string, string>>>;
}

function followCharges(context: ControllerContext): Charges {
  const charges: Charges = { chargedMs: new Map(), waitingMs: new Map(), own: new Map() };
  context.observe(coreV1.resourcequotas, {
    onAdd: () => {},
    onUpdate(quota, old) {
      const key = keyOf(quota);
      if (!raises(old, quota) || isSame(charges.own.get(key), quota.status?.used)) return;
      charges.chargedMs.set(key, context.clock.monotonic());
    },
    onDelete(quota) {
      for (const map of [charges.chargedMs, charges.waitingMs, charges.own]) map.delete(keyOf(quota));
    },
  });
  return charges;
}

/**
 * How long a count that is lower has to wait: what admission has charged is stored, and seen here, a moment later.
 * 0: not at all, also when it has waited long enough beside one charge after another.
 */
function waitMs({ chargedMs, waitingMs }: Charges, key: string, nowMs: number): number {
  const sinceCharge = nowMs - (chargedMs.get(key) ?? Number.NEGATIVE_INFINITY);
  const waited = nowMs - waitingMs.getOrInsert(key, nowMs);
  return waited >= longestWaitMs ? 0 : Math.max(0, settledMs - sinceCharge);
}

async function reconcile(key: string, context: ControllerContext, charges: Charges): Promise<Result | undefined> {
  const quota = context.lister(coreV1.resourcequotas).get(key);
  if (!quota) return undefined;
  const namespace = quota.metadata.namespace!;
  const nowMs = context.clock.now();
  const others = otherCounted(quota, counted);
  const count = async (list: (resource: ResourceRef<any>) => Promise<readonly object[]>) => {
    const used = new Map<string, Quantity>();
    for (const resource of counted)
      if (namesFor(quota, resource).length > 0) tally(used, quota, resource, await list(resource), nowMs);
    for (const other of others) {
      const objects = await listUnwatched(context, other, namespace);
      if (objects) tally(used, quota, other, objects, nowMs);
    }
    return nextStatus(quota, used);
  };
  let status = await count(async resource => context.lister(resource).list(namespace));
  if (status && raises({ ...quota, status }, quota)) {
    const wait = waitMs(charges, key, context.clock.monotonic());
    if (wait > 0) return { requeueAfterMs: wait };
    // What is given back can be used again at once: an informer that lags would give away more than there is.
    status = await count(async resource => (await context.client.list(resource, { namespace })).items);
  }
  charges.waitingMs.delete(key);
  if (status?.used) charges.own.set(key, status.used);
  if (status) await context.client.updateStatus<ResourceQuota>(coreV1.resourcequotas, cloneDeep({ ...quota, status }));
  return others.length > 0 ? { requeueAfterMs: unwatchedMs } : undefined;
}

/** Undefined when the server has no such resource. */
async function listUnwatched(
  { client }: ControllerContext,
  { group, resource }: Counted,
  namespace: string,
): Promise<readonly object[] | undefined> {
  try {
    const version =
      group === '' ? 'v1' : (((await client.raw(`/apis/${group}`)) as APIGroup).preferredVersion?.version ?? '');
    const target = ref<KubeObject>(group, version, resource, '', true);
    const objects: object[] = [];
    let from: string | undefined;
    do {
      const page = await client.list(target, { namespace, limit: pageSize, ...(from ? { continue: from } : {}) });
      objects.push(...page.items);
      from = page.metadata.continue;
    } while (from);
    return objects;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
