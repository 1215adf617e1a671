import {
  nodeNamesOf,
  nodeSelectorMatches,
  preferenceScore,
  requiredNodeAffinityMatches,
} from '../../api/node-affinity.ts';
import type { Node, NodeAffinity, Pod } from '../../api/type/core-v1.ts';
import { action } from '../cluster-event.ts';
import type { Plugin } from '../framework.ts';
import { isSame, nodeHint } from '../hint.ts';
import { normalizeToMax } from '../kernel/score.ts';
import { skip, unresolvable } from '../status.ts';

const name = 'NodeAffinity';
const mismatch = unresolvable(name, "node(s) didn't match Pod's node affinity/selector");
const enforced = unresolvable(name, "node(s) didn't match scheduler-enforced node affinity");
const conflict = unresolvable(name, 'pod affinity terms conflict');

/** NodeAffinityArgs of kubescheduler.config.k8s.io/v1. */
export interface NodeAffinityArgs {
  readonly addedAffinity?: NodeAffinity;
}

const affinityOf = (pod: Pod) => pod.spec.affinity?.nodeAffinity;
const requiredOf = (affinity: NodeAffinity | undefined) => affinity?.requiredDuringSchedulingIgnoredDuringExecution;
const preferredOf = (affinity: NodeAffinity | undefined) =>
  affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];

/** nodeSelector and node affinity, with what the configuration adds for all pods. */
export function nodeAffinity(_handle: unknown, args: unknown): Plugin {
  const added = (args as NodeAffinityArgs | undefined)?.addedAffinity;
  const addedRequired = requiredOf(added);
  const addedPreferred = preferredOf(added);
  const allowed = (node: Node) => !addedRequired || nodeSelectorMatches(addedRequired, node);
  const usable = (pod: Pod, node: Node) => allowed(node) && requiredNodeAffinityMatches(pod, node);
  return {
    name,
    sign({ pod }) {
      const { nodeSelector } = pod.spec;
      const affinity = affinityOf(pod);
      return nodeSelector || affinity ? JSON.stringify([nodeSelector, affinity]) : '';
    },
    preFilter(_state, { pod }) {
      const required = requiredOf(affinityOf(pod));
      if (!pod.spec.nodeSelector && !required && !addedRequired) return { status: skip };
      const nodeNames = nodeNamesOf(required);
      if (!nodeNames) return undefined;
      return nodeNames.size === 0 ? { status: conflict } : { nodeNames };
    },
    filter(_state, { pod }, { node }) {
      if (!allowed(node!)) return enforced;
      return requiredNodeAffinityMatches(pod, node!) ? undefined : mismatch;
    },
    preScore(_state, { pod }) {
      return preferredOf(affinityOf(pod)).length + addedPreferred.length ? undefined : skip;
    },
    score(_state, { pod }, { node }) {
      return preferenceScore(addedPreferred, node!) + preferenceScore(preferredOf(affinityOf(pod)), node!);
    },
    normalize: (_state, _pod, _nodes, scores) => normalizeToMax(scores, false),
    eventsToRegister: () => [
      { resource: 'Node', actions: action.add | action.updateNodeLabel, hint: nodeHint(usable) },
      // Gated pods may have their affinity changed.
      {
        resource: 'UnscheduledPod',
        actions: action.updateOther,
        hint: (pod, _old, now) => (isSame(pod, now) ? 'Queue' : 'Skip'),
      },
    ],
  };
}
