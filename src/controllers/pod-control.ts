// Creates and deletes pods on behalf of their controller, with the events that tell of it.
import type { Draft, KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { coreV1 } from '../api/refs.ts';
import { isNotFound, StatusError } from '../api/status.ts';
import type { Pod } from '../api/type/core-v1.ts';
import type { Status } from '../api/type/meta-v1.ts';
import { messageOf } from '../base/assert.ts';
import { referenceTo } from '../client/event-recorder.ts';
import type { ControllerContext } from '../engine/controller.ts';

/** The namespace is being deleted: nothing can be created in it any more, and nothing needs to. */
export const isNamespaceTerminating = (error: unknown): boolean =>
  error instanceof StatusError && !!error.status.details?.causes?.some(c => c.reason === 'NamespaceTerminating');

/** Returns undefined when the namespace is being deleted. */
export async function createPod(
  context: Pick<ControllerContext, 'client' | 'events'>,
  pod: Draft<Pod>,
  owner: KubeObject,
  ownerResource: ResourceRef<any>,
): Promise<Pod | undefined> {
  const about = referenceTo(owner, ownerResource);
  if (Object.keys(pod.metadata?.labels ?? {}).length === 0) throw new Error('unable to create pods, no labels');
  try {
    const created = await context.client.create(coreV1.pods, pod);
    context.events.event(about, 'Normal', 'SuccessfulCreate', `Created pod: ${created.metadata.name}`);
    return created;
  } catch (error) {
    if (isNamespaceTerminating(error)) return undefined;
    context.events.event(about, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`);
    throw error;
  }
}

/** The API server's answer. Rejects with NotFound, without an event, when the pod is gone already. */
export async function deletePod(
  context: Pick<ControllerContext, 'client' | 'events'>,
  pod: Pod,
  owner: KubeObject,
  ownerResource: ResourceRef<any>,
): Promise<Pod | Status> {
  const { name, namespace, uid } = pod.metadata;
  const about = referenceTo(owner, ownerResource);
  let answer: Pod | Status;
  try {
    answer = await context.client.delete(coreV1.pods, { namespace: namespace!, name }, { preconditions: { uid } });
  } catch (error) {
    if (!isNotFound(error))
      context.events.event(about, 'Warning', 'FailedDelete', `Error deleting: ${messageOf(error)}`);
    throw error;
  }
  context.events.event(about, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
  return answer;
}
