// The ControllerRevisions of a DaemonSet: one for its template as it is, others for what pods still run or may go back to.
import type { Selector } from '../../api/label-selector.ts';
import { cloneDeep, type Draft } from '../../api/meta.ts';
import { appsV1, coreV1 } from '../../api/refs.ts';
import { isAlreadyExists } from '../../api/status.ts';
import type { ControllerRevision, DaemonSet } from '../../api/type/apps-v1.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import type { WholeNumber } from '../../base/whole-number.ts';
import type { ControllerContext } from '../../engine/controller.ts';
import { controllerRef } from '../../engine/controller-ref.ts';
import { claimRevisions, deleteRevisions, renumber } from '../history/history.ts';
import {
  expendableRevisions,
  holdsTemplate,
  newRevision,
  nextNumber,
  revisionLabel,
} from '../history/kernel/revision.ts';

export interface DaemonHistory {
  readonly current: ControllerRevision;
  readonly old: readonly ControllerRevision[];
}

export const hashOfRevision = (r: ControllerRevision): string => r.metadata.labels?.[revisionLabel] ?? '';

/** The revisions, with one for the template, made if need be, and numbered as the newest. */
export async function daemonHistory(
  context: ControllerContext,
  ds: DaemonSet,
  selector: Selector,
  pods: () => Promise<readonly Pod[]>,
): Promise<DaemonHistory> {
  const all: ControllerRevision[] = [];
  for (const r of await claimRevisions(context, ds, appsV1.daemonsets, selector)) all.push(await labelled(context, r));
  const same = all.filter(r => holdsTemplate(r, ds.spec.template));
  const old = all.filter(r => !same.includes(r));
  const number = nextNumber(old);
  const newest = same.pop();
  if (!newest) return { current: await create(context, ds, number), old };
  if (same.length > 0) await mergeInto(context, newest, same, await pods());
  return { current: newest.revision < number ? await renumber(context, newest, number) : newest, old };
}

/** A revision adopted from elsewhere goes by its name. */
function labelled(context: ControllerContext, r: ControllerRevision): Promise<ControllerRevision> | ControllerRevision {
  if (r.metadata.labels?.[revisionLabel] !== undefined) return r;
  const draft = cloneDeep(r);
  draft.metadata.labels = { ...draft.metadata.labels, [revisionLabel]: r.metadata.name };
  return context.client.update(appsV1.controllerrevisions, draft as Draft<ControllerRevision>);
}

async function create(context: ControllerContext, ds: DaemonSet, revision: WholeNumber): Promise<ControllerRevision> {
  const draft = newRevision({
    owner: ds,
    ownerReference: controllerRef(ds, appsV1.daemonsets),
    template: ds.spec.template,
    hashLabel: revisionLabel,
    revision,
    collisionCount: ds.status?.collisionCount,
  });
  try {
    return await context.client.create(appsV1.controllerrevisions, draft);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const { name, namespace } = draft.metadata!;
    const found = await context.client.get(appsV1.controllerrevisions, { namespace: namespace!, name: name! });
    if (holdsTemplate(found, ds.spec.template)) return found;
    await countCollision(context, ds);
    throw error;
  }
}

/** Another revision has the name: the next try finds another one. */
async function countCollision(context: ControllerContext, ds: DaemonSet): Promise<void> {
  const key = { namespace: ds.metadata.namespace!, name: ds.metadata.name };
  const fresh = await context.client.get(appsV1.daemonsets, key);
  if (fresh.status?.collisionCount !== ds.status?.collisionCount)
    throw new Error(
      `found a stale collision count (${ds.status?.collisionCount ?? 0}) of DaemonSet "${ds.metadata.name}"`,
    );
  const status = { ...fresh.status, collisionCount: (fresh.status?.collisionCount ?? 0) + 1 };
  await context.client.updateStatus(appsV1.daemonsets, { ...cloneDeep(fresh), status } as Draft<DaemonSet>);
}

/** Pods of revisions that hold the same go over to the one that stays. */
async function mergeInto(
  context: ControllerContext,
  keep: ControllerRevision,
  others: readonly ControllerRevision[],
  pods: readonly Pod[],
): Promise<void> {
  const hashes = new Set(others.map(hashOfRevision));
  const labels = { [revisionLabel]: hashOfRevision(keep) };
  for (const { metadata } of pods) {
    if (!hashes.has(metadata.labels?.[revisionLabel] ?? '')) continue;
    const key = { namespace: metadata.namespace!, name: metadata.name };
    await context.client.patch(coreV1.pods, key, { type: 'strategic', body: { metadata: { labels } } });
  }
  await deleteRevisions(context, others);
}

/** Deletes what no pod runs any more, beyond the history limit. */
export async function cleanUpHistory(
  context: ControllerContext,
  ds: DaemonSet,
  old: readonly ControllerRevision[],
  pods: readonly Pod[],
): Promise<void> {
  const limit = ds.spec.revisionHistoryLimit ?? 10;
  // Live ones count, but stay.
  const live = new Set(pods.map(p => p.metadata.labels?.[revisionLabel]));
  const dead = old.filter(r => !live.has(hashOfRevision(r)));
  await deleteRevisions(context, expendableRevisions(dead, Math.max(0, limit - (old.length - dead.length))));
}
