// The ControllerRevisions of a StatefulSet.
import { appsV1 } from '../../api/refs.ts';
import { isAlreadyExists } from '../../api/status.ts';
import type { ControllerRevision, StatefulSet } from '../../api/type/apps-v1.ts';
import type { Pod, PodTemplateSpec } from '../../api/type/core-v1.ts';
import type { WholeNumber } from '../../base/whole-number.ts';
import type { ControllerContext } from '../../engine/controller.ts';
import { controllerRef } from '../../engine/controller-ref.ts';
import { claimRevisions, deleteRevisions, renumber } from '../history/history.ts';
import { byRevision, expendableRevisions, holdsTemplate, newRevision, nextNumber } from '../history/kernel/revision.ts';
import { workloadSelector } from '../workload-selector.ts';
import { revisionOf } from './kernel/set-plan.ts';

const hashLabel = 'controller.kubernetes.io/hash';

export interface SetHistory {
  readonly all: readonly ControllerRevision[];
  /** What the set was rolled out to last. */
  readonly current: ControllerRevision;
  /** What it is being rolled out to. */
  readonly update: ControllerRevision;
  readonly collisionCount: number;
}

/** The revisions, with one for the template, made if need be, and numbered as the newest. */
export async function setHistory(context: ControllerContext, set: StatefulSet): Promise<SetHistory> {
  const all = await claimRevisions(context, set, appsV1.statefulsets, workloadSelector(set));
  const { update, collisionCount } = await updateRevision(context, set, all);
  const named = all.find(r => r.metadata.name === set.status?.currentRevision);
  return { all, current: named ?? update, update, collisionCount };
}

async function updateRevision(
  context: ControllerContext,
  set: StatefulSet,
  all: readonly ControllerRevision[],
): Promise<Pick<SetHistory, 'update' | 'collisionCount'>> {
  const collisionCount = set.status?.collisionCount ?? 0;
  const same = all.findLast(r => holdsTemplate(r, set.spec.template));
  if (!same) return create(context, set, nextNumber(all), collisionCount);
  const isNewest = same === all.at(-1);
  return { update: isNewest ? same : await renumber(context, same, nextNumber(all)), collisionCount };
}

/** Where the name is taken by other data, the next collision count gives another one. */
async function create(
  context: ControllerContext,
  set: StatefulSet,
  revision: WholeNumber,
  from: number,
): Promise<Pick<SetHistory, 'update' | 'collisionCount'>> {
  for (let collisionCount = from; ; collisionCount++) {
    const draft = newRevision({
      owner: set,
      ownerReference: controllerRef(set, appsV1.statefulsets),
      template: set.spec.template,
      hashLabel,
      revision,
      collisionCount,
    });
    try {
      return { update: await context.client.create(appsV1.controllerrevisions, draft), collisionCount };
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const { name, namespace } = draft.metadata!;
      const found = await context.client.get(appsV1.controllerrevisions, { namespace: namespace!, name: name! });
      if (holdsTemplate(found, set.spec.template)) return { update: found, collisionCount };
    }
  }
}

/** The template a revision holds. */
export function templateOf(revision: ControllerRevision): PodTemplateSpec {
  const data = revision.data as { spec?: { template?: PodTemplateSpec & { $patch?: string } } } | undefined;
  const { $patch: _, ...template } = data?.spec?.template ?? {};
  return template;
}

/** Deletes what nothing lives from, beyond the history limit. */
export async function cleanUpHistory(
  context: ControllerContext,
  set: StatefulSet,
  { all, current, update }: SetHistory,
  pods: readonly Pod[],
): Promise<void> {
  const live = new Set([current.metadata.name, update.metadata.name, ...pods.map(revisionOf)]);
  const dead = all.filter(r => !live.has(r.metadata.name)).sort(byRevision);
  await deleteRevisions(context, expendableRevisions(dead, set.spec.revisionHistoryLimit ?? 10));
}
