// Resizing a pod in place: what its spec asks, what it was granted, what its containers have.
import type { Container, Pod, ResourceRequirements } from '../../api/type/core-v1.ts';
import { bytesOf, numberOf } from './amount.ts';
import { isSidecar } from './restart-policy.ts';

export interface ResizeProblem {
  readonly reason: 'Infeasible' | 'Deferred';
  readonly message: string;
}

/** By container name. */
export type Grants = ReadonlyMap<string, ResourceRequirements>;

const kinds = ['requests', 'limits'] as const;
const resizable = ['cpu', 'memory'] as const;

/** Containers whose resources may change while they run. */
export const resizableContainers = (pod: Pod): readonly Container[] => [
  ...pod.spec.containers,
  ...(pod.spec.initContainers ?? []).filter(isSidecar),
];

/** Which of cpu and memory differ, in requests or limits. */
export function changedResources(
  a: ResourceRequirements | undefined,
  b: ResourceRequirements | undefined,
): readonly ('cpu' | 'memory')[] {
  return resizable.filter(name => kinds.some(k => numberOf(a?.[k]?.[name]) !== numberOf(b?.[k]?.[name])));
}

export const askedResources = (pod: Pod): Grants =>
  new Map(resizableContainers(pod).map(c => [c.name, c.resources ?? {}]));

/** What a former kubelet granted, as far as the published status of its containers tells. */
export function publishedGrants(pod: Pod): Grants {
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  return new Map(
    resizableContainers(pod).map(c => {
      const s = statuses.find(o => o.name === c.name);
      if (!s?.containerID || !s.resources) return [c.name, c.resources ?? {}];
      return [c.name, { ...s.resources, ...(s.allocatedResources ? { requests: s.allocatedResources } : {}) }];
    }),
  );
}

/** The pod with the cpu and memory it was granted; the very same object when that is what it asks. */
export function withGrants(pod: Pod, grants: Grants): Pod {
  const differs = resizableContainers(pod).some(c => changedResources(c.resources, grants.get(c.name)).length > 0);
  if (!differs) return pod;
  const apply = (c: Container): Container => {
    const granted = grants.get(c.name);
    return granted ? { ...c, resources: merge(c.resources, granted) } : c;
  };
  const { containers, initContainers } = pod.spec;
  const init = initContainers ? { initContainers: initContainers.map(c => (isSidecar(c) ? apply(c) : c)) } : {};
  return { ...pod, spec: { ...pod.spec, containers: containers.map(apply), ...init } };
}

function merge(asked: ResourceRequirements | undefined, granted: ResourceRequirements): ResourceRequirements {
  const out: Record<string, unknown> = { ...asked };
  for (const kind of kinds) {
    const list: Record<string, string> = { ...asked?.[kind] };
    for (const name of resizable) {
      delete list[name];
      const value = granted[kind]?.[name];
      if (value !== undefined) list[name] = value;
    }
    if (Object.keys(list).length) out[kind] = list;
    else delete out[kind];
  }
  return out as ResourceRequirements;
}

/** Whether the memory limit becomes smaller, or the first one. */
export function shrinksMemory(from: ResourceRequirements | undefined, to: ResourceRequirements | undefined): boolean {
  const limit = to?.limits?.memory;
  const before = from?.limits?.memory;
  return limit !== undefined && (before === undefined || bytesOf(limit) < bytesOf(before));
}

/** Why a container may not have this memory limit now: the kernel would kill what it cannot shrink. */
export function memoryProblem(container: Container, usedBytes: number): string | undefined {
  const limitBytes = bytesOf(container.resources?.limits?.memory);
  if (usedBytes < limitBytes) return undefined;
  return `cannot decrease memory limits: attempting to set container "${container.name}" memory limit (${limitBytes}) below current usage (${usedBytes})`;
}
