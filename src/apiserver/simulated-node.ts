import type { Node } from '../api/type/core-v1.ts';
import { type ApiContext, registryOf } from './context.ts';

/** What a node reports as its system when nothing runs on it. */
export const simulatedSystem = 'simulated';

/** The addresses of such a node and of its pods are nobody's: whoever has them elsewhere must not be spoken to. */
export function isSimulatedNode(context: ApiContext, nodeName: string | undefined): boolean {
  if (!nodeName) return false;
  const node = registryOf(context, '', 'nodes').cache.get(nodeName)?.object as Node | undefined;
  return node?.status?.nodeInfo?.osImage === simulatedSystem;
}
