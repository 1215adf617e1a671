import type { Host } from '../host/host.ts';
import { type StartWarning, startWarnings } from '../kernel/start-warning.ts';
import type { KubeletOptions, MachineInfo } from '../option.ts';

/** What the node is told of the machine once its kubelet starts. */
export async function readStartWarnings(
  { cgroups, clusterDomain, resolvConf: path = '/etc/resolv.conf' }: KubeletOptions,
  { host, machine }: { readonly host: Host; readonly machine: MachineInfo },
): Promise<readonly StartWarning[]> {
  const resolvConf = { path, text: await host.readFile(path) };
  return startWarnings({ ...machine, cgroupVersion: cgroups?.version, clusterDomain, resolvConf });
}
