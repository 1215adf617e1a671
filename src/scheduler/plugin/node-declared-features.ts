// Keeps pods that need a feature of the kubelet to nodes that say they have it.
import { featuresNeeded, undeclared } from '../../api/node-feature.ts';
import { action } from '../cluster-event.ts';
import type { CycleState, Handle, Plugin } from '../framework.ts';
import { nodeHint } from '../hint.ts';
import { type Status, skip, unresolvable } from '../status.ts';

const name = 'NodeDeclaredFeatures';
const stateKey = 'PreFilterNodeDeclaredFeatures';

export function nodeDeclaredFeatures({ featureEnabled }: Pick<Handle, 'featureEnabled'>): Plugin {
  const isOff = featureEnabled?.(name) === false;
  return {
    name,
    preFilter(state: CycleState, { pod }) {
      const needed = isOff ? [] : featuresNeeded(pod.spec);
      if (needed.length === 0) return { status: skip };
      state.write(stateKey, needed);
      return undefined;
    },
    filter(state, _pod, { node }): Status | undefined {
      const lacking = undeclared(state.read<readonly string[]>(stateKey) ?? [], node);
      if (lacking.length === 0) return undefined;
      return unresolvable(
        name,
        `node declared features check failed - unsatisfied requirements: ${lacking.join(', ')}`,
      );
    },
    eventsToRegister: () => [
      {
        resource: 'Node',
        actions: action.add | action.updateNodeDeclaredFeature,
        hint: nodeHint((pod, node) => undeclared(featuresNeeded(pod.spec), node).length === 0),
      },
    ],
  };
}
