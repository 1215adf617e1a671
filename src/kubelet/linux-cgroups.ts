import type { Pod } from '../api/type/core-v1.ts';
import type { Cgroups } from '../cri/cgroup.ts';
import type { PodCgroups } from './cgroup.ts';
import { bytesOf, milliOf } from './kernel/amount.ts';
import { cpuShares, podCgroup, podHugepages, podTotal, qosClassOf } from './kernel/qos.ts';

export interface MachineShare {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
}

/** What all pods together may use of a machine: without what is reserved for others. */
export function shareOfPods(
  machine: MachineShare,
  reserved: readonly (Readonly<Record<string, string>> | undefined)[],
): MachineShare {
  const sum = (name: string, read: (quantity: string | undefined) => number) =>
    reserved.reduce((total, list) => total + read(list?.[name]), 0);
  return {
    cpuMilli: Math.max(0, machine.cpuMilli - sum('cpu', milliOf)),
    memoryBytes: Math.max(0, machine.memoryBytes - sum('memory', bytesOf)),
  };
}

export interface LinuxPodCgroupsOptions {
  readonly enforceCpuQuota?: boolean;
  /** Default 100 ms. */
  readonly cpuPeriodUs?: number;
  /** Processes that a pod may have; absent: as many as there are. */
  readonly podPidsLimit?: number;
  /** What all pods together may use; absent: the node's group has no limits of its own. */
  readonly allocatable?: MachineShare;
}

/** Pod groups by the cgroupfs driver, below the node's own group. */
export function linuxPodCgroups(cgroups: Cgroups, options: LinuxPodCgroupsOptions = {}): PodCgroups {
  const pathOf = (pod: Pod) => cgroups.podPath(qosClassOf(pod), pod.metadata.uid ?? '');
  /** While it is resized a pod's resources may be of another class than it is. */
  const groupOf = (pod: Pod) => {
    const uid = pod.metadata.uid ?? '';
    return cgroups.pod(uid) ?? { qos: qosClassOf(pod), path: pathOf(pod) };
  };
  /** What each burstable pod requests: their class weighs as much as they do together. */
  const burstableMilli = new Map<string, number>();
  let burstableShares: number | undefined;
  const weighClass = () => {
    const shares = cpuShares(burstableMilli.values().reduce((sum, milli) => sum + milli, 0));
    if (shares === burstableShares) return;
    cgroups.update(cgroups.classPath('Burstable'), { cpuShares: shares });
    burstableShares = shares;
  };
  return {
    version: cgroups.layout.version === 'v2' ? 2 : 1,
    async prepare() {
      const { allocatable: all } = options;
      cgroups.createParents(all && { cpuShares: cpuShares(all.cpuMilli), memoryLimitBytes: all.memoryBytes });
      weighClass();
    },
    limitsSwap: () => cgroups.limitsSwap,
    parentOf: pathOf,
    async ensure(pod, unlimited = false) {
      const r = podCgroup(pod, options.cpuPeriodUs);
      const quota = unlimited || options.enforceCpuQuota === false ? 0 : r.cpuQuotaUs;
      const { path, qos } = groupOf(pod);
      cgroups.create(path, {
        cpuShares: r.cpuShares,
        ...(quota ? { cpuQuotaUs: quota, cpuPeriodUs: r.cpuPeriodUs } : {}),
        ...(r.memoryBytes ? { memoryLimitBytes: r.memoryBytes } : {}),
        ...(options.podPidsLimit === undefined ? {} : { pidsLimit: options.podPidsLimit }),
      });
      cgroups.limitHugepages(path, pageBytes => podHugepages(pod.spec, pageBytes));
      if (qos !== 'Burstable') return;
      burstableMilli.set(pod.metadata.uid ?? '', podTotal(pod.spec, 'requests', 'cpu'));
      weighClass();
    },
    async remove(uid) {
      for (const found of cgroups.pods()) if (found.uid === uid) await cgroups.remove(found.path);
      if (burstableMilli.delete(uid)) weighClass();
    },
    processes(uid) {
      const path = cgroups.pod(uid)?.path;
      return path === undefined ? 0 : cgroups.processes(path).length;
    },
    async list() {
      return cgroups.pods().map(p => p.uid);
    },
  };
}
