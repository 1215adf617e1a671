// Resizing a pod in place: what its spec asks, what it was granted, what its containers have.
import type { Container, ContainerStatus, Pod, PodSpec, ResourceRequirements } from '../../api/type/core-v1.ts';
import { bytesOf, numberOf } from './amount.ts';

export interface ResizeProblem {
  readonly reason: 'Infeasible' | 'Deferred';
  readonly message: string;
}

/** By container name; `ofPod` for what the pod as a whole has, where it has something. */
export type Grants = ReadonlyMap<string, ResourceRequirements>;

export const ofPod = '';

const kinds = ['requests', 'limits'] as const;
const resizable = ['cpu', 'memory'] as const;

/** Containers whose resources may change while they run. */
export const resizableContainers = (pod: Pod): readonly Container[] => [
  ...pod.spec.containers,
  ...(pod.spec.initContainers ?? []),
];

/** Which of cpu and memory differ, in requests or limits. */
export function changedResources(
  a: ResourceRequirements | undefined,
  b: ResourceRequirements | undefined,
): readonly ('cpu' | 'memory')[] {
  return resizable.filter(name => kinds.some(k => numberOf(a?.[k]?.[name]) !== numberOf(b?.[k]?.[name])));
}

export const askedResources = (pod: Pod): Grants =>
  withWhole(new Map(resizableContainers(pod).map(c => [c.name, c.resources ?? {}])), pod.spec.resources);

const withWhole = (grants: Map<string, ResourceRequirements>, whole: ResourceRequirements | undefined): Grants =>
  whole ? grants.set(ofPod, whole) : grants;

/** What a former kubelet granted, as far as the published status of its containers tells. */
export function publishedGrants(pod: Pod): Grants {
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  const published = ({ resources, allocatedResources }: Published): ResourceRequirements => ({
    ...resources,
    ...(allocatedResources ? { requests: allocatedResources } : {}),
  });
  const grants = new Map(
    resizableContainers(pod).map(c => {
      const s = statuses.find(o => o.name === c.name);
      return [c.name, s?.containerID && s.resources ? published(s) : (c.resources ?? {})];
    }),
  );
  return withWhole(grants, pod.status?.resources ? published(pod.status) : pod.spec.resources);
}

type Published = Pick<ContainerStatus, 'resources' | 'allocatedResources'>;

/** The pod with the cpu and memory it was granted; the very same object when that is what it asks. */
export function withGrants(pod: Pod, grants: Grants): Pod {
  const whole = grants.get(ofPod);
  const differs =
    resizableContainers(pod).some(c => changedResources(c.resources, grants.get(c.name)).length > 0) ||
    (whole !== pod.spec.resources && changedResources(pod.spec.resources, whole).length > 0);
  if (!differs) return pod;
  const apply = (c: Container): Container => {
    const granted = grants.get(c.name);
    return granted ? { ...c, resources: merge(c.resources, granted) } : c;
  };
  const { containers, initContainers } = pod.spec;
  const init = initContainers ? { initContainers: initContainers.map(apply) } : {};
  const own = whole || pod.spec.resources ? { resources: merge(pod.spec.resources, whole ?? {}) } : {};
  return { ...pod, spec: { ...pod.spec, containers: containers.map(apply), ...init, ...own } };
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

/** The same of the limit of a whole pod. */
export function podMemoryProblem(spec: PodSpec, usedBytes: number): string | undefined {
  const limitBytes = bytesOf(spec.resources?.limits?.memory);
  if (usedBytes < limitBytes) return undefined;
  return `cannot decrease memory limits: attempting to set pod memory limit (${limitBytes}) below current usage (${usedBytes})`;
}

/** Why a container may not have this memory limit now: the kernel would kill what it cannot shrink. */
export function memoryProblem(
  name: string,
  resources: ResourceRequirements | undefined,
  usedBytes: number,
): string | undefined {
  const limitBytes = bytesOf(resources?.limits?.memory);
  if (usedBytes < limitBytes) return undefined;
  return `cannot decrease memory limits: attempting to set container "${name}" memory limit (${limitBytes}) below current usage (${usedBytes})`;
}
