import { isTolerated } from '../../api/toleration.ts';
import type { Node, Pod, Taint } from '../../api/type/core-v1.ts';
import { action } from '../cluster-event.ts';
import type { Plugin } from '../framework.ts';
import { isSame, nodeHint } from '../hint.ts';
import { unresolvable } from '../status.ts';

const name = 'NodeUnschedulable';
const unschedulable = unresolvable(name, 'node(s) were unschedulable');
const taint: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

const usable = (pod: Pod, node: Node) => !node.spec?.unschedulable || isTolerated(pod.spec.tolerations, taint);

/** Keeps pods from cordoned nodes, unless they tolerate that. */
export const nodeUnschedulable = (): Plugin => ({
  name,
  sign: ({ pod }) => String(isTolerated(pod.spec.tolerations, taint)),
  filter(_state, { pod }, { node }) {
    return usable(pod, node!) ? undefined : unschedulable;
  },
  eventsToRegister: () => [
    { resource: 'Node', actions: action.add | action.updateNodeTaint, hint: nodeHint(usable) },
    {
      resource: 'UnscheduledPod',
      actions: action.updatePodToleration,
      hint: (pod, _old, now) =>
        isSame(pod, now) && isTolerated((now as Pod).spec.tolerations, taint) ? 'Queue' : 'Skip',
    },
  ],
});
