// The managers of CPUs, memory and topology, put together from a kubelet's options.
import type { Pod } from '../api/type/core-v1.ts';
import type { NodeDevices } from './device/node-devices.ts';
import type { Host } from './host/host.ts';
import type { KubeletMetrics } from './kubelet-metrics.ts';
import type { KubeletOptions, MachineInfo } from './option.ts';
import type { PodPaths } from './pod-path.ts';
import type { RuntimeCache } from './runtime-cache.ts';
import type { MachineTopology } from './topology/kernel/machine-topology.ts';
import { readTopology } from './topology/read-topology.ts';
import { anyManager, ResourceManagers } from './topology/resource-managers.ts';

interface ManagersOwner {
  readonly options: KubeletOptions;
  readonly paths: PodPaths;
  readonly metrics: KubeletMetrics;
  /** Pods of which something may run; undefined while that is not known for all. */
  holders(): readonly Pod[] | undefined;
}

/** Only where a manager asks for it. */
export async function topologyOf(
  o: KubeletOptions,
  { memoryBytes }: MachineInfo,
): Promise<MachineTopology | undefined> {
  if (!o.managers || !anyManager(o.managers)) return undefined;
  return o.topology ?? (await readTopology(memoryBytes));
}

interface ManagersInput {
  readonly host: Host;
  readonly machine: MachineInfo;
  readonly cache: RuntimeCache;
  readonly devices: NodeDevices | undefined;
  readonly topology: MachineTopology;
  readonly evictionHard: Readonly<Record<string, string>>;
}

export function makeManagers(owner: ManagersOwner, { devices, machine, ...input }: ManagersInput): ResourceManagers {
  const { options: o, paths, metrics } = owner;
  const { runtime, clock, log } = o;
  const managers = new ResourceManagers({
    ...{
      ...input,
      runtime,
      clock,
      log,
      settings: o.managers ?? {},
      root: paths.root,
      memoryBytes: machine.memoryBytes,
    },
    reserved: [o.systemReserved ?? {}, o.kubeReserved ?? {}],
    metrics: metrics.own,
    ...(devices ? { devices: devices.provider } : {}),
    holders: () => owner.holders(),
  });
  devices?.tellOf(managers);
  return managers;
}
