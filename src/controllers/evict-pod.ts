import { formatTime, keyOf, parseKey } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import { isNotFound } from '../api/status.ts';
import type { Pod } from '../api/type/core-v1.ts';
import type { ControllerContext } from '../engine/controller.ts';
import { disruptionTarget } from './kernel/disruption-target.ts';

/** Says in the pod why it goes, and deletes it; one that is gone already, or another one by now, is left. */
export async function evictPod(
  { client, clock }: Pick<ControllerContext, 'client' | 'clock'>,
  pod: Pod,
  reason: string,
  message: string,
): Promise<void> {
  const key = parseKey(keyOf(pod));
  const { uid } = pod.metadata;
  const condition = disruptionTarget(pod, reason, message, formatTime(clock.now()));
  try {
    const body = { metadata: { uid }, status: { conditions: [condition] } };
    if (condition) await client.patch(coreV1.pods, key, { type: 'strategic', body }, { subresource: 'status' });
    await client.delete(coreV1.pods, key, { preconditions: { uid } });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
