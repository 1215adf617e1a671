// ControllerRevisions of a workload: claimed, numbered anew, deleted.
import type { Selector } from '../../api/label-selector.ts';
import { cloneDeep, type Draft, type KubeObject } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { appsV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { ControllerRevision } from '../../api/type/apps-v1.ts';
import type { WholeNumber } from '../../base/whole-number.ts';
import type { ControllerContext } from '../../engine/controller.ts';
import { claimObjects } from '../../engine/controller-ref.ts';
import { ownedOrOrphan } from '../pod-owner.ts';
import { byRevision } from './kernel/revision.ts';

/** The workload's revisions, orphans of its selector adopted, oldest first. */
export async function claimRevisions<O extends KubeObject>(
  context: ControllerContext,
  owner: O,
  ownerResource: ResourceRef<O>,
  selector: Selector,
): Promise<ControllerRevision[]> {
  const claimed = await claimObjects(ownedOrOrphan(context.lister(appsV1.controllerrevisions), owner), {
    client: context.client,
    owner,
    ownerResource,
    resource: appsV1.controllerrevisions,
    matches: r => selector.matches(r.metadata.labels),
  });
  return claimed.sort(byRevision);
}

/** Gives the revision a new number: it is the newest again. */
export async function renumber(
  context: ControllerContext,
  revision: ControllerRevision,
  number: WholeNumber,
): Promise<ControllerRevision> {
  if (revision.revision === number) return revision;
  const draft = { ...cloneDeep(revision), revision: number } as Draft<ControllerRevision>;
  return context.client.update(appsV1.controllerrevisions, draft);
}

export async function deleteRevisions(
  context: ControllerContext,
  revisions: readonly ControllerRevision[],
): Promise<void> {
  for (const { metadata } of revisions) {
    try {
      const key = { namespace: metadata.namespace!, name: metadata.name };
      await context.client.delete(appsV1.controllerrevisions, key);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}
