// Keeps pods that need a feature of the kubelet to nodes that say they have it.
import type { Container, Node, Pod } from '../../api/type/core-v1.ts';
import { action } from '../cluster-event.ts';
import type { CycleState, Plugin } from '../framework.ts';
import { nodeHint } from '../hint.ts';
import { type Status, skip, unresolvable } from '../status.ts';

const name = 'NodeDeclaredFeatures';
const stateKey = 'PreFilterNodeDeclaredFeatures';

/** What pods are known to need, by the name that nodes declare. */
const needs: Readonly<Record<string, (pod: Pod) => boolean>> = {
  RestartAllContainersOnContainerExits: ({ spec }) =>
    [...spec.containers, ...(spec.initContainers ?? [])].some((c: Container) =>
      c.restartPolicyRules?.some(r => r.action === 'RestartAllContainers'),
    ),
};

const neededBy = (pod: Pod): readonly string[] => Object.keys(needs).filter(f => needs[f]!(pod));

const missing = (needed: readonly string[], node: Node | undefined): readonly string[] =>
  needed.filter(f => !node?.status?.declaredFeatures?.includes(f));

export function nodeDeclaredFeatures(): Plugin {
  return {
    name,
    preFilter(state: CycleState, { pod }) {
      const needed = neededBy(pod);
      if (needed.length === 0) return { status: skip };
      state.write(stateKey, needed);
      return undefined;
    },
    filter(state, _pod, { node }): Status | undefined {
      const lacking = missing(state.read<readonly string[]>(stateKey) ?? [], node);
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
        hint: nodeHint((pod, node) => missing(neededBy(pod), node).length === 0),
      },
    ],
  };
}
