// What pods use of a resource that their node lacks.
import { join } from 'node:path';
import type { Pod, Volume } from '../api/type/core-v1.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import type { ContainerStats } from '../cri/type.ts';
import type { PodCgroups } from './cgroup.ts';
import { listContainerStats } from './container-stats.ts';
import type { Host } from './host/host.ts';
import type { PodUse } from './kernel/eviction.ts';
import { containerNameLabel, podUidLabel } from './kernel/label.ts';
import { identityOf, type PodPaths } from './pod-path.ts';

export interface PodUseOptions {
  readonly runtime: ContainerRuntime;
  readonly host: Host;
  readonly paths: PodPaths;
  readonly cgroups: Pick<PodCgroups, 'processes'>;
}

/** By pod uid and container: one that has ended may still be listed beside its successor. */
type ByContainer = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Of `memory`, `ephemeral-storage`, `inodes` or `pids`. */
export async function podUses(o: PodUseOptions, pods: readonly Pod[], resource: string): Promise<readonly PodUse[]> {
  switch (resource) {
    case 'pids':
      return pods.map(pod => ({ pod, amount: o.cgroups.processes(pod.metadata.uid ?? '') }));
    case 'memory': {
      const used = await ofContainers(o, s => s.memory?.working_set_bytes?.value);
      return pods.map(pod => withContainers(pod, used.get(pod.metadata.uid ?? '') ?? new Map()));
    }
    case 'inodes': {
      const layers = await ofContainers(o, s => s.writable_layer?.inodes_used?.value);
      const uses = pods.map(pod => onDisk(o, pod, layers, path => o.host.files(path)));
      // Nobody asks for inodes: a pod is told nothing of its containers.
      return (await Promise.all(uses)).map(({ pod, amount }) => ({ pod, amount }));
    }
    default: {
      const layers = await ofContainers(o, s => s.writable_layer?.used_bytes?.value);
      return Promise.all(pods.map(pod => onDisk(o, pod, layers, path => o.host.usage(path))));
    }
  }
}

async function ofContainers(
  { runtime }: PodUseOptions,
  value: (stats: ContainerStats) => number | undefined,
): Promise<ByContainer> {
  const out = new Map<string, Map<string, number>>();
  for (const s of await listContainerStats(runtime)) {
    const labels = s.attributes?.labels ?? {};
    const of = out.getOrInsertComputed(labels[podUidLabel] ?? '', () => new Map<string, number>());
    const name = labels[containerNameLabel] ?? '';
    of.set(name, (of.get(name) ?? 0) + (value(s) ?? 0));
  }
  return out;
}

const withContainers = (pod: Pod, containers: ReadonlyMap<string, number>, beside = 0): PodUse => ({
  ...{ pod, containers },
  amount: containers.values().reduce((sum, n) => sum + n, beside),
});

/** Containers' layers and logs, and the pod's own volumes on the node's disk; not those of others that are mounted. */
async function onDisk(
  { paths }: PodUseOptions,
  pod: Pod,
  layers: ByContainer,
  measure: (path: string) => Promise<number>,
): Promise<PodUse> {
  const { spec, metadata } = pod;
  const uid = metadata.uid ?? '';
  const own = new Map<string, number>();
  for (const { name } of [...spec.containers, ...(spec.initContainers ?? []), ...(spec.ephemeralContainers ?? [])]) {
    const logs = await measure(join(paths.podLogs(identityOf(pod)), name));
    own.set(name, (layers.get(uid)?.get(name) ?? 0) + logs);
  }
  let volumes = 0;
  for (const volume of spec.volumes ?? []) {
    const plugin = localPlugin(volume);
    if (plugin) volumes += await measure(paths.volume(uid, plugin, volume.name));
  }
  return withContainers(pod, own, volumes);
}

function localPlugin({ emptyDir, configMap }: Volume): string | undefined {
  if (configMap) return 'kubernetes.io/configmap';
  return emptyDir && !emptyDir.medium ? 'kubernetes.io/empty-dir' : undefined;
}
