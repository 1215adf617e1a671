import { formatTime } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import type { ControllerContext } from '../../engine/controller.ts';
import { podCondition } from '../kernel/pod.ts';

/** Nobody can tell any more whether these pods serve: takes them out of services. Rejects with the first failure, after all were tried. */
export async function markPodsNotReady(
  context: Pick<ControllerContext, 'client' | 'clock' | 'events'>,
  pods: readonly Pod[],
): Promise<void> {
  const failures: unknown[] = [];
  for (const pod of pods) {
    try {
      await markNotReady(context, pod);
    } catch (error) {
      if (!isNotFound(error)) failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

async function markNotReady(context: Pick<ControllerContext, 'client' | 'clock' | 'events'>, pod: Pod): Promise<void> {
  const ready = podCondition(pod, 'Ready');
  if (!ready || ready.status === 'False') return;
  const { name, namespace, uid } = pod.metadata;
  const condition = { ...ready, status: 'False', lastTransitionTime: formatTime(context.clock.now()) };
  const body = { metadata: { uid }, status: { conditions: [condition] } };
  await context.client.patch(
    coreV1.pods,
    { namespace: namespace!, name },
    { type: 'strategic', body },
    { subresource: 'status' },
  );
  context.events.event(referenceTo(pod, coreV1.pods), 'Warning', 'NodeNotReady', 'Node is not ready');
}
