import type { Pod } from '../api/type/core-v1.ts';

/** Pod-level cgroups. The cgroup drivers live in src/cri; this is what the kubelet asks of them. */
export interface PodCgroups {
  readonly version: 1 | 2;
  /** Makes /kubepods and its burstable and besteffort children. Called once at start. */
  prepare(): Promise<void>;
  /** Whether groups can be held to an amount of swap; asked after prepare. */
  limitsSwap(): boolean;
  /** What the runtime is told as `cgroup_parent`. */
  parentOf(pod: Pod): string;
  /** Makes the pod's cgroup, or brings its limits up to date. `unlimited`: without a CPU quota. */
  ensure(pod: Pod, unlimited?: boolean): Promise<void>;
  /** Kills what is left inside and removes it. */
  remove(uid: string): Promise<void>;
  /** How many run in the pod's cgroup. */
  processes(uid: string): number;
  /** Uids that have a cgroup, for the clean-up of pods that are gone. */
  list(): Promise<readonly string[]>;
}

/** For simulated nodes and hosts without cgroups of their own: the runtime decides. */
export const noCgroups: PodCgroups = {
  version: 1,
  async prepare() {},
  limitsSwap: () => false,
  parentOf: () => '',
  async ensure() {},
  async remove() {},
  processes: () => 0,
  async list() {
    return [];
  },
};
