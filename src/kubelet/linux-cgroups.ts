import type { Pod } from '../api/type/core-v1.ts';
import type { Cgroups } from '../cri/cgroup.ts';
import type { PodCgroups } from './cgroup.ts';
import { podCgroup, qosClassOf } from './kernel/qos.ts';

/** Pod groups by the cgroupfs driver, below the node's own group. */
export function linuxPodCgroups(cgroups: Cgroups, options: { readonly enforceCpuQuota?: boolean } = {}): PodCgroups {
  const pathOf = (pod: Pod) => cgroups.podPath(qosClassOf(pod), pod.metadata.uid ?? '');
  return {
    version: cgroups.layout.version === 'v2' ? 2 : 1,
    async prepare() {
      cgroups.createParents();
    },
    parentOf: pathOf,
    async ensure(pod) {
      const r = podCgroup(pod);
      const quota = options.enforceCpuQuota === false ? 0 : r.cpuQuotaUs;
      cgroups.create(pathOf(pod), {
        cpuShares: r.cpuShares,
        ...(quota ? { cpuQuotaUs: quota, cpuPeriodUs: r.cpuPeriodUs } : {}),
        ...(r.memoryBytes ? { memoryLimitBytes: r.memoryBytes } : {}),
      });
    },
    async remove(uid) {
      for (const found of cgroups.pods()) if (found.uid === uid) await cgroups.remove(found.path);
    },
    async list() {
      return cgroups.pods().map(p => p.uid);
    },
  };
}
