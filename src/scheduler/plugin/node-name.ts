import { action } from '../cluster-event.ts';
import type { Plugin } from '../framework.ts';
import { unresolvable } from '../status.ts';

const name = 'NodeName';
const mismatch = unresolvable(name, "node(s) didn't match the requested node name");

export const nodeName = (): Plugin => ({
  name,
  sign: ({ pod }) => pod.spec.nodeName ?? '',
  filter(_state, { pod }, node) {
    return pod.spec.nodeName && pod.spec.nodeName !== node.name ? mismatch : undefined;
  },
  eventsToRegister: () => [{ resource: 'Node', actions: action.add }],
});
