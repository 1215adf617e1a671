// What keeps a kubelet from starting on a machine, where its configuration says so.
import type { Host } from '../host/host.ts';

export interface StartChecks {
  readonly swapBytes: number;
  readonly failSwapOn: boolean;
  readonly cgroupVersion: 1 | 2;
  readonly failCgroupV1: boolean;
  /** The kernel's parameters must be as Kubernetes wants them. */
  readonly protectKernelDefaults: boolean;
}

/** https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1: protectKernelDefaults */
const kernelDefaults: Readonly<Record<string, string>> = {
  ...{ 'vm/overcommit_memory': '1', 'vm/panic_on_oom': '0', 'kernel/panic': '10', 'kernel/panic_on_oops': '1' },
  ...{ 'kernel/keys/root_maxkeys': '1000000', 'kernel/keys/root_maxbytes': '25000000' },
};

/** Rejects with what is not as it must be. */
export async function checkStart(host: Host, o: StartChecks): Promise<void> {
  if (o.failSwapOn && o.swapBytes > 0)
    throw new Error('running with swap on is not supported, please disable swap or set --fail-swap-on flag to false');
  if (o.failCgroupV1 && o.cgroupVersion === 1)
    throw new Error(
      'kubelet is configured to not run on a host using cgroup v1. cgroup v1 support is unsupported and will be removed in a future release',
    );
  if (!o.protectKernelDefaults) return;
  const wrong: string[] = [];
  for (const [name, expected] of Object.entries(kernelDefaults)) {
    const actual = (await host.readFile(`/proc/sys/${name}`))?.trim();
    if (actual !== expected)
      wrong.push(`invalid kernel flag: ${name}, expected value: ${expected}, actual value: ${actual ?? 'none'}`);
  }
  if (wrong.length) throw new Error(`[${wrong.join(', ')}]`);
}
