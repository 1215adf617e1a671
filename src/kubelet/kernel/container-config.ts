import type { Container, Pod } from '../../api/type/core-v1.ts';
import type { ContainerConfig, Device, LinuxContainerResources, Mount, Signal } from '../../cri/type.ts';
import { expandAll } from './env.ts';
import { containerAnnotations, containerLabels } from './label.ts';
import { containerCgroup, oomScoreAdjust, swapShare, withPodLimits } from './qos.ts';
import { type ContainerSecurityInput, containerSecurity } from './security.ts';
import type { EnvPair } from './service-env.ts';

/** How a node holds containers to what they may have. */
export interface ResourceSettings {
  readonly memoryCapacityBytes: number;
  readonly cgroupVersion: 1 | 2;
  /** Default true. */
  readonly enforceCpuQuota?: boolean;
  /** Default 100 ms. */
  readonly cpuPeriodUs?: number;
  /** Of a container that has no memory left one process ends, and not all of them. Always so in version 1. */
  readonly singleProcessOomKill?: boolean;
  /** Of a machine with swap that can be limited: whether containers get a share of it, or none. */
  readonly swap?: { readonly limited: boolean; readonly bytes: number } | undefined;
}

export interface ContainerInput extends Omit<ContainerSecurityInput, 'container'>, ResourceSettings {
  readonly container: Container;
  readonly restartCount: number;
  /** What the runtime knows the image by. */
  readonly imageRef: string;
  readonly env: readonly EnvPair[];
  readonly mounts: readonly Mount[];
  readonly devices?: readonly Device[];
}

/** The log file below the pod's log directory. */
export const containerLogPath = (name: string, restartCount: number) => `${name}/${restartCount}.log`;

export function containerConfig(input: ContainerInput): ContainerConfig {
  const { pod, container, restartCount, env } = input;
  const command = expandAll(container.command, env);
  const args = expandAll(container.args, env);
  const signal = container.lifecycle?.stopSignal;
  return {
    metadata: { name: container.name, attempt: restartCount },
    image: { image: input.imageRef, user_specified_image: container.image ?? '' },
    command,
    args,
    working_dir: container.workingDir ?? '',
    envs: env.map(e => ({ key: e.name, value: new TextEncoder().encode(e.value) })),
    mounts: input.mounts,
    ...(input.devices?.length ? { devices: input.devices } : {}),
    labels: containerLabels(pod, container),
    annotations: containerAnnotations(pod, container, restartCount),
    log_path: containerLogPath(container.name, restartCount),
    stdin: container.stdin ?? false,
    stdin_once: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    linux: { resources: linuxResources(input), security_context: containerSecurity(input) },
    ...(signal ? { stop_signal: criSignal(signal) } : {}),
  };
}

export interface ResourceInput extends ResourceSettings {
  readonly pod: Pod;
  readonly container: Container;
}

export function linuxResources(input: ResourceInput): LinuxContainerResources {
  const { pod, container, cgroupVersion, singleProcessOomKill = false, swap, memoryCapacityBytes } = input;
  const size = { memoryBytes: memoryCapacityBytes, swapBytes: swap?.bytes ?? 0 };
  const unified = {
    // A container dies as a whole, instead of losing one process.
    ...(cgroupVersion === 2 && !singleProcessOomKill ? { 'memory.oom.group': '1' } : {}),
    ...(swap ? { 'memory.swap.max': String(swap.limited ? swapShare(pod, container, size) : 0) } : {}),
  };
  const r = containerCgroup(withPodLimits(pod.spec, container.resources), input.cpuPeriodUs);
  return {
    cpu_period: r.cpuPeriodUs,
    cpu_quota: input.enforceCpuQuota === false ? 0 : r.cpuQuotaUs,
    cpu_shares: r.cpuShares,
    memory_limit_in_bytes: r.memoryBytes,
    oom_score_adj: oomScoreAdjust(pod, container, memoryCapacityBytes),
    ...(Object.keys(unified).length ? { unified } : {}),
  };
}

const criSignal = (name: string) => name.replace('+', 'PLUS').replace('-', 'MINUS') as Signal;
