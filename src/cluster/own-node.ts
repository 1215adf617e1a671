import { coreV1 } from '../api/refs.ts';
import type { Node } from '../api/type/core-v1.ts';
import { aborted } from '../base/lifecycle.ts';
import type { InformerFactory } from '../client/informer.ts';

/** Calls `act` with the node's own object, now and after every change, until the signal aborts. */
export async function watchOwnNode(
  factory: InformerFactory,
  name: string,
  signal: AbortSignal,
  act: (node: Node) => void,
): Promise<void> {
  const see = (node: Node) => {
    if (node.metadata.name === name) act(node);
  };
  const off = factory.informer<Node>(coreV1.nodes).addHandler({ onAdd: see, onUpdate: see });
  await aborted(signal);
  off();
}
