import { action } from '../cluster-event.ts';
import type { Plugin } from '../framework.ts';
import { isSame } from '../hint.ts';
import { unresolvable } from '../status.ts';

const name = 'SchedulingGates';

/** Keeps pods with scheduling gates out of the active queue. */
export const schedulingGates = (): Plugin => ({
  name,
  preEnqueue({ pod }) {
    const gates = pod.spec.schedulingGates;
    if (!gates?.length) return undefined;
    return unresolvable(name, `waiting for scheduling gates: [${gates.map(g => g.name).join(' ')}]`);
  },
  eventsToRegister: () => [
    {
      resource: 'UnscheduledPod',
      actions: action.updatePodSchedulingGatesEliminated,
      hint: (pod, _old, now) => (isSame(pod, now) ? 'Queue' : 'Skip'),
    },
  ],
});
