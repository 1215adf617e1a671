// What was measured at one moment, and what two such moments tell.
import type { DiskStats, Pressure, Throttling } from '../../../../cri/kernel/cgroup-stats.ts';

export interface ResourceSample {
  readonly atMs: number;
  readonly cpuNanoseconds: number;
  readonly workingSetBytes: number;
  readonly usageBytes?: number;
  readonly rssBytes?: number;
  readonly pageFaults?: number;
  readonly majorPageFaults?: number;
  /** Of memory; absent without a limit. */
  readonly limitBytes?: number;
  readonly processes?: number;
  readonly cacheBytes?: number;
  readonly swapBytes?: number;
  /** Of a container with a limit of processor time. */
  readonly throttling?: Throttling;
  /** `device` is the name of its file, as `/dev/sda`. */
  readonly disks?: readonly DiskStats[];
  /** How long tasks waited for each; version 2 of control groups only. */
  readonly pressure?: { readonly cpu?: Pressure; readonly memory?: Pressure; readonly io?: Pressure };
}

export interface NetworkSample {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

export interface FilesystemSample {
  readonly availableBytes: number;
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly inodes: number;
  readonly inodesFree: number;
  readonly inodesUsed: number;
}

export interface ContainerSample {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly startedAtMs: number;
  readonly resources: ResourceSample;
  readonly rootfsUsedBytes: number;
  readonly rootfsInodesUsed: number;
  readonly logBytes: number;
}

export interface VolumeSample {
  readonly name: string;
  readonly usedBytes: number;
  /** It lies on the node's own disk. */
  readonly ephemeral: boolean;
  /** Where it is a file system of its own. */
  readonly filesystem?: FilesystemSample;
  readonly claim?: { readonly name: string; readonly namespace: string };
}

export interface PodSample {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly startedAtMs: number;
  readonly resources?: ResourceSample;
  readonly network: readonly NetworkSample[];
  readonly containers: readonly ContainerSample[];
  readonly volumes: readonly VolumeSample[];
}

export interface NodeSample {
  readonly atMs: number;
  readonly nodeName: string;
  readonly startedAtMs: number;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly resources?: ResourceSample;
  /** All pods together. */
  readonly podResources?: ResourceSample;
  readonly network: readonly NetworkSample[];
  readonly filesystem?: FilesystemSample;
  readonly imageFilesystem?: FilesystemSample;
  readonly pods: readonly PodSample[];
}

/** Billionths of a core between two moments; undefined before the second, and after a counter began anew. */
export function nanoCores(before: ResourceSample | undefined, now: ResourceSample): number | undefined {
  if (!before || now.atMs <= before.atMs || now.cpuNanoseconds < before.cpuNanoseconds) return undefined;
  return Math.round(((now.cpuNanoseconds - before.cpuNanoseconds) / (now.atMs - before.atMs)) * 1000);
}

/** Reads /proc/net/dev; loopback left out, the interface `main` first. */
export function readNetDev(text: string, main = 'eth0'): NetworkSample[] {
  const found = text.split('\n').flatMap(line => {
    const match = /^\s*([^:\s]+):\s*(.*)$/.exec(line);
    if (!match || match[1] === 'lo') return [];
    const n = match[2]!.trim().split(/\s+/).map(Number);
    const [rxBytes = 0, rxPackets = 0, rxErrors = 0, rxDropped = 0] = n;
    const [txBytes = 0, txPackets = 0, txErrors = 0, txDropped = 0] = n.slice(8);
    const name = match[1]!;
    return [{ name, rxBytes, rxPackets, rxErrors, rxDropped, txBytes, txPackets, txErrors, txDropped }];
  });
  return found.sort((a, b) => Number(b.name === main) - Number(a.name === main));
}
