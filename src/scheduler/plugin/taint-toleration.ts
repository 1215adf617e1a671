import { isTolerated, untoleratedTaint } from '../../api/toleration.ts';
import type { Node, Pod, Taint, Toleration } from '../../api/type/core-v1.ts';
import { action } from '../cluster-event.ts';
import type { Plugin } from '../framework.ts';
import { isSame, nodeHint } from '../hint.ts';
import { normalizeToMax } from '../kernel/score.ts';
import { unresolvable } from '../status.ts';

const name = 'TaintToleration';
const untolerated = unresolvable(name, 'node(s) had untolerated taint(s)');

const usable = (pod: Pod, node: Node) => !untoleratedTaint(node.spec?.taints, pod.spec.tolerations);

/** Only these speak of preferences. */
const preferring = (tolerations: readonly Toleration[] | undefined) =>
  tolerations?.filter(t => !t.effect || t.effect === 'PreferNoSchedule');

function intolerable(taints: readonly Taint[], pod: Pod): number {
  let count = 0;
  let tolerations: readonly Toleration[] | undefined;
  for (const taint of taints) {
    if (taint.effect !== 'PreferNoSchedule') continue;
    tolerations ??= preferring(pod.spec.tolerations) ?? [];
    if (!isTolerated(tolerations, taint)) count++;
  }
  return count;
}

export const taintToleration = (): Plugin => ({
  name,
  sign: ({ pod }) => (pod.spec.tolerations?.length ? JSON.stringify(pod.spec.tolerations) : ''),
  filter(_state, { pod }, node) {
    return node.taints.length && untoleratedTaint(node.taints, pod.spec.tolerations) ? untolerated : undefined;
  },
  score: (_state, { pod }, node) => (node.taints.length ? intolerable(node.taints, pod) : 0),
  normalize: (_state, _pod, _nodes, scores) => normalizeToMax(scores, true),
  eventsToRegister: () => [
    { resource: 'Node', actions: action.add | action.updateNodeTaint, hint: nodeHint(usable) },
    {
      resource: 'UnscheduledPod',
      actions: action.updatePodToleration,
      hint: (pod, _old, now) => (isSame(pod, now) ? 'Queue' : 'Skip'),
    },
  ],
});
