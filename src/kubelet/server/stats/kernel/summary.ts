// /stats/summary: what was measured, in the words of stats/v1alpha1.
import { formatTime } from '../../../../api/meta.ts';
import type { Pressure } from '../../../../cri/kernel/cgroup-stats.ts';
import {
  type ContainerSample,
  type FilesystemSample,
  type NetworkSample,
  type NodeSample,
  nanoCores,
  type PodSample,
  type ResourceSample,
} from './sample.ts';

/** The moment before, by the same names; for rates. */
export interface Earlier {
  of(key: string): ResourceSample | undefined;
}

export const nodeKey = 'node';
export const podsKey = 'pods';
export const podKey = (pod: { readonly uid: string }) => `pod/${pod.uid}`;
export const containerKey = (container: { readonly id: string }) => `container/${container.id}`;

const noPressure = { total: 0, avg10: 0, avg60: 0, avg300: 0 };

/** Kernels leave out what has no meaning (`full` of a processor); the summary says 0. */
function psi(pressure: Pressure | undefined) {
  if (!pressure) return {};
  const one = ({ total, avg10, avg60, avg300 } = noPressure) => ({ total, avg10, avg60, avg300 });
  return { psi: { full: one(pressure.full), some: one(pressure.some) } };
}

const io = (now: ResourceSample | undefined) =>
  now?.pressure?.io && { time: formatTime(now.atMs), ...psi(now.pressure.io) };

function cpu(now: ResourceSample | undefined, before: ResourceSample | undefined) {
  if (!now) return undefined;
  const usageNanoCores = nanoCores(before, now);
  return {
    time: formatTime(now.atMs),
    ...(usageNanoCores === undefined ? {} : { usageNanoCores }),
    usageCoreNanoSeconds: now.cpuNanoseconds,
    ...psi(now.pressure?.cpu),
  };
}

function memory(now: ResourceSample | undefined, limitBytes = now?.limitBytes) {
  if (!now) return undefined;
  return {
    time: formatTime(now.atMs),
    ...(limitBytes === undefined ? {} : { availableBytes: Math.max(0, limitBytes - now.workingSetBytes) }),
    ...(now.usageBytes === undefined ? {} : { usageBytes: now.usageBytes }),
    workingSetBytes: now.workingSetBytes,
    ...(now.rssBytes === undefined ? {} : { rssBytes: now.rssBytes }),
    ...(now.pageFaults === undefined ? {} : { pageFaults: now.pageFaults }),
    ...(now.majorPageFaults === undefined ? {} : { majorPageFaults: now.majorPageFaults }),
    ...psi(now.pressure?.memory),
  };
}

function network(time: string, samples: readonly NetworkSample[]) {
  const [first] = samples;
  if (!first) return undefined;
  const one = ({ name, rxBytes, rxErrors, txBytes, txErrors }: NetworkSample) => ({
    name,
    rxBytes,
    rxErrors,
    txBytes,
    txErrors,
  });
  return { time, ...one(first), interfaces: samples.map(one) };
}

/** `own`: of something on that file system; how many inodes it has is not counted unless given. */
const filesystem = (
  time: string,
  fs: FilesystemSample | undefined,
  own?: { readonly usedBytes: number; readonly inodesUsed?: number },
) => fs && { time, ...fs, ...(own ? { inodesUsed: undefined, ...own } : {}) };

function containerOf(c: ContainerSample, node: NodeSample, earlier: Earlier) {
  const time = formatTime(node.atMs);
  return {
    name: c.name,
    startTime: formatTime(c.startedAtMs),
    cpu: cpu(c.resources, earlier.of(containerKey(c))),
    memory: memory(c.resources),
    io: io(c.resources),
    rootfs: filesystem(time, node.imageFilesystem, { usedBytes: c.rootfsUsedBytes, inodesUsed: c.rootfsInodesUsed }),
    logs: filesystem(time, node.filesystem, { usedBytes: c.logBytes }),
  };
}

function podOf(pod: PodSample, node: NodeSample, earlier: Earlier) {
  const time = formatTime(node.atMs);
  const volumes = pod.volumes.map(v => ({
    ...(v.filesystem ? { time, ...v.filesystem } : filesystem(time, node.filesystem, { usedBytes: v.usedBytes })),
    name: v.name,
    ...(v.claim ? { pvcRef: v.claim } : {}),
  }));
  const ephemeral =
    pod.containers.reduce((sum, c) => sum + c.rootfsUsedBytes + c.logBytes, 0) +
    pod.volumes.reduce((sum, v) => sum + (v.ephemeral ? v.usedBytes : 0), 0);
  return {
    podRef: { name: pod.name, namespace: pod.namespace, uid: pod.uid },
    startTime: formatTime(pod.startedAtMs),
    containers: pod.containers.map(c => containerOf(c, node, earlier)),
    cpu: cpu(pod.resources, earlier.of(podKey(pod))),
    memory: memory(pod.resources),
    io: io(pod.resources),
    network: network(time, pod.network),
    ...(volumes.length ? { volume: volumes } : {}),
    'ephemeral-storage': filesystem(time, node.filesystem, { usedBytes: ephemeral }),
    ...(pod.resources?.processes === undefined ? {} : { process_stats: { process_count: pod.resources.processes } }),
  };
}

/** `onlyCpuAndMemory`: what /stats/summary?only_cpu_and_memory=true wants. */
export function summaryOf(node: NodeSample, earlier: Earlier, onlyCpuAndMemory = false): object {
  const time = formatTime(node.atMs);
  const pods = node.pods.map(p => podOf(p, node, earlier));
  const system = node.podResources && {
    name: 'pods',
    startTime: formatTime(node.startedAtMs),
    cpu: cpu(node.podResources, earlier.of(podsKey)),
    memory: memory(node.podResources, node.memoryBytes),
    io: onlyCpuAndMemory ? undefined : io(node.podResources),
  };
  const own = {
    nodeName: node.nodeName,
    systemContainers: system ? [system] : [],
    startTime: formatTime(node.startedAtMs),
    cpu: cpu(node.resources, earlier.of(nodeKey)),
    memory: memory(node.resources, node.memoryBytes),
  };
  if (onlyCpuAndMemory)
    return {
      node: own,
      pods: pods.map(({ podRef, startTime, containers, cpu, memory }) => ({
        podRef,
        startTime,
        containers: containers.map(({ rootfs: _, logs: __, io: ___, ...c }) => c),
        cpu,
        memory,
      })),
    };
  return {
    node: {
      ...own,
      io: io(node.resources),
      network: network(time, node.network),
      fs: filesystem(time, node.filesystem),
      runtime: { imageFs: filesystem(time, node.imageFilesystem), containerFs: filesystem(time, node.imageFilesystem) },
    },
    pods,
  };
}
