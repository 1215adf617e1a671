// Going back to a revision named in the annotation of old clients.
import { cloneDeep, type Draft } from '../../api/meta.ts';
import { appsV1 } from '../../api/refs.ts';
import type { Deployment, ReplicaSet } from '../../api/type/apps-v1.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import type { ControllerContext } from '../../engine/controller.ts';
import { equalTemplates, withoutHash } from './kernel/replica-sets.ts';
import {
  lastRevision,
  revisionOf,
  rollbackAnnotation,
  rollbackRevision,
  rolledBackAnnotations,
} from './kernel/revision.ts';
import type { Round } from './round.ts';

/** Takes over the template of the wanted revision, if there is one, and in any case takes the wish away. */
export async function rollBack(context: ControllerContext, round: Round): Promise<void> {
  await round.split(true);
  const d = round.deployment;
  const tell = (type: 'Normal' | 'Warning', reason: string, message: string) =>
    context.events.event(referenceTo(d, appsV1.deployments), type, reason, message);
  const revision = rollbackRevision(d) || lastRevision(round.sets);
  const target = revision ? round.sets.find(rs => revisionOf(rs) === revision) : undefined;
  const draft = cloneDeep(d) as Draft<Deployment>;
  let done = false;
  if (!revision) tell('Warning', 'DeploymentRollbackRevisionNotFound', 'Unable to find last revision.');
  else if (!target)
    tell('Warning', 'DeploymentRollbackRevisionNotFound', 'Unable to find the revision to rollback to.');
  else if (equalTemplates(target.spec.template, d.spec.template))
    tell(
      'Warning',
      'DeploymentRollbackTemplateUnchanged',
      `The rollback revision contains the same template as current deployment "${d.metadata.name}"`,
    );
  else {
    takeOver(draft, d, target);
    done = true;
  }
  delete draft.metadata!.annotations![rollbackAnnotation];
  await context.client.update(appsV1.deployments, draft);
  if (done) tell('Normal', 'DeploymentRollback', `Rolled back deployment "${d.metadata.name}" to revision ${revision}`);
}

function takeOver(draft: Draft<Deployment>, d: Deployment, target: ReplicaSet): void {
  draft.spec!.template = cloneDeep(withoutHash(target.spec.template)!) as never;
  draft.metadata!.annotations = rolledBackAnnotations(d, target);
}
