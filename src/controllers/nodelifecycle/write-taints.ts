import { formatTime } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import { isConflict } from '../../api/status.ts';
import type { Node } from '../../api/type/core-v1.ts';
import type { ControllerContext } from '../../engine/controller.ts';
import { changedTaints, type TaintName } from './kernel/taint.ts';

const maxTries = 5;

/** Adds and removes taints in one write, over whatever others write meanwhile. Returns the node as it is then. */
export async function writeTaints(
  context: Pick<ControllerContext, 'client' | 'clock'>,
  node: Node,
  add: readonly TaintName[],
  remove: readonly TaintName[],
): Promise<Node> {
  const { client, clock } = context;
  const { name } = node.metadata;
  let current = node;
  for (let tries = 1; ; tries++) {
    const taints = changedTaints(current, add, remove, formatTime(clock.now()));
    if (!taints) return current;
    const { resourceVersion } = current.metadata;
    const body = { metadata: { resourceVersion }, spec: { taints: taints.length > 0 ? taints : null } };
    try {
      return await client.patch(coreV1.nodes, { name }, { type: 'strategic', body });
    } catch (error) {
      if (!isConflict(error) || tries >= maxTries) throw error;
    }
    current = await client.get(coreV1.nodes, { name });
  }
}
