import type { Pod } from '../../api/type/core-v1.ts';
import { action } from '../cluster-event.ts';
import type { Plugin } from '../framework.ts';
import { HostPortSet, hostPortsOf } from '../kernel/host-ports.ts';
import { skip, unschedulable } from '../status.ts';

const name = 'NodePorts';
const taken = unschedulable(name, "node(s) didn't have free ports for the requested pod ports");

/** Did the pod that went away hold a port that this one wants? */
function freesPort(pod: Pod, gone: Pod): boolean {
  const held = new HostPortSet();
  for (const p of hostPortsOf(gone)) held.add(p);
  return hostPortsOf(pod).some(p => held.conflicts(p));
}

export const nodePorts = (): Plugin => ({
  name,
  sign: pod => (pod.hostPorts.length ? JSON.stringify(pod.hostPorts) : ''),
  preFilter: (_state, pod) => (pod.hostPorts.length ? undefined : { status: skip }),
  filter(_state, pod, node) {
    for (const port of pod.hostPorts) if (node.ports.conflicts(port)) return taken;
    return undefined;
  },
  eventsToRegister: () => [
    {
      resource: 'AssignedPod',
      actions: action.delete,
      hint: (pod, old) => (old && freesPort(pod, old as Pod) ? 'Queue' : 'Skip'),
    },
    { resource: 'Node', actions: action.add },
  ],
});
