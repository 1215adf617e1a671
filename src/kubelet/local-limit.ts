// Limits of local disk: emptyDir sizes, and ephemeral-storage of containers and of their pod.
import { join } from 'node:path';
import type { Container, Pod } from '../api/type/core-v1.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { listContainerStats } from './container-stats.ts';
import type { Host } from './host/host.ts';
import { bytesOf } from './kernel/amount.ts';
import { podUidLabel, readContainerMarks } from './kernel/label.ts';
import { isSidecar } from './kernel/restart-policy.ts';
import { identityOf, type PodPaths } from './pod-path.ts';

export interface LocalLimitOptions {
  readonly runtime: ContainerRuntime;
  readonly host: Host;
  readonly paths: PodPaths;
}

const resource = 'ephemeral-storage';
const limitOf = (c: Container) => bytesOf(c.resources?.limits?.[resource]);
const containersOf = (pod: Pod) => [...pod.spec.containers, ...(pod.spec.initContainers ?? []).filter(isSidecar)];

/** Which limit a pod exceeds, in the words of its eviction; undefined when none. Disk is only read where there is a limit. */
export async function exceededLimit(o: LocalLimitOptions, pod: Pod): Promise<string | undefined> {
  const volumes = new Map<string, number>();
  const limited = containersOf(pod).some(limitOf);
  for (const v of pod.spec.volumes ?? []) {
    if (!v.emptyDir || v.emptyDir.medium === 'Memory') continue;
    const limit = v.emptyDir.sizeLimit;
    if (!limited && !bytesOf(limit)) continue;
    const used = await o.host.usage(o.paths.volume(pod.metadata.uid ?? '', 'kubernetes.io/empty-dir', v.name));
    volumes.set(v.name, used);
    if (bytesOf(limit) && used > bytesOf(limit))
      return `Usage of EmptyDir volume "${v.name}" exceeds the limit "${limit}". `;
  }
  return limited ? exceededStorage(o, pod, volumes) : undefined;
}

async function exceededStorage(
  o: LocalLimitOptions,
  pod: Pod,
  volumes: ReadonlyMap<string, number>,
): Promise<string | undefined> {
  const containers = await containerUse(o, pod);
  const sum = (list: Iterable<number>) => [...list].reduce((a, b) => a + b, 0);
  // A pod is limited by what its containers may use together, those without a limit not counted.
  const total = sum(containersOf(pod).map(limitOf));
  if (sum(containers.values()) + sum(volumes.values()) > total)
    return `Pod ephemeral local storage usage exceeds the total limit of containers ${formatBytes(total)}. `;
  for (const c of containersOf(pod)) {
    const limit = limitOf(c);
    if (limit && (containers.get(c.name) ?? 0) > limit)
      return `Container ${c.name} exceeded its local ephemeral storage limit "${c.resources?.limits?.[resource]}". `;
  }
  return undefined;
}

/** Bytes of writable layer and logs, by container name. */
async function containerUse(o: LocalLimitOptions, pod: Pod): Promise<ReadonlyMap<string, number>> {
  const uid = pod.metadata.uid ?? '';
  const out = new Map<string, number>();
  const stats = await listContainerStats(o.runtime, { filter: { label_selector: { [podUidLabel]: uid } } });
  for (const s of stats) {
    const name = readContainerMarks(s.attributes?.labels, s.attributes?.annotations)?.name ?? '';
    out.set(name, s.writable_layer?.used_bytes?.value ?? 0);
  }
  for (const { name } of containersOf(pod))
    out.set(name, (out.get(name) ?? 0) + (await o.host.usage(join(o.paths.podLogs(identityOf(pod)), name))));
  return out;
}

/** As Kubernetes writes such a sum: the largest binary unit that leaves a whole number. */
function formatBytes(bytes: number): string {
  const units = ['', 'Ki', 'Mi', 'Gi', 'Ti'];
  let i = 0;
  for (; i < units.length - 1 && bytes > 0 && bytes % 1024 === 0; i++) bytes /= 1024;
  return `${bytes}${units[i]}`;
}
